"""The bank that ships with the embedding: what many people say, and noise, as the embedding hears it."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from detector.core.model import load_model
from detector.learn.augment import fade, rms
from detector.learn.bank import Bank, Entry, Kind, write_bank
from detector.learn.embedding import Embedding
from detector.learn.resources import BANK_FILE, EMBEDDING, SPEECH_FILE
from detector.learn.voices import speak
from detector.samples import INT16_SCALE, to_int16
from training.data.collection import Collection
from training.data.decode import find_word
from training.data.items import Split
from training.embedding.settings import TAP_S, EmbeddingSettings
from training.embedding.sounds import read_texts
from training.progress import progress
from training.synthesis.voices import find_voices

log = logging.getLogger(__name__)

N_SPEECH_LEARNT, N_SPEECH_HELD = 300, 170
"""Utterances on each side."""
CLIPS_PER_WORD, CLIPS_PER_WORD_HELD = 40, 60
MOST_NOISE_SAMPLES = 160000
"""Of one recording: an hour of rain says no more than its beginning."""
N_TEXTS = 24
TEXT_WORDS = 14
TEXT_RMS = 2000.0
BEFORE_S, AFTER_S = 0.6, 0.6
"""Silence around a single word: what a head sees once it has been said counts too."""
HISS_RMS = 4.0


def make_bank(folder: Path, settings: EmbeddingSettings, collection: Collection) -> None:
    """Write bank and speech beside the embedding in a folder.

    What is learnt from is of training speakers. False accepts are counted on validation speakers, as the embedding
    hears those that it was trained on better: of running speech on `held_speakers`, of words on those that `is_held`
    names. Figures are measured on the others.
    """
    model = load_model(str(folder / f"{EMBEDDING}.json"))
    embedding = Embedding(model)
    rng = np.random.default_rng(settings.seed)
    planned = [*_plan_speech(collection, settings, rng), *_plan_words(collection, rng), *_plan_noise(collection)]
    entries = []
    for k, (kind, is_learnt_from, position) in enumerate(progress(planned, "bank", unit="recording")):
        item, samples = collection.items[position], collection[position]
        if kind == Kind.WORD:
            samples = _isolate(samples, settings.frontend.sample_rate_hz, rng)
        text = item.transcript.lower() if kind == Kind.SPEECH else item.word
        outputs = embedding.outputs(samples)[k % embedding.tap_strides :: embedding.tap_strides]
        entries.append(Entry(kind, is_learnt_from, text, outputs))
    write_bank(folder / BANK_FILE, Bank(entries, tap_s=TAP_S), sha256=model.manifest.sha256)
    _write_speech(folder / SPEECH_FILE, settings, rng)
    log.info("bank: %d recordings, %d bytes", len(entries), (folder / BANK_FILE).stat().st_size)


def is_held(speaker: str) -> bool:
    """Return whether false accepts are counted on a validation speaker of single words: on about half of them."""
    return hashlib.sha256(speaker.encode()).digest()[0] % 2 == 0


def _plan_speech(
    collection: Collection, settings: EmbeddingSettings, rng: np.random.Generator
) -> list[tuple[Kind, bool, int]]:
    """Draw utterances whose words are known: of training speakers, and of those that are held out."""
    learnt = [k for k in collection.speech(Split.TRAINING) if collection.items[k].transcript]
    held = [
        k
        for k in collection.speech(Split.VALIDATION)
        if collection.items[k].transcript and collection.items[k].speaker in settings.held_speakers
    ]
    return [
        *((Kind.SPEECH, True, k) for k in _draw(learnt, N_SPEECH_LEARNT, rng)),
        *((Kind.SPEECH, False, k) for k in _draw(held, N_SPEECH_HELD, rng)),
    ]


def _plan_words(collection: Collection, rng: np.random.Generator) -> list[tuple[Kind, bool, int]]:
    planned: list[tuple[Kind, bool, int]] = []
    of_validation = collection.words(Split.VALIDATION)
    for word, learnt in sorted(collection.words(Split.TRAINING).items()):
        held = [k for k in of_validation.get(word, ()) if is_held(collection.items[k].speaker)]
        planned += [(Kind.WORD, True, k) for k in _draw(learnt, CLIPS_PER_WORD, rng)]
        planned += [(Kind.WORD, False, k) for k in _draw(held, CLIPS_PER_WORD_HELD, rng)]
    return planned


def _draw(positions: Sequence[int], most: int, rng: np.random.Generator) -> list[int]:
    return [positions[int(k)] for k in sorted(rng.permutation(len(positions))[:most])]


def _plan_noise(collection: Collection) -> list[tuple[Kind, bool, int]]:
    positions = [
        k for k in collection.noises(Split.TRAINING) if len(collection[k]) < 10 * 16000
    ]  # ESC-50's five seconds
    return [(Kind.NOISE, k % 2 == 0, position) for k, position in enumerate(positions)]


def _isolate(samples: NDArray[np.int16], rate_hz: int, rng: np.random.Generator) -> NDArray[np.int16]:
    start, end = find_word(samples, rate_hz)
    word = fade(samples[start:end].astype(np.float32), round(0.01 * rate_hz))
    before, after = np.zeros(round(BEFORE_S * rate_hz)), np.zeros(round(AFTER_S * rate_hz))
    sound = np.concatenate((before, word, after)).astype(np.float64)
    sound += rng.standard_normal(len(sound)) * HISS_RMS
    return to_int16(sound / INT16_SCALE)


def _write_speech(file: Path, settings: EmbeddingSettings, rng: np.random.Generator) -> None:
    """Let synthesisers read sentences for words to stand in."""
    running, _ = read_texts(settings)
    voices = find_voices()
    spoken: Sequence[NDArray[np.float32]] = []
    for _ in range(N_TEXTS):
        first = int(rng.integers(len(running) - TEXT_WORDS))
        voice = voices[int(rng.choice(len(voices), p=np.array([v.share for v in voices])))]
        text = " ".join(running[first : first + TEXT_WORDS])
        samples = speak(voice, text, pace=rng.random(), pitch=rng.random()).astype(np.float32)
        spoken = [*spoken, samples * np.float32(TEXT_RMS / max(1.0, rms(samples)))]
    samples = np.clip(np.concatenate(spoken) / 32768.0, -1.0, 1.0)
    soundfile.write(file, samples, settings.frontend.sample_rate_hz, format="OGG", subtype="OPUS")
