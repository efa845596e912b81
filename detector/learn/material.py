"""What a word was learnt from, as its index lists it and as it is in memory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from detector.errors import SettingsError
from detector.files import read_file
from detector.learn.store import PRIVATE_FILE, write_whole
from detector.learn.takes import Take
from detector.types import Count, Positive, Text

FORMAT = 1
MOST_INDEX_BYTES = 2**22
FileName = Annotated[str, msgspec.Meta(pattern=r"^(false-alarms/|room/)?[0-9]{4,8}\.flac$")]


class KeptTake(msgspec.Struct, frozen=True):
    """A take, by the file that holds its sound."""

    file: FileName
    start: Count
    """First sample of the word in it, and the one after its last."""
    end: Count
    source: str
    speaker: str | None = None


class KeptSound(msgspec.Struct, frozen=True):
    """A sound in which the word was not said."""

    file: FileName
    source: str


class Index(msgspec.Struct, frozen=True, kw_only=True):
    """What a word was learnt from, and what is expected of it. Beside the sounds, for the owner alone."""

    format: int = FORMAT
    word: Text
    false_accepts_per_hour: Positive
    """That were allowed for."""
    takes: tuple[KeptTake, ...] = ()
    false_alarms: tuple[KeptSound, ...] = ()
    room: tuple[KeptSound, ...] = ()
    only_me: str = ""
    """The language whose voices stand for those that are refused; empty: every voice is detected."""
    report: dict[str, Any] = {}
    """Of the lesson, as it was printed."""

    @property
    def files(self) -> set[str]:
        """The files of its sounds."""
        return {take.file for take in self.takes} | {sound.file for sound in (*self.false_alarms, *self.room)}


@dataclass(frozen=True, eq=False)
class Sound:
    """Something at 16 kHz, shape (n,), in which a word was not said, and what a person calls it."""

    samples: NDArray[np.int16]
    source: str


@dataclass(frozen=True, eq=False)
class Material:
    """What a word is learnt from."""

    takes: tuple[Take, ...] = ()
    false_alarms: tuple[Sound, ...] = ()
    room: tuple[Sound, ...] = ()

    def __add__(self, more: Material) -> Material:
        """Return both, this one's first."""
        return Material(self.takes + more.takes, self.false_alarms + more.false_alarms, self.room + more.room)


def read_index(file: Path, word: str | None = None) -> Index:
    """Read the index of a word, of any if none is named.

    Raises
    ------
    SettingsError
        If it cannot be read, or is another word's.
    """
    try:
        index = msgspec.json.decode(read_file(file, MOST_INDEX_BYTES), type=Index)
    except OSError as exc:
        raise SettingsError(f"expected what a word was learnt from in {file}, found: {exc.strerror}") from exc
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise SettingsError(f"expected what a word was learnt from in {file}, found: {exc}") from exc
    if index.format != FORMAT or word not in (None, index.word):
        raise SettingsError(
            f"expected format {FORMAT} of '{word or index.word}' in {file}, found {index.format} of '{index.word}'"
        )
    return index


def write_index(file: Path, index: Index) -> None:
    """Write the index of a word.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    write_whole(file, msgspec.json.format(msgspec.json.encode(index), indent=2) + b"\n", PRIVATE_FILE)
