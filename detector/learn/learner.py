"""What fits heads to takes of a word, and what counts how they do on what they were not fitted to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from detector.learn.bank import Kind
from detector.learn.examples import RATE_HZ
from detector.learn.head import FittedUnit, Passage, fit_unit
from detector.learn.rates import Tail, find_peaks
from detector.learn.resources import Resources
from detector.learn.takes import Take

EQUAL_RATE = 0.5
"""False accepts an hour at which the units of a head are equally strict."""
WORDS_PER_HOUR = 1600.0
"""Single words that somebody says who says nothing else."""
WORD_ACCEPTS = 3.0
"""False accepts among them that count as much as one in running speech."""
QUIET_BEFORE_S, QUIET_AFTER_S = 1.0, 0.7
MOST_GROUPS = 10

Lessons = Sequence[Sequence[Passage]]
"""What is learnt of one manner, by take."""


class Learner:
    """Fits heads for one word and counts what they would accept falsely."""

    def __init__(self, resources: Resources, word: str, negatives: list[Passage]) -> None:
        self._resources = resources
        self._negatives = negatives
        self._silence = resources.embedding.silence
        kinds, bank = (Kind.SPEECH, Kind.WORD), resources.bank
        held = [bank.select(is_learnt_from=False, kinds=[kind], without=word) for kind in kinds]
        network = resources.model.network
        self._held = [[network.dequantize(entry.outputs) for entry in entries] for entries in held]

    def fit(self, lessons: Sequence[Lessons], start: Sequence[FittedUnit] | None = None) -> list[FittedUnit]:
        """Fit a unit to the examples of each manner, and shift them to be as strict as each other: 0 is the default."""
        units = []
        for k, passages in enumerate(lessons):
            given = [*self._negatives, *(passage for of in passages for passage in of)]
            unit = fit_unit(given, self._silence, start=None if start is None else start[k])
            shift = choose(*self.count([unit]), EQUAL_RATE)
            units.append(FittedUnit(unit.weights, unit.bias - shift))
        return units

    def count(self, head: Sequence[FittedUnit]) -> tuple[Tail, Tail]:
        """Return how often running speech and single words that nothing is fitted to reach a logit, an hour."""
        tap_s = self._resources.bank.tap_s
        seen = 1.0 / self._resources.embedding.tap_strides
        speech, words = (
            [find_peaks(self.logits(head, embeddings), tap_s) for embeddings in entries] for entries in self._held
        )
        hours = sum(len(embeddings) for embeddings in self._held[0]) * tap_s / 3600.0
        return (
            Tail([peak for peaks in speech for peak in peaks], max(hours, 1e-3), seen=seen**0.5),
            Tail([peaks[0] for peaks in words if peaks], max(1, len(words)) / WORDS_PER_HOUR, seen=seen**0.5),
        )

    def logits(
        self, head: Sequence[FittedUnit], embeddings: NDArray[np.float32], tap_strides: int = 1
    ) -> NDArray[np.float32]:
        """Return the logits of a stream's windows, shape (n, n_outputs) -> (n,): each that of the highest unit."""
        logits: NDArray[np.float32] = np.max(
            [unit.logits(embeddings, self._silence, tap_strides) for unit in head], axis=0
        )
        return logits

    def leave_out(
        self,
        takes: Sequence[Take],
        lessons: Sequence[Lessons],
        head: Sequence[FittedUnit],
        false_accepts_per_hour: float,
    ) -> dict[int, float]:
        """Return how far above the threshold people's takes are for heads that are fitted without them.

        Takes of one speaker are left out together, where several are known, and in ten groups at most. Keys are
        positions of takes; those that synthesisers said are always learnt from, and never measured.
        """
        margins = {}
        for group in group_takes(takes):
            kept = [k for k in range(len(takes)) if k not in group]
            others = self.fit([[passages[k] for k in kept] for passages in lessons], head)
            limit = choose(*self.count(others), false_accepts_per_hour)
            for k in group:
                logits = self.logits(others, self._hear(takes[k]), self._resources.embedding.tap_strides)
                margins[k] = float(logits.max()) - limit
        return margins

    def _hear(self, take: Take) -> NDArray[np.float32]:
        before, after = (np.zeros(round(s * RATE_HZ), dtype=np.int16) for s in (QUIET_BEFORE_S, QUIET_AFTER_S))
        return self._resources.embedding.embed(np.concatenate((before, take.samples, after)))


def choose(speech: Tail, words: Tail, false_accepts_per_hour: float) -> float:
    """Return the threshold, as a logit, at which neither speech nor single words exceed what is permitted."""
    return max(speech.logit(false_accepts_per_hour), words.logit(WORD_ACCEPTS * false_accepts_per_hour))


def group_takes(takes: Sequence[Take]) -> list[list[int]]:
    """Return the positions of people's takes in groups to be left out together: by speaker where several are known."""
    said = [k for k, take in enumerate(takes) if not take.is_synthetic]
    speakers = sorted({take.speaker or "" for take in (takes[k] for k in said)})
    if len(speakers) > 1:
        of_speakers = [[k for k in said if (takes[k].speaker or "") == speaker] for speaker in speakers]
        groups = [[k for of in of_speakers[first::MOST_GROUPS] for k in of] for first in range(MOST_GROUPS)]
    else:
        groups = [said[first::MOST_GROUPS] for first in range(MOST_GROUPS)]
    return [group for group in groups if group and len(group) < len(takes)]
