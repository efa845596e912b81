"""Recordings and what is known of them, as one object: found, decoded, audible or not."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
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

    def __init__(
        self,
        items: Sequence[Item],
        store: WaveformStore,
        *,
        rows: Sequence[int] | None = None,
        left_out: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        """Join recordings and their samples, in the same order; `rows` are their places in a store that has more."""
        self.items = tuple(items)
        self.store = store
        self._rows = range(len(self.items)) if rows is None else tuple(rows)
        self.left_out = dict(left_out or {})
        """Names of recordings by the reason why they are not in it."""

    @classmethod
    def open(cls, items: Sequence[Item], *, cache: Path, sample_rate_hz: int, channel: Channel = "auto") -> Collection:
        """Decode recordings into a folder, or reuse what an earlier run decoded of the same.

        Raises
        ------
        AudioFileError
            If many cannot be decoded; a few are left out.
        """
        store = WaveformStore.build(items, folder=cache, sample_rate_hz=sample_rate_hz, channel=channel)
        collection = cls(items, store)
        if not store.failed:
            return collection
        first = str(store.failed[min(store.failed)]).removeprefix("expected a recording, found ")
        return collection.without(store.failed, f"recordings that could not be decoded ({first})")

    def without(self, positions: Iterable[int], reason: str) -> Collection:
        """Return a collection without some recordings, which are left out for a reason."""
        away = set(positions)
        if not away:
            return self
        kept = [k for k in range(len(self)) if k not in away]
        return Collection(
            [self.items[k] for k in kept],
            self.store,
            rows=[self._rows[k] for k in kept],
            left_out={**self.left_out, reason: [self.items[k].path for k in sorted(away)]},
        )

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, position: int) -> NDArray[np.int16]:
        """Return all samples of a recording, shape (n_samples,), read-only."""
        return self.store[self._rows[position]]

    @functools.cached_property
    def _audible(self) -> tuple[bool, ...]:
        return tuple(bool(self.store[row].any()) for row in self._rows)

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
