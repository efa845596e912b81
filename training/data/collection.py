"""Recordings and what is known of them, as one object: found, decoded, audible or not."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detector.types import Channel
from training.data.items import Item, Kind, Split, holds_any_word
from training.data.store import WaveformStore
from training.data.texts import compose_text


class Collection:
    """Recordings in a fixed order; the position of one is its number in it. Safe between threads and processes.

    Whatever is chosen is audible: a recording of digital silence is no word, no speech and no noise.
    """

    def __init__(self, items: Sequence[Item], store: WaveformStore) -> None:
        """Join recordings and their samples, in the same order."""
        self.items = tuple(items)
        self.store = store

    @classmethod
    def open(cls, items: Sequence[Item], *, cache: Path, sample_rate_hz: int, channel: Channel = "auto") -> Collection:
        """Decode recordings into a folder, or reuse what an earlier run decoded of the same.

        Raises
        ------
        AudioFileError
            If one cannot be decoded.
        """
        return cls(items, WaveformStore.build(items, folder=cache, sample_rate_hz=sample_rate_hz, channel=channel))

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, position: int) -> NDArray[np.int16]:
        """Return all samples of a recording, shape (n_samples,), read-only."""
        return self.store[position]

    @functools.cached_property
    def _audible(self) -> tuple[bool, ...]:
        return tuple(bool(self.store[position].any()) for position in range(len(self.items)))

    def find_inaudible(self) -> list[Item]:
        """Return the recordings that hold nothing but digital silence."""
        return [item for item, is_audible in zip(self.items, self._audible, strict=True) if not is_audible]

    def words(self, split: Split | None = None, only: Iterable[str] = ()) -> dict[str, list[int]]:
        """Return the positions of word clips, by word, in the order of the collection.

        Parameters
        ----------
        split : str, optional
            Of a `Split`; all by default.
        only : iterable of str
            These words; all by default.
        """
        wanted, clips = set(map(compose_text, only)), dict[str, list[int]]()
        for position, item in self._select(Kind.WORD, split):
            if not wanted or item.word in wanted:
                clips.setdefault(item.word, []).append(position)
        return clips

    def speech(self, split: Split, *, without: Iterable[str] = ()) -> list[int]:
        """Return the positions of utterances of running speech whose transcripts hold none of some words."""
        taboo = tuple(without)
        return [k for k, item in self._select(Kind.SPEECH, split) if not holds_any_word(item, taboo)]

    def noises(self, split: Split | None = None) -> list[int]:
        """Return the positions of noise recordings."""
        return [k for k, _ in self._select(Kind.NOISE, split)]

    def untrained_noises(self) -> list[int]:
        """Return the positions of the noise recordings that no training on their folders is fed."""
        return [k for k, item in self._select(Kind.NOISE, None) if item.split != Split.TRAINING]

    def _select(self, kind: Kind, split: Split | None) -> Iterator[tuple[int, Item]]:
        for position, item in enumerate(self.items):
            if item.kind == kind and split in (None, item.split) and self._audible[position]:
                yield position, item
