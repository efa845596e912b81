#!/bin/sh
# soundfile seeks behind every block that it reads of a file that can be sought in. In an MP3 a seek throws the bit
# reservoir away, from which a frame borrows bits of the frames before it: an MP3 read in blocks has other samples at their
# borders than the same MP3 read at once, and libmpg123 complains on stderr. Expected: the same samples.
# Way out: `file.seekable = lambda: False` before reading on.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check numpy==1.26.4 soundfile==0.14.0
cd "$folder"
venv/bin/python - <<'PYTHON'
import numpy as np, soundfile as sf

print("soundfile", sf.__version__, "with", sf.__libsndfile_version__)
RATE = 16000
time = np.arange(20 * RATE) / RATE
rng = np.random.default_rng(0)
sound = 0.3 * rng.normal(size=len(time)) * (np.sin(3 * time) > 0.3)
sf.write("a.mp3", sound, RATE, format="MP3", bitrate_mode="VARIABLE", compression_level=0.5)
whole, _ = sf.read("a.mp3", dtype="float32")


def read(is_mended):
    blocks = []
    with sf.SoundFile("a.mp3") as mp3:
        if is_mended:
            mp3.seekable = lambda: False
        while len(block := mp3.read(1600, dtype="float32")):
            blocks.append(block)
    return np.concatenate(blocks)


def differ(samples):
    n = min(len(samples), len(whole))
    return int((np.abs(samples[:n] - whole[:n]) > 1e-4).sum()) + abs(len(samples) - len(whole))


in_blocks, forward = differ(read(False)), differ(read(True))
print(f"of {len(whole)} samples differ: {in_blocks} when read in blocks, {forward} when nothing seeks")
assert in_blocks > 100, "CHANGED: read in blocks it is the same now"
assert forward == 0, "CHANGED: what does not seek differs, too"
print("as expected of this version")
PYTHON
