"""What words are learnt on, for tests: the shipped network as an embedding of four numbers, with a small bank."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
from heads import make_head, make_manifest, write_pair
from lessons import find_network
from spoken import RATE_HZ, record, say

from detector import load_model
from detector.learn.bank import Bank, Entry, Kind, write_bank
from detector.learn.embedding import Embedding
from detector.learn.resources import BANK_FILE, EMBEDDING, FOLDER, SPEECH_FILE

TAPS, TAP_S = (0, 4, 8, 12, 16), 0.24
WORDS = ("weather", "tomorrow", "house", "no", "know")
SENTENCES = ("the weather is fine today", "people in the garden were drinking tea")
VOICES = ("en-us", "en-gb+f3")


def write_resources(models: Path) -> Path:
    """Write what words are learnt on into a folder of models, by espeak-ng; return that folder."""
    folder = models / FOLDER
    shipped = load_model("yes-no")
    head = make_head([EMBEDDING], taps=TAPS, like={EMBEDDING: "yes"})
    manifest = make_manifest(shipped, EMBEDDING, [EMBEDDING], head=head)
    model = load_model(str(write_pair(folder, manifest, find_network().read_bytes())))
    embedding = Embedding(model)
    entries = [
        Entry(kind, is_learnt_from, text, embedding.outputs(record(say(text, voice=voice)))[:: TAPS[1]])
        for kind, texts in ((Kind.WORD, WORDS), (Kind.SPEECH, SENTENCES))
        for text in texts
        for is_learnt_from, voice in zip((True, False), VOICES, strict=True)
    ]
    write_bank(folder / BANK_FILE, Bank(entries, tap_s=TAP_S), sha256=manifest.sha256)
    soundfile.write(folder / SPEECH_FILE, record(say(SENTENCES[0])).astype(np.float32) / 32768, RATE_HZ)
    return models
