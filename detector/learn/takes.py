"""Takes: recordings of somebody's own word, cut out and judged."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.audio.recordings import Recording
from detector.errors import AudioFileError
from detector.learn.judge import LONG_RECORDING_S, Fault, judge
from detector.learn.speech import RATE_HZ
from detector.types import Channel

AROUND_S = 0.5
"""Of what was recorded before and after a word is kept with it."""
BLOCK_S = 1.0
SYNTHETIC = "synthetic:"
"""Begins the speaker of a take that no person said."""


@dataclass(frozen=True, slots=True, eq=False)
class Take:
    """A word as it was recorded."""

    samples: NDArray[np.int16]
    """16 kHz mono, shape (n,): the word, and up to `AROUND_S` of what was there before and after it."""
    start: int
    """First sample of the word in them."""
    end: int
    """The sample after its last."""
    source: str
    """What a person calls it: a file, "take 3"."""
    speaker: str | None = None
    """Who said it, where that is known."""
    warnings: tuple[str, ...] = ()
    """What is not good about it, a line each, its source in front."""

    @property
    def is_synthetic(self) -> bool:
        """Whether a synthesiser said it."""
        return self.speaker is not None and self.speaker.startswith(SYNTHETIC)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A recording that cannot be learnt from."""

    source: str
    text: str
    """What was expected, what was found, what to do, in a line with the source in front."""
    fault: Fault | None = None
    """None where it could not be read."""


def cut_take(samples: NDArray[np.int16], source: str, *, speaker: str | None = None) -> Take | Refusal:
    """Cut the word out of a recording at 16 kHz, shape (n,), or say why that cannot be done.

    Parameters
    ----------
    samples : ndarray of int16, shape (n,)
        Of 10 s at most, with one word in it.
    source : str
        What a person calls it.
    speaker : str, optional
    """
    judgement = judge(samples)
    if judgement.refused is not None:
        return Refusal(source, f"{source}: {judgement.refused.text}", judgement.refused.fault)
    assert judgement.word is not None
    around = round(AROUND_S * RATE_HZ)
    first = max(0, judgement.word.start - around)
    return Take(
        samples=samples[first : judgement.word.end + around].copy(),
        start=judgement.word.start - first,
        end=judgement.word.end - first,
        source=source,
        speaker=speaker,
        warnings=tuple(f"{source}: {verdict.text}" for verdict in judgement.verdicts),
    )


def read_takes(
    files: Sequence[str | os.PathLike[str]],
    *,
    channel: Channel = "auto",
    speaker: str | None = None,
    speakers: Mapping[str, str] | None = None,
) -> tuple[list[Take], list[Refusal]]:
    """Cut a take out of each recording that holds one word, of any format that `detect` reads.

    One that is missing, damaged or holds something else is refused, and does not keep the others from being read.

    Parameters
    ----------
    files : sequence of path
    channel : int, "mix" or "auto"
        Which of several channels is used.
    speaker : str, optional
        Who speaks in all of them,
    speakers : mapping of str to str, optional
        but for these, by the paths of their files.

    Returns
    -------
    takes : list of Take
        In the order of their files.
    refusals : list of Refusal
        The others.
    """
    takes, refusals = [], []
    for file in files:
        try:
            found = cut_take(_read(file, channel), str(file), speaker=(speakers or {}).get(str(file), speaker))
        except AudioFileError as exc:
            found = Refusal(str(file), str(exc))
        if isinstance(found, Take):
            takes.append(found)
        else:
            refusals.append(found)
    return takes, refusals


def find_repeated(known: Sequence[Take], more: Sequence[Take]) -> list[str]:
    """Return a line for each of more takes that is the same sound as one before: on itself it is no miss."""
    first: dict[bytes, Take] = {}
    for take in (*known, *more):
        first.setdefault(take.samples.tobytes(), take)
    same = [(take, first[take.samples.tobytes()]) for take in more]
    return [
        f"{take.source}: expected another take, found {before.source} again: twice the same makes the misses look fewer"
        for take, before in same
        if before is not take
    ]


def _read(file: str | os.PathLike[str], channel: Channel) -> NDArray[np.int16]:
    """Read as much of a recording as shows that it is too long."""
    blocks = [np.empty(0, dtype=np.int16)]
    n_left = round(LONG_RECORDING_S * RATE_HZ) + 1
    with Recording(file, sample_rate_hz=RATE_HZ, channel=channel, block_s=BLOCK_S) as source:
        while n_left > 0 and (block := source.read()) is not None:
            blocks.append(block.samples)
            n_left -= len(block.samples)
    return np.concatenate(blocks)
