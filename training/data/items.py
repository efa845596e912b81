"""Recordings to train on: what is known of each, and its split."""

from __future__ import annotations

import enum
import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from training.data.texts import compose_text


class Kind(enum.StrEnum):
    """What a recording is of."""

    WORD = "word"
    SPEECH = "speech"
    """Running speech."""
    NOISE = "noise"


class Split(enum.StrEnum):
    """What a recording is for; whole speakers, and sources of noise, are in one split."""

    TRAINING = "training"
    VALIDATION = "validation"
    TESTING = "testing"
    ALL = "all"
    """In place of a split: every recording, where no training was fed any of them."""


SPLIT_NAMES = {
    "train": Split.TRAINING,
    "training": Split.TRAINING,
    "validation": Split.VALIDATION,
    "valid": Split.VALIDATION,
    "val": Split.VALIDATION,
    "dev": Split.VALIDATION,
    "test": Split.TESTING,
    "testing": Split.TESTING,
}
"""What people name them, in lower case."""
SPLITS = (Split.TRAINING, Split.VALIDATION, Split.TESTING)
SILENCE_FOLDER = "_silence_"
"""Of the test set that Speech Commands offers apart: no words."""


class Item(msgspec.Struct, frozen=True):
    """One recording of the data set."""

    path: str
    kind: Kind
    split: Split
    word: str = ""
    speaker: str = ""
    is_speaker_known: bool = True
    """False where a name says nothing of who speaks, and `speaker` stands for one clip or a few."""
    transcript: str = ""
    """Upper-case words, where known."""
    span_s: tuple[float, float] | None = None
    """Which part of the file it is, in seconds; None: all of it."""
    record: tuple[int, int] | None = None
    """Where in a TFRecord file it lies, and how many bytes it has; None: the file is a recording."""
    is_split_given: bool = False
    """Whether a folder or a list says its split, not a rule."""
    folder: str = ""
    """The folder or table it was found in, as the settings name it."""


def choose_split(name: str, *, validation_percent: float = 10.0, testing_percent: float = 10.0) -> Split:
    """Return the split of a speaker by the official Speech Commands rule (Warden 2018, section 6).

    The SHA-1 of the name decides, so that a speaker never changes sides when recordings are added.
    """
    largest = 2**27 - 1
    percent = (int(hashlib.sha1(name.encode(), usedforsecurity=False).hexdigest(), 16) % (largest + 1)) * (
        100.0 / largest
    )
    if percent < validation_percent:
        return Split.VALIDATION
    return Split.TESTING if percent < validation_percent + testing_percent else Split.TRAINING


def describe_items(items: Sequence[Item]) -> list[str]:
    """Return a line for each kind of recording: how many there are in each split."""
    lines = []
    for kind in Kind:
        counts = Counter(item.split for item in items if item.kind == kind)
        speakers = {item.speaker for item in items if item.kind == kind}
        if counts:
            parts = ", ".join(f"{counts[split]} {split}" for split in SPLITS if counts[split])
            lines.append(f"{kind}: {parts}" + (f"; {len(speakers)} speakers" if kind != Kind.NOISE else ""))
    return lines


def holds_any_word(item: Item, words: Iterable[str]) -> bool:
    """Return whether an utterance's transcript holds one of some words, or of phrases."""
    said = f" {' '.join(item.transcript.split())} "
    return any(f" {' '.join(compose_text(word).upper().split())} " in said for word in words)
