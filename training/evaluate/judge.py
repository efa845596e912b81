"""What a detector made of a recording whose truth is known: events, not windows."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from detector.events import Detection
from training.evaluate.intervals import Rate, hourly_rate, interval_by_group, percents, proportion
from training.evaluate.streams import VALID_AFTER_END_S, Truth, TruthWord

TICK_S = 1e-6
"""Times are compared to this: half a sample at any rate, and more than what floating point loses."""


@dataclass(frozen=True)
class Outcome:
    """Which event each detection is, and what became of each spoken word."""

    spoken: list[TruthWord]
    """The truth's words in order of time; the other fields count in it."""
    keywords: list[int]
    hits: dict[int, Detection]
    wrong: set[int]
    """Keywords at which another keyword was detected."""
    n_duplicates: int
    """Further detections at a keyword."""
    false_accepts: list[tuple[Detection, int | None]]
    """Detections where no keyword was spoken, and the other word that was, if the truth knows one."""
    confusable: list[tuple[Detection, int]]
    """Detections in confusable utterances, by the utterance's position in the truth."""

    @property
    def missed(self) -> NDArray[np.bool_]:
        """Whether each spoken keyword was missed, shape (n_keywords,)."""
        return np.array([k not in self.hits for k in self.keywords], dtype=bool)

    @property
    def speakers(self) -> list[str]:
        """Who spoke each keyword, in their order; empty if that is not known of all."""
        names = [self.spoken[k].speaker for k in self.keywords]
        known = [name for name in names if name]
        return known if len(known) == len(names) else []


def match(detections: Sequence[Detection], truth: Truth, words: Sequence[str]) -> Outcome:
    """Match detections with the truth; their order does not matter.

    A spoken keyword absorbs one detection of itself, from its start to `VALID_AFTER_END_S` after its end; of several
    that could, the one whose time ends first. What is left belongs to the word that began last before it: a duplicate
    if that is the same keyword or has its wrong word already, a wrong word if it is another keyword, a false accept if
    it is none. Outside of words it is a false accept, unless it lies in an utterance that holds a confusable word:
    those are counted apart. Every detection is counted once. Words are compared in any case.
    """
    words = [word.casefold() for word in words]
    spoken = [msgspec.structs.replace(word, word=word.word.strip().casefold()) for word in truth.words]
    spoken.sort(key=lambda word: (word.start_s, word.end_s, word.word))
    starts = np.array([word.start_s - TICK_S for word in spoken])
    ends = np.array([word.end_s + VALID_AFTER_END_S + TICK_S for word in spoken])
    outcome = Outcome(spoken, [k for k, word in enumerate(spoken) if word.word in words], {}, set(), 0, [], [])
    n_duplicates = 0
    for detection in sorted(detections, key=lambda detection: detection.time_s):
        time_s, keyword = detection.time_s, detection.keyword.casefold()
        near = np.flatnonzero((starts <= time_s) & (time_s <= ends)).tolist()
        free = [k for k in near if spoken[k].word == keyword and k not in outcome.hits]
        if free:
            outcome.hits[min(free, key=lambda k: ends[k])] = detection
        elif near and (spoken[near[-1]].word == keyword or near[-1] in outcome.wrong):
            n_duplicates += 1
        elif near and spoken[near[-1]].word in words:
            outcome.wrong.add(near[-1])
        elif near:
            outcome.false_accepts.append((detection, near[-1]))
        else:
            utterance = _find_utterance(truth.confusable, time_s)
            if utterance is None:
                outcome.false_accepts.append((detection, None))
            else:
                outcome.confusable.append((detection, utterance))
    return dataclasses.replace(outcome, n_duplicates=n_duplicates)


def _find_utterance(utterances: Sequence[TruthWord], time_s: float) -> int | None:
    for k, utterance in enumerate(utterances):
        if utterance.start_s - TICK_S <= time_s <= utterance.end_s + VALID_AFTER_END_S + TICK_S:
            return k
    return None


