"""The head: words of a person's own, as numbers on the outputs of a network that knows no words.

Such a network, an embedding, makes a few dozen numbers of each window. A word is longer than a window sees it well, so
that its head looks at the embeddings of several windows, the newest and some before it. A head has a few units, one
for each way in which a word is met, alone, in a sentence, in noise: a unit's score is the logistic function of a
weighted sum of the embeddings, the word's score that of its highest unit. A word may be for some voices only: they have
units, too, and it scores no higher than the highest of these. All of it is numbers in a manifest, so that a learnt word
is data, and runs nothing.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

LONGEST_TAP = 50
"""Strides that a head may look back."""
MOST_UNITS = 16
Weight = Annotated[float, msgspec.Meta(ge=-1e4, le=1e4)]
EXACT_BITS = 53
"""Whole numbers of up to this many bits are exact in double precision, and so are their sums."""


class Unit(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One way of scoring a word from embeddings."""

    bias: Weight
    weights: list[Weight]
    """One for each number of each embedding: those of the first tap, then of the next."""


Units = Annotated[tuple[Unit, ...], msgspec.Meta(min_length=1, max_length=MOST_UNITS)]


class HeadSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """The heads of some words on one network. Written in a model's manifest, never set by a user."""

    taps: tuple[Annotated[int, msgspec.Meta(ge=0, le=LONGEST_TAP)], ...]
    """Which embeddings are looked at, in strides before the newest one: 0, then further back."""
    words: dict[str, Units]
    """The units of each word's head."""
    voices: dict[str, Units] = {}
    """Of words that only some voices shall be detected with, the units of those voices."""

    def __post_init__(self) -> None:
        """Reject taps out of order, and numbers that do not fit them or are none.

        Raises
        ------
        ValueError
            With what does not fit.
        """
        if self.taps[:1] != (0,) or any(later <= tap for tap, later in itertools.pairwise(self.taps)):
            raise ValueError(f"taps of a head must begin with 0 and ascend, found {list(self.taps)}")
        if not self.voices.keys() <= self.words.keys():
            raise ValueError(f"voices of a head must be of its words, found some of {', '.join(self.voices)}")
        for word, units in (*self.words.items(), *self.voices.items()):
            for unit in units:
                if not unit.weights or len(unit.weights) % len(self.taps):
                    raise ValueError(
                        f"the head of '{word}' must have as many weights for each of {len(self.taps)} taps, "
                        f"found {len(unit.weights)} in all"
                    )
                if not all(map(math.isfinite, (unit.bias, *unit.weights))):
                    raise ValueError(f"the head of '{word}' must have finite numbers, found others")

    @property
    def n_strides(self) -> int:
        """Strides whose embeddings a score follows from, the newest included."""
        return self.taps[-1] + 1


class Head:
    """Scores of words from the int8 outputs of one network in the latest strides. Immutable, safe between threads.

    Weights are rounded to whole numbers, in units of 2 to some power, so that every product and sum is exact: a word's
    score is the same to the bit alone or beside others, whatever order a machine adds in. Of a few hundred weights the
    rounding changes each by less than 10^-10 of the largest.
    """

    def __init__(
        self,
        taps: Sequence[int],
        words: Sequence[Sequence[Unit]],
        voices: Sequence[Sequence[Unit]] = (),
        *,
        scale: float,
        zero_point: int,
    ) -> None:
        """Take the heads of words with the same taps and as many weights.

        Parameters
        ----------
        taps : sequence of int
            As of `HeadSettings`.
        words : sequence of sequence of Unit
            One or more units for each word.
        voices : sequence of sequence of Unit
            Those of the voices that each word is for, none where it is for all; empty if every word is.
        scale, zero_point
            Of the network's outputs: what an int8 value stands for is scale x (value - zero_point).
        """
        groups = [*words, *voices]
        units = [unit for group in groups for unit in group]
        bounds = np.cumsum([0, *map(len, groups)]).tolist()
        spans = list(itertools.pairwise(bounds))
        self._words, self._voices = spans[: len(words)], spans[len(words) :]
        rows = [_to_whole_numbers(unit) for unit in units]
        self._taps = -1 - np.array(taps)
        self._weights = np.stack([row for row, _ in rows])
        self._steps = [math.ldexp(float(scale), exponent) for _, exponent in rows]
        sums = self._weights.sum(axis=1).tolist()
        self._biases = [
            unit.bias - zero_point * total * step for unit, total, step in zip(units, sums, self._steps, strict=True)
        ]

    def score(self, outputs: NDArray[np.int8]) -> list[float]:
        """Return the words' scores in [0, 1] for outputs of shape (n_strides, n_outputs), the latest last."""
        sums = self._weights @ outputs[self._taps].reshape(-1).astype(np.float64)
        logits = [
            total * step + bias for total, step, bias in zip(sums.tolist(), self._steps, self._biases, strict=True)
        ]
        highest = [max(logits[first:last]) for first, last in self._words]
        for k, (first, last) in enumerate(self._voices):
            highest[k] = min(highest[k], max(logits[first:last], default=math.inf))
        return [_logistic(logit) for logit in highest]


def _to_whole_numbers(unit: Unit) -> tuple[NDArray[np.float64], int]:
    """Return weights as whole numbers, and the exponent of 2 that they are in units of."""
    weights = np.array(unit.weights, dtype=np.float64)
    largest = math.frexp(float(np.abs(weights).max()))[1]
    n_bits = EXACT_BITS - 9 - len(weights).bit_length()  # times an int8, and a bit for rounding up; summed
    return np.rint(np.ldexp(weights, n_bits - largest)), largest - n_bits


def _logistic(x: float) -> float:
    """Return 1 / (1 + e^-x), without an overflow."""
    if x >= 0.0:
        return 1.0 / (1.0 + math.exp(-x))
    power = math.exp(x)
    return power / (1.0 + power)
