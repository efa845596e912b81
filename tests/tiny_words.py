"""A tiny data set of made-up words: glides and steps of a buzz, said by speakers of every split."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from training.data.items import SPLITS, Split, choose_split

RATE_HZ = 16000
WORDS = {"up": (300.0, 2500.0), "down": (2500.0, 300.0), "flat": (900.0, 900.0), "other": (1500.0, 1500.0)}
"""Each word's glide from one frequency to another, in Hz."""

RECIPE = """
words = ["up", "down"]
data = ["words"]
epochs = 1
steps_per_epoch = 10
batch_size = 64
architecture = "ts-resnet-tiny"
distinct_windows = 500
licences = {words = "made by ourselves"}
"""
"""A short run on it, from the folder it was made in; more keys may follow."""


def say(word: str, rng: np.random.Generator) -> np.ndarray:
    """Return a clip of one second with a word in it, int16."""
    start_hz, end_hz = WORDS[word]
    n = round(rng.uniform(0.3, 0.5) * RATE_HZ)
    frequency_hz = np.linspace(start_hz, end_hz, n) * rng.uniform(0.9, 1.1)
    buzz = np.sign(np.sin(2 * np.pi * np.cumsum(frequency_hz) / RATE_HZ)) * np.hanning(n)
    clip = rng.standard_normal(RATE_HZ) * 10
    first = int(rng.integers(1600, RATE_HZ - n - 1600))
    clip[first : first + n] += 6000 * buzz
    return np.rint(clip).astype(np.int16)


def make(folder: Path) -> Path:
    """Write the data set in the Speech Commands layout; return its folder."""
    rng = np.random.default_rng(0)
    root = folder / "words"
    speakers = {split: [] for split in SPLITS}
    k = 0
    while min(map(len, speakers.values())) < 8 or len(speakers["training"]) < 20:
        speakers[choose_split(f"{k:08x}")].append(f"{k:08x}")
        k += 1
    for word in WORDS:
        (root / word).mkdir(parents=True)
        for split in SPLITS:
            for speaker in speakers[split][: 8 if split != "training" else 20]:
                soundfile.write(root / word / f"{speaker}_nohash_0.wav", say(word, rng), RATE_HZ)
    noises = root / "_background_noise_"
    noises.mkdir()
    for k in range(12):
        hum = rng.standard_normal(3 * RATE_HZ) * 200 + 300 * np.sin(np.arange(3 * RATE_HZ) * (0.05 + 0.01 * k))
        soundfile.write(noises / f"hum{k}.wav", hum.astype(np.int16), RATE_HZ)
    speech = folder / "speech"
    for speaker in ("11", "12"):
        (speech / speaker).mkdir(parents=True)
        for k in range(3):
            utterance = np.concatenate([say(str(rng.choice(["flat", "other"])), rng) for _ in range(4)])
            soundfile.write(speech / speaker / f"{speaker}-1-000{k}.flac", utterance, RATE_HZ)
        (speech / speaker / f"{speaker}-1.trans.txt").write_text(
            "".join(f"{speaker}-1-000{k} {'FLAT OTHER' if k else 'FLAT UP'}\n" for k in range(3))
        )
    assert Split.TESTING in speakers
    return root
