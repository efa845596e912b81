"""The bank: what many people say, and what noise sounds like, as embeddings. What a learnt word must not be.

One part of it is learnt from, of the other it is counted how often a word would fire: nothing is fitted to that.
`models/learn/README.md` says what is in it and whose it is. Embeddings are kept a tap apart, so that of every window
that is kept all taps are, and a quarter of the windows is.
"""

from __future__ import annotations

import enum
import io
import re
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detector.core.network import Network
from detector.errors import ModelFormatError
from detector.files import read_file
from detector.learn.head import Passage

MOST_BYTES = 2**24
MOST_WINDOWS = 2**20


class Kind(enum.IntEnum):
    """What a recording of the bank is."""

    SPEECH = 0
    WORD = 1
    NOISE = 2


@dataclass(frozen=True, eq=False)
class Entry:
    """A recording of the bank, from silence on."""

    kind: Kind
    is_learnt_from: bool
    text: str
    """What is said in it, in lower case; empty where that is not known."""
    outputs: NDArray[np.int8]
    """Of the network, a tap apart, shape (n, n_outputs)."""


class Bank:
    """Entries, and the time from one of their windows to the next."""

    def __init__(self, entries: Sequence[Entry], *, tap_s: float) -> None:
        self.entries = tuple(entries)
        self.tap_s = tap_s

    def select(self, *, is_learnt_from: bool, kinds: Iterable[Kind] = tuple(Kind), without: str = "") -> list[Entry]:
        """Return entries of one side and some kinds, without those that hold a word as far as that is known."""
        wanted = frozenset(kinds)
        return [
            entry
            for entry in self.entries
            if entry.is_learnt_from == is_learnt_from and entry.kind in wanted and not holds(entry.text, without)
        ]


def holds(text: str, phrase: str) -> bool:
    """Return whether a text holds a word or phrase, or longer words that begin with it: its plural, say."""
    return bool(phrase) and re.search(rf"(?<!\w){re.escape(phrase.lower())}", text) is not None


def to_passage(entry: Entry, network: Network) -> Passage:
    """Return an entry as what a head is fitted to: nowhere in it is the word."""
    n = len(entry.outputs)
    return Passage(network.dequantize(entry.outputs), np.zeros(n, dtype=np.float32), np.ones(n, dtype=np.float32))


def read_bank(file: Path, *, n_outputs: int, sha256: str) -> Bank:
    """Read a bank that was made with a network.

    Raises
    ------
    ModelFormatError
        If it is not there, damaged, or made with another network.
    """
    try:
        with np.load(io.BytesIO(read_file(file, MOST_BYTES)), allow_pickle=False) as stored:
            made_with, tap_s = str(stored["sha256"]), float(stored["tap_s"])
            kinds, sides, lengths, texts = (stored[name] for name in ("kinds", "is_learnt_from", "lengths", "texts"))
            outputs = stored["outputs"]
    except OSError as exc:
        raise ModelFormatError(f"expected a bank in {file}, found: {exc.strerror or exc}") from exc
    except (ValueError, KeyError, zipfile.BadZipFile, EOFError) as exc:
        raise ModelFormatError(f"expected a bank in {file}, found: {exc}") from exc
    if made_with != sha256:
        raise ModelFormatError(f"expected a bank of the network {sha256[:12]}..., found one of {made_with[:12]}...")
    if (
        outputs.dtype != np.int8
        or outputs.ndim != 2
        or outputs.shape[1] != n_outputs
        or len(outputs) > MOST_WINDOWS
        or int(lengths.sum()) != len(outputs)
        or not len(kinds) == len(sides) == len(lengths) == len(texts)
    ):
        raise ModelFormatError(f"expected a bank in {file}, found parts of it that do not fit each other")
    pieces = np.split(outputs, np.cumsum(lengths)[:-1])
    entries = [
        Entry(Kind(int(kind)), bool(side), str(text), piece)
        for kind, side, text, piece in zip(kinds, sides, texts, pieces, strict=True)
    ]
    return Bank(entries, tap_s=tap_s)


def write_bank(file: Path, bank: Bank, *, sha256: str) -> None:
    """Write a bank, compressed."""
    with open(file, "wb") as out:
        np.savez_compressed(
            out,
            sha256=np.array(sha256),
            tap_s=np.array(bank.tap_s),
            kinds=np.array([entry.kind for entry in bank.entries], dtype=np.uint8),
            is_learnt_from=np.array([entry.is_learnt_from for entry in bank.entries]),
            lengths=np.array([len(entry.outputs) for entry in bank.entries], dtype=np.int32),
            texts=np.array([entry.text for entry in bank.entries]),
            outputs=np.concatenate([entry.outputs for entry in bank.entries]),
        )
