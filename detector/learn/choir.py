"""All voices of a language together, and what each is asked to say, how fast and how high."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detector.learn.piper import PiperVoice, find_piper_voices, speak_piper
from detector.learn.speech import RATE_HZ
from detector.learn.voices import ESPEAK, Voice, describe_engines, list_voices, speak

NATURAL_SHARE = (0.0, 0.5, 0.35)
"""Of what is said, for each natural engine where there are none, one or two: more than their share of the voices. With
0.5 for flite in the place of 0.15, a head on Google's speech embedding missed 4 and 17 % in the place of 14 and 42 % of
120 recordings of people's "happy" and of "zero" (means of three draws of 60 takes, at one false accept an hour)."""
MOST_OF_ONE = 10
"""Times that a natural voice speaks, of which there may be one or two; espeak-ng takes over."""
ENDINGS = ("", "", "!", "?")
"""Make a voice rise or fall, of those that heed them."""


@dataclass(frozen=True)
class Choir:
    """The voices of a language."""

    voices: tuple[Voice, ...]
    versions: dict[str, str]
    """Of the engines that are installed, as far as they name one."""

    def describe(self, used: Sequence[Voice]) -> str:
        """Return how many voices of which engines were used, for people to read."""
        counts = Counter(voice.engine for voice in dict.fromkeys(used))
        versions = {engine: "".join(self.versions.get(engine, "").split()[:1]) for engine in counts}
        named = ", ".join(f"{n} of {engine} {versions[engine]}".rstrip() for engine, n in counts.items())
        return f"{counts.total()} voices ({named})"


@dataclass(frozen=True)
class Utterance:
    """What a voice is asked to say."""

    voice: Voice
    text: str
    pace: float
    """From 0, slowest, to 1."""
    pitch: float
    """From 0, lowest, to 1."""

    def speak(self) -> NDArray[np.int16]:
        """Return it at 16 kHz, shape (n,); empty if there is no sound."""
        how = {"pace": self.pace, "pitch": self.pitch}
        if isinstance(self.voice, PiperVoice):
            samples = speak_piper(self.voice, self.text, **how, sample_rate_hz=RATE_HZ)
        else:
            samples = speak(self.voice, self.text, **how, sample_rate_hz=RATE_HZ)
        return samples if samples.any() else samples[:0]


def find_choir(language: str, voices_folder: Path | None) -> Choir:
    """Find the voices of espeak-ng, of flite (English) and of a folder of Piper's.

    Raises
    ------
    SettingsError
        If there is no espeak-ng, it does not speak the language, or the folder has no voice of it.
    """
    versions = {engine: version.removeprefix(f"{engine}-") for engine, version in describe_engines().items()}
    natural = find_piper_voices(voices_folder, language) if voices_folder is not None else []
    return Choir((*list_voices(language), *natural), versions)


def plan(choir: Choir, texts: Sequence[str], n: int, seed: int) -> Iterator[Utterance]:
    """Draw, without end, who says each of some texts in turn.

    Engines have their shares of n, and of each engine as many voices as there are speak in turn. Every draw depends on
    the texts, the voices, `n` and the seed alone.
    """
    rng = np.random.default_rng([seed, *hashlib.sha256("\n".join(texts).encode()).digest()])
    engines: dict[str, list[Voice]] = {}
    for voice in choir.voices:
        engines.setdefault(voice.engine, []).append(voice)
    natural = [engine for engine in engines if engine != ESPEAK]
    most = {engine: min(NATURAL_SHARE[len(natural)] * n, MOST_OF_ONE * len(engines[engine])) for engine in natural}
    most[ESPEAK] = n - sum(most.values())
    rows = {engine: [voices[k] for k in rng.permutation(len(voices))] for engine, voices in engines.items()}
    spoken = Counter(dict.fromkeys(engines, 0))
    for text in cycle(texts):
        # Whoever lags behind its share most, the first at equality.
        total = sum(spoken.values()) + 1
        engine = max(engines, key=lambda name: total * most[name] / n - spoken[name])
        pace, pitch = (round(float(x), 3) for x in rng.random(2))
        ending = ENDINGS[rng.integers(len(ENDINGS))]
        yield Utterance(rows[engine][spoken[engine] % len(rows[engine])], f"{text}{ending}", pace, pitch)
        spoken[engine] += 1
