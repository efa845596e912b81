"""A room in which somebody says a word every two seconds, for ever, heard by an observer from outside."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile
from numpy.typing import NDArray

RECORDINGS = Path(__file__).parent.parent / "recordings"
RATE_HZ = 16000
EVERY_S = 2.0
BEFORE_S = 0.7
"""Of each two seconds so much is silence before the word."""
HEARD_WITHIN_S = 0.75
"""After a word's end, at most."""


class Word(NamedTuple):
    """A word that was said."""

    keyword: str
    start_s: float
    end_s: float


class Room:
    """Sound as a function of time: the words of the demo recording, one every two seconds, in faint noise."""

    def __init__(self) -> None:
        demo, _ = soundfile.read(RECORDINGS / "demo.flac", dtype="int16")
        truth = json.loads((RECORDINGS / "demo.json").read_text())["words"]
        period = round(EVERY_S * RATE_HZ)
        loop = np.random.default_rng(0).normal(0.0, 20.0, len(truth) * period)
        self._words = []
        for k, word in enumerate(truth):
            first, last = (round(word[edge] * RATE_HZ) for edge in ("start_s", "end_s"))
            at = k * period + round(BEFORE_S * RATE_HZ)
            loop[at : at + last - first] += demo[first:last]
            self._words.append(Word(word["word"], at / RATE_HZ, (at + last - first) / RATE_HZ))
        self.loop: NDArray[np.int16] = np.clip(np.rint(loop), -32768, 32767).astype(np.int16)
        """Shape (n_words * 2 s,); what follows is the same again."""

    def sound(self, first: int, n_samples: int) -> NDArray[np.int16]:
        """Return n_samples from sample `first` on."""
        return self.loop[np.arange(first, first + n_samples) % len(self.loop)]

    def words(self, from_s: float, to_s: float) -> Iterator[Word]:
        """Yield the words that begin in [from_s, to_s)."""
        loop_s = len(self.loop) / RATE_HZ
        for k in range(int(from_s // EVERY_S), int(to_s // EVERY_S) + 1):
            turn, word = divmod(k, len(self._words))
            keyword, start_s, end_s = self._words[word]
            if from_s <= start_s + turn * loop_s < to_s:
                yield Word(keyword, start_s + turn * loop_s, end_s + turn * loop_s)


def threads_and_files(pid: int | str = "self", *, but: Path | None = None) -> tuple[int, int]:
    """Return how many threads and open files a process has, those of a folder not counted."""
    return len(list(Path(f"/proc/{pid}/task").iterdir())), len(list_files(pid, but=but))


def list_files(pid: int | str, *, but: Path | None = None) -> list[str]:
    """Return what the open files of a process lead to, those in a folder left out."""
    files = []
    for file in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # just closed
            files.append(str(file.readlink()))
    return sorted(file for file in files if not file.startswith(f"{but}/"))


def resident_kb(pid: int | str = "self") -> int:
    """Return the resident memory of a process, in kB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise RuntimeError("the process has ended")
