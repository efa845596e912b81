"""Sounds for student and teacher to hear: words, texts and noise, as they come out of a microphone. No labels."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detector.errors import DetectorError, SettingsError
from detector.learn.augment import Audio, add, change_speed, cut, db_to_factor, fade, noise_factor, rms
from detector.learn.voices import speak
from training.data.collection import Collection
from training.data.decode import find_word
from training.data.items import Split
from training.data.layouts import index_folders
from training.data.speech import find_words, read_transcripts
from training.embedding.settings import EmbeddingSettings
from training.synthesis.voices import PiperSpeaker, Speaker
from training.windows.acoustics import Acoustics

FADE_S = 0.005
MARGIN_S = 0.05
"""Most of what surrounds a recorded word that stays with it."""
SHORTEST_TEXT = 2
"""Letters of the shortest word that a synthesiser is given."""


def open_recordings(settings: EmbeddingSettings, cache: Path) -> Collection:
    """Find and decode all recordings of a distillation.

    Raises
    ------
    SettingsError
        If a folder is missing or not of its kind.
    AudioFileError
        If some cannot be decoded.
    """
    items = index_folders(
        data=settings.data,
        noise=settings.noise,
        speech=settings.speech,
        validation_speakers=settings.validation_speakers,
        synthetic=(),
    )
    kept = [item for item in items if item.word not in settings.left_out]
    return Collection.open(kept, cache=cache, sample_rate_hz=settings.frontend.sample_rate_hz)


def read_texts(settings: EmbeddingSettings) -> tuple[list[str], list[str]]:
    """Return the words of running text, in its order, and those of the dictionary, without what is left out.

    Raises
    ------
    SettingsError
        If a file cannot be read.
    """

    def is_kept(word: str) -> bool:
        return len(word) >= SHORTEST_TEXT and not word.lower().startswith(settings.left_out)

    running: list[str] = []
    for folder in settings.texts:
        for file in sorted(Path(folder).rglob("*.trans.txt")):
            if file.name.split("-")[0] not in settings.validation_speakers:
                for _, text in sorted(read_transcripts(file).items()):
                    running += [word.lower() for word in find_words(text) if is_kept(word)]
    listed: list[str] = []
    if settings.dictionary:
        try:
            lines = Path(settings.dictionary).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as exc:
            raise SettingsError(f"expected a list of words in {settings.dictionary}, found: {exc}") from exc
        words = {line.split()[0].lower() for line in lines if line.strip()}
        listed = sorted(word for word in words if re.fullmatch(r"[a-z]+", word) and is_kept(word))
    return running, listed


class SoundComposer:
    """Draws sounds from the recordings of one split and from synthesisers' voices."""

    def __init__(
        self,
        settings: EmbeddingSettings,
        collection: Collection,
        split: Split,
        *,
        voices: Sequence[Speaker | PiperSpeaker],
        texts: tuple[Sequence[str], Sequence[str]],
    ) -> None:
        self._sounds = settings.sounds
        self._rate_hz = settings.frontend.sample_rate_hz
        self._n = round(settings.sounds.length_s * self._rate_hz)
        self._collection = collection
        self._words = list(collection.words(split).values())
        self._speech = collection.speech(split)
        self._running, self._listed = texts
        self._voices = voices if self._running or self._listed else ()
        self._voice_shares = np.cumsum([voice.share for voice in self._voices])
        self._acoustics = Acoustics(
            settings.windows,
            collection,
            collection.noises(split),
            n_samples=self._n,
            sample_rate_hz=self._rate_hz,
            seed=settings.seed,
        )
        sounds = settings.sounds
        shares = [
            sounds.words if self._words else 0.0,
            sounds.spoken if self._voices else 0.0,
            sounds.speech if self._speech else 0.0,
            1.0 - sounds.words - sounds.spoken - sounds.speech,
        ]
        self._bounds = np.cumsum(np.array(shares) / sum(shares))[:-1]
        self._draws = (self._draw_word, self._draw_text, self._draw_speech)

    def draw(self, rng: np.random.Generator) -> NDArray[np.int16]:
        """Draw a sound, shape (n_samples,)."""
        kind = int(np.searchsorted(self._bounds, rng.random(), side="right"))
        canvas = np.zeros(self._n, dtype=np.float32)
        if kind < len(self._draws):
            self._fill(canvas, kind, rng)
        finished = self._acoustics.finish(canvas, rng, is_silent=kind == len(self._draws))
        return np.clip(np.rint(finished), -32768, 32767).astype(np.int16)

    def _fill(self, canvas: Audio, kind: int, rng: np.random.Generator) -> None:
        """Write words or texts one after another, from somewhere before the beginning to the end."""
        position, level = -int(rng.integers(self._rate_hz)), 0.0
        while position < self._n:
            sound = self._draws[kind](rng)
            if rng.random() < 0.5:
                sound = change_speed(sound, rng.uniform(*self._sounds.speed_range))
            sound = fade(sound, round(FADE_S * self._rate_hz))
            level = level or rms(sound)
            add(canvas, sound * np.float32(noise_factor(level, rms(sound), self._draw_level(rng))), position)
            position += len(sound) + round(rng.uniform(*self._sounds.pause_s) * self._rate_hz)

    def _draw_level(self, rng: np.random.Generator) -> float:
        return float(rng.uniform(*self._sounds.level_db))

    def _draw_word(self, rng: np.random.Generator) -> Audio:
        clips = self._words[int(rng.integers(len(self._words)))]
        samples = self._collection[clips[int(rng.integers(len(clips)))]]
        start, end = find_word(samples, self._rate_hz)
        margin = round(MARGIN_S * self._rate_hz)
        return samples[max(0, start - margin) : end + margin].astype(np.float32)

    def _draw_speech(self, rng: np.random.Generator) -> Audio:
        samples = self._collection[self._speech[int(rng.integers(len(self._speech)))]]
        return cut(samples, min(len(samples), self._n), rng)

    def _draw_text(self, rng: np.random.Generator) -> Audio:
        """Let a synthesiser speak; what it cannot speak is silence."""
        n_words = int(rng.integers(self._sounds.text_words[0], self._sounds.text_words[1] + 1))
        if self._listed and (not self._running or rng.random() < self._sounds.dictionary):
            text = " ".join(self._listed[int(k)] for k in rng.integers(len(self._listed), size=n_words))
        else:
            first = int(rng.integers(max(1, len(self._running) - n_words)))
            text = " ".join(self._running[first : first + n_words])
        part = rng.random() * self._voice_shares[-1]
        voice = self._voices[int(np.searchsorted(self._voice_shares, part, side="right"))]
        try:
            spoken = speak(voice, text, pace=rng.random(), pitch=rng.random(), sample_rate_hz=self._rate_hz)
        except DetectorError:
            spoken = np.empty(0, dtype=np.int16)
        if not spoken.any():
            return np.zeros(round(0.5 * self._rate_hz), dtype=np.float32)
        loud = np.flatnonzero(np.abs(spoken) > db_to_factor(-45.0) * int(np.abs(spoken).max()))
        return spoken[loud[0] : loud[-1] + 1].astype(np.float32)