class StreamReport(msgspec.Struct, frozen=True):
    """What a detector made of a recording, event by event."""

    missed: Rate
    """Of the spoken keywords, those without a detection of their own."""
    wrong_word: Rate
    """Of the spoken keywords, those at which another keyword was detected."""
    duplicates: Rate
    """Of the detections at keywords, those at one that had been detected, or taken for another, before."""
    others: Rate
    """Of the other spoken words, those at which a keyword was detected."""
    false_accepts: Rate
    """Detections where no keyword was spoken, per hour; those at other words included, confusable utterances not."""
    false_accepts_at: dict[str, int]
    """The same by the word that was spoken there; "" stands for none that the truth knows."""
    confusable: Rate
    """Of the utterances that hold a confusable word, those in which a keyword was detected."""
    latency_s: dict[str, float]
    """From a word's end to its detection: quantiles p50 and p95 of the keywords that were not missed."""
    by_word: dict[str, Rate]
    """Misses of each keyword."""
    missed_by_speaker: tuple[float, float] | None = None
    """95 % interval of `missed` with speakers as independent instead of words; None if they are unknown or few."""
    n_speakers: int = 0
    """Of the keywords."""

    def _speaker_lines(self) -> list[str]:
        if self.missed_by_speaker is None:
            return []
        low, high = percents(*self.missed_by_speaker)
        return [f"  as {self.n_speakers} speakers differ: {low}-{high} %"]

    def lines(self) -> list[str]:
        """Return the report for people to read; what was not tried is not in it."""
        rows = []
        if self.missed.n_trials:
            rows = [
                f"missed: {self.missed.percent()}",
                *self._speaker_lines(),
                *(f"  {word}: {rate.percent()}" for word, rate in self.by_word.items() if rate.n_trials),
                f"wrong word: {self.wrong_word.percent()}",
                f"detected twice: {self.duplicates.percent()}",
            ]
        if self.others.n_trials:
            rows.append(f"other words that fire: {self.others.percent()}")
        at = ", ".join(f"{word or 'elsewhere'} {count}" for word, count in self.false_accepts_at.items())
        rows.append(f"false accepts: {self.false_accepts.per_hour()}" + (f": {at}" if at else ""))
        if self.confusable.n_trials:
            rows.append(f"confusable utterances that fire: {self.confusable.percent()}")
        if self.latency_s:
            n_detected = self.missed.n_trials - self.missed.n_events
            p50, p95 = self.latency_s["p50"], self.latency_s["p95"]
            rows.append(f"delay after the word's end: {p50:.2f} s, p95 {p95:.2f} s ({n_detected:g} words)")
        return rows


def judge(detections: Sequence[Detection], truth: Truth, words: Sequence[str]) -> StreamReport:
    """Compare detections with the truth, by the rules of `match`."""
    outcome = match(detections, truth, words)
    spoken, hits = outcome.spoken, outcome.hits
    n_keywords = len(outcome.keywords)
    fired = {position for _, position in outcome.false_accepts if position is not None}
    delays = [detection.time_s - spoken[k].end_s for k, detection in hits.items()]
    at = Counter("" if position is None else spoken[position].word for _, position in outcome.false_accepts)
    n_spoken = Counter(spoken[k].word for k in outcome.keywords)
    n_hits = Counter(spoken[k].word for k in hits)
    speakers = outcome.speakers
    return StreamReport(
        missed=proportion(n_keywords - len(hits), n_keywords),
        wrong_word=proportion(len(outcome.wrong), n_keywords),
        duplicates=proportion(outcome.n_duplicates, outcome.n_duplicates + len(hits) + len(outcome.wrong)),
        others=proportion(len(fired), len(spoken) - n_keywords),
        false_accepts=hourly_rate(len(outcome.false_accepts), truth.hours),
        false_accepts_at=dict(sorted(at.items())),
        confusable=proportion(len({position for _, position in outcome.confusable}), len(truth.confusable)),
        latency_s={f"p{p}": float(np.percentile(delays, p)) for p in (50, 95)} if delays else {},
        missed_by_speaker=interval_by_group(outcome.missed, speakers, rng=np.random.default_rng(0))
        if speakers
        else None,
        n_speakers=len(set(speakers)),
        by_word={
            word: proportion(n_spoken[word.casefold()] - n_hits[word.casefold()], n_spoken[word.casefold()])
            for word in words
        },
    )
