"""One-second training windows, composed as the detector will meet them.

A clip per window, as tutorials do it, trains a classifier that has never met half a word, or two. Here a window holds a
keyword anywhere, whole or nearly so, with other sounds before and after it; or a keyword that the window's edge cuts,
which is `unknown`; or another word, running speech or noise. Each gets its own room, noise, level and clipping.
"""

from __future__ import annotations

import enum
import itertools
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from detector.learn.augment import (
    Audio,
    add,
    change_speed,
    cut,
    fade,
    noise_factor,
    rms,
)
from training.data.collection import Collection
from training.data.decode import find_word
from training.data.few import is_voice
from training.data.items import Split
from training.run.settings import SILENCE, UNKNOWN, TrainSettings
from training.windows.acoustics import Acoustics

FADE_S = 0.005


class Content(enum.IntEnum):
    """What a window holds, in the order in which the settings give shares."""

    KEYWORD = 0
    PARTIAL_KEYWORD = 1
    OTHER_WORD = 2
    RUNNING_SPEECH = 3
    NOISE = 4


class WindowComposer:
    """Draws labelled windows from the recordings of one split."""

    def __init__(self, settings: TrainSettings, collection: Collection, split: Split) -> None:
        self.settings = settings
        self._collection = collection
        clips = {word: of for word, of in collection.words(split).items() if word not in settings.left_out}
        self._clips = {word: _group(collection, clips.get(word, []), settings) for word in settings.words}
        """Clips of the keywords: all, or those of people and of synthesisers apart where most are of synthesisers."""
        others = [clips[word] for word in sorted(clips) if word not in settings.words]
        recorded = [_keep(collection, others, folder) for folder in settings.data]
        spoken = [[list(itertools.chain(*_keep(collection, others, folder)))] for folder in settings.synthetic]
        self._recorded = [words for words in recorded if words]
        self._synthetic = [words for words in spoken if any(words)]
        self._other_words = self._recorded + self._synthetic
        """Clips of other words, by folder and word: each folder of a kind is drawn equally often, and in it each word,
        however many clips it has. A synthesiser's words are one group: how often it says a word was chosen when it
        spoke."""
        taboo = (*settings.words, *settings.skip_words)
        self._speech = collection.speech(split, without=taboo)
        windows = settings.windows
        shares = np.array(
            [
                windows.keyword,
                windows.partial_keyword,
                windows.other_word if self._other_words else 0.0,
                windows.running_speech if self._speech else 0.0,
                1.0 - windows.keyword - windows.partial_keyword - windows.other_word - windows.running_speech,
            ]
        )
        # What there are no recordings of leaves its share to the others.
        self._bounds = np.cumsum(shares / shares.sum())[:-1]
        self._n = settings.window_samples
        self._rate_hz = settings.frontend.sample_rate_hz
        self._acoustics = Acoustics(
            windows,
            collection,
            collection.noises(split),
            n_samples=self._n,
            sample_rate_hz=self._rate_hz,
            seed=settings.seed,
        )

    def draw(self, rng: np.random.Generator) -> tuple[NDArray[np.int16], int]:
        """Draw one window: its samples, shape (window_samples,), and the position of its label."""
        windows, labels = self.settings.windows, self.settings.labels
        content = Content(int(np.searchsorted(self._bounds, rng.random(), side="right")))
        canvas = np.zeros(self._n, dtype=np.float32)
        label = UNKNOWN
        if content == Content.KEYWORD:
            label, word = self._draw_keyword(rng)
            hidden = int(windows.hidden_part * len(word))
            start = int(rng.integers(-hidden, self._n - len(word) + hidden + 1))
            self._place(canvas, word, start, rng, neighbour=windows.keyword_neighbour, gap_s=windows.keyword_gap_s)
        elif content == Content.PARTIAL_KEYWORD:
            _, word = self._draw_keyword(rng)
            kept = round(len(word) * rng.uniform(*windows.kept_part))
            start = self._n - kept if rng.random() < 0.5 else kept - len(word)
            self._place(canvas, word, start, rng, neighbour=windows.other_neighbour, gap_s=windows.other_gap_s)
        elif content == Content.OTHER_WORD:
            word = self._draw_other_word(rng)
            hidden = len(word) // 2
            start = int(rng.integers(-hidden, self._n - len(word) + hidden + 1))
            self._place(canvas, word, start, rng, neighbour=windows.other_neighbour, gap_s=windows.other_gap_s)
        elif content == Content.RUNNING_SPEECH:
            canvas += self._cut_speech(rng)
        else:
            label = SILENCE
        finished = self._acoustics.finish(canvas, rng, is_silent=label == SILENCE)
        return np.clip(np.rint(finished), -32768, 32767).astype(np.int16), labels.index(label)

    def _draw_keyword(self, rng: np.random.Generator) -> tuple[str, Audio]:
        word = str(rng.choice(self.settings.words))
        groups = self._clips[word]
        is_synthetic = len(groups) > 1 and rng.random() < self.settings.windows.synthetic_keyword
        return word, self._draw_word(groups[is_synthetic], rng)

    def _draw_other_word(self, rng: np.random.Generator) -> Audio:
        is_synthetic = rng.random() < self.settings.windows.synthetic_word
        folders = (self._synthetic if is_synthetic else self._recorded) or self._other_words
        words = folders[int(rng.integers(len(folders)))]
        return self._draw_word(words[int(rng.integers(len(words)))], rng)

    def _draw_word(self, clips: Sequence[int], rng: np.random.Generator) -> Audio:
        """Draw one of some clips, trimmed to the word and a little of what surrounds it, at most a window long."""
        samples = self._collection[clips[int(rng.integers(len(clips)))]]
        start, end = find_word(samples, self._rate_hz)
        margin = max(1, round(self.settings.windows.word_margin_s * self._rate_hz))
        start, end = max(0, start - int(rng.integers(margin))), min(len(samples), end + int(rng.integers(margin)))
        sound = samples[start:end].astype(np.float32)
        if rng.random() < self.settings.windows.speed:
            sound = change_speed(sound, rng.uniform(*self.settings.windows.speed_range))
        return fade(sound[: self._n], round(FADE_S * self._rate_hz))

    def _cut_speech(self, rng: np.random.Generator) -> Audio:
        """Cut a window out of running speech, but not out of a pause in it."""
        windows = self.settings.windows
        samples = self._collection[self._speech[rng.integers(len(self._speech))]]
        factor = rng.uniform(*windows.speed_range) if rng.random() < windows.speed else 1.0
        for _ in range(5):
            piece = cut(samples, math.ceil(self._n * factor) + 1, rng)
            if rms(piece) > windows.pause_level * rms(cut(samples, min(len(samples), 10 * self._n), rng)):
                break
        return (piece if factor == 1.0 else change_speed(piece, factor))[: self._n]

    def _draw_neighbour(self, rng: np.random.Generator) -> Audio:
        """Draw a sound that may stand beside a word: another word (no keyword) or a piece of running speech."""
        windows = self.settings.windows
        length = round(rng.uniform(*windows.neighbour_s) * self._rate_hz)
        if self._speech and (not self._other_words or rng.random() < windows.neighbour_speech):
            piece = cut(self._collection[self._speech[rng.integers(len(self._speech))]], length, rng)
            return fade(piece, round(FADE_S * self._rate_hz))
        if self._other_words:
            return self._draw_other_word(rng)
        return np.zeros(length, dtype=np.float32)

    def _place(
        self,
        canvas: Audio,
        word: Audio,
        start: int,
        rng: np.random.Generator,
        *,
        neighbour: float,
        gap_s: tuple[float, float],
    ) -> None:
        """Write a word at `start` (it may stick out), and perhaps a neighbour on each side of it."""
        level = rms(word)
        add(canvas, word, start)
        for side in (-1, 1):
            gap = round(rng.uniform(*gap_s) * self._rate_hz)
            room = start - gap if side < 0 else self._n - (start + len(word) + gap)
            if room <= 0 or rng.random() >= neighbour:
                continue
            sound = self._draw_neighbour(rng)
            factor = noise_factor(level, rms(sound), rng.uniform(*self.settings.windows.neighbour_db))
            at = start - gap - len(sound) if side < 0 else start + len(word) + gap
            add(canvas, sound * np.float32(factor), at)


def _group(collection: Collection, clips: Sequence[int], settings: TrainSettings) -> list[list[int]]:
    """Return the clips of a keyword: together, or people's and synthesisers', where those are more than they may be.

    In proportion, a few recordings would hardly be met among a thousand synthetic ones.
    """
    groups: tuple[list[int], list[int]] = ([], [])
    for position in clips:
        item = collection.items[position]
        groups[item.folder in settings.synthetic or is_voice(item.speaker)].append(position)
    people, synthetic = groups
    is_apart = people and len(synthetic) > settings.windows.synthetic_keyword * len(clips)
    return [people, synthetic] if is_apart else [list(clips)]


def _keep(collection: Collection, words: Sequence[Sequence[int]], folder: str) -> list[list[int]]:
    """Return the clips of each word that lie in a folder, without the words that have none there."""
    kept = [[position for position in clips if collection.items[position].folder == folder] for clips in words]
    return [clips for clips in kept if clips]
