#!/bin/sh
# pocketsphinx aligns words with an utterance by what it holds, and by what the decoder heard before: the same sound with the
# same text gets other bounds after another utterance, though both are given whole (`full_utt=True`) and end with `end_utt`.
# Expected: the same bounds. Way out: `decoder.reinit_feat()` before each utterance.
# Needs espeak-ng, which makes the sound.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check numpy==1.26.4 soxr==0.5.0.post1 soundfile==0.14.0 pocketsphinx==5.1.1
cd "$folder"
espeak-ng -v en-us -s 140 -w one.wav "my sister bought a yellow car in the summer"
espeak-ng -v en-us -s 140 -w other.wav "the train to london leaves at seven"
venv/bin/python - <<'PYTHON'
from importlib.metadata import version

import numpy as np, soundfile as sf, soxr
from pocketsphinx import Decoder

print("pocketsphinx", version("pocketsphinx"))
ONE = "my sister bought a yellow car in the summer"
OTHER = "the train to london leaves at seven"


def read(file):
    samples, rate = sf.read(file, dtype="float32")
    return (soxr.resample(samples, rate, 16000) * 32767).astype(np.int16).tobytes()


def align(decoder, sound, text, is_mended):
    if is_mended:
        decoder.reinit_feat()
    decoder.set_align_text(text)
    decoder.start_utt()
    decoder.process_raw(sound, full_utt=True)
    decoder.end_utt()
    return [(segment.word, segment.start_frame, segment.end_frame) for segment in decoder.seg()]


def count_moved(is_mended):
    """Words of one utterance with other bounds after another utterance than first of all."""
    sounds = {ONE: read("one.wav"), OTHER: read("other.wav")}
    moved = 0
    for text, before in ((ONE, OTHER), (OTHER, ONE)):
        first = align(Decoder(lm=None, loglevel="FATAL"), sounds[text], text, is_mended)
        decoder = Decoder(lm=None, loglevel="FATAL")
        align(decoder, sounds[before], before, is_mended)
        again = align(decoder, sounds[text], text, is_mended)
        moved += sum(one != other for one, other in zip(first, again)) + abs(len(first) - len(again))
    return moved


as_it_is, mended = count_moved(False), count_moved(True)
print(f"segments with other bounds after another utterance: {as_it_is}; with reinit_feat before each: {mended}")
assert as_it_is > 0, "CHANGED: what was heard before does not matter any more"
assert mended == 0, "CHANGED: reinit_feat does not make utterances independent"
print("as expected of this version")
PYTHON
