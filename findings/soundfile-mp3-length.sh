#!/bin/sh
# soundfile hands an MP3 over whose length its encoder did not note (no Xing or LAME tag: streams, many recorders, `lame -t`)
# only as far as libmpg123 guesses it to go from the first frames and the file's size. Where the sound begins louder than it
# goes on, in variable bit rate, the end is missing, without an error. Expected: all of its samples, as ffmpeg gives them.
# Way out: a file object whose end is claimed to be far away; libsndfile then reads until there is nothing more.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check numpy==1.26.4 soundfile==0.14.0
cd "$folder"
venv/bin/python - <<'PYTHON'
import io
import numpy as np, soundfile as sf

print("soundfile", sf.__version__, "with", sf.__libsndfile_version__)
RATE = 16000
rng = np.random.default_rng(0)
sound = np.concatenate([rng.normal(size=RATE) * 0.3, np.zeros(10 * RATE), rng.normal(size=5 * RATE) * 0.01])
file = io.BytesIO()
sf.write(file, sound, RATE, format="MP3", bitrate_mode="VARIABLE", compression_level=0.5)
tagged = file.getvalue()
tag = max(tagged.find(b"Xing"), tagged.find(b"Info"))
assert 0 < tag < 200, "the encoder wrote no tag"
# The frame that holds the tag is left out: what remains is a whole MP3 without one.
after = next(n for n in range(tag, len(tagged)) if tagged[n] == 0xFF and tagged[n + 1] == tagged[1])
untagged = tagged[after:]


class FarEnd:
    """A file object whose end is claimed to be far away."""

    def __init__(self, content):
        self.content, self.position = content, 0

    def seek(self, offset, whence=0):
        self.position = offset + {0: 0, 1: self.position, 2: 1 << 40}[whence]
        return self.position

    def tell(self):
        return self.position

    def read(self, size):
        found = self.content[self.position : self.position + size]
        if self.position > 1 << 39:  # where a tag at the end is looked for
            found = bytes(size)
        self.position += len(found)
        return found

    def write(self, content):
        raise OSError


def count(opened):
    total = 0
    with sf.SoundFile(opened) as mp3:
        mp3.seekable = lambda: False
        while len(block := mp3.read(65536)):
            total += len(block)
    return total


whole, guessed, claimed = count(io.BytesIO(tagged)), count(io.BytesIO(untagged)), count(FarEnd(untagged))
print(f"with its tag: {whole} samples; without: {guessed}; without, of a file that claims to be longer: {claimed}")
assert guessed < 0.95 * whole, "CHANGED: all of it is read without a tag, too"
assert claimed >= whole, "CHANGED: a file that claims to be longer is not read to its end"
print("as expected of this version")
PYTHON
