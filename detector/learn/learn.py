"""From takes of a word to a model that detects it, and a report of how well. Reads top to bottom."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from detector.core.head import HeadSettings, Unit
from detector.core.manifest import DecisionSettings, Manifest, OperatingCurve, OperatingPoint, WordDecision
from detector.errors import SettingsError
from detector.learn.bank import to_passage
from detector.learn.examples import MANNERS, RATE_HZ, ExampleMaker
from detector.learn.head import FittedUnit, Passage
from detector.learn.learner import Learner, choose
from detector.learn.lesson import from_example, from_negative
from detector.learn.rates import Tail, wilson
from detector.learn.report import KEY, Report
from detector.learn.resources import Resources
from detector.learn.takes import Take
from detector.learn.voice import learn_voices

FEWEST_TAKES = 3
FALSE_ALARM_WEIGHT = 10.0
"""What a window of a false alarm counts, against one of the bank."""
RATES = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""False accepts an hour that the operating curve has points for."""
FAR_BELOW = 2.0
"""A take whose logit is so far below the threshold, when the others alone are learnt from, is unlike them."""
REFRACTORY_S = 1.0
DIGITS = 6


@dataclass(frozen=True, eq=False)
class Lesson:
    """What came of some takes."""

    manifest: Manifest
    flatbuffer: bytes
    report: Report
    unlike: tuple[str, ...]
    """A line for each take that does not sound like the others."""


def learn(
    word: str,
    takes: Sequence[Take],
    *,
    resources: Resources,
    false_alarms: Sequence[NDArray[np.int16]] = (),
    room: Sequence[NDArray[np.int16]] = (),
    others: Sequence[Take] = (),
    false_accepts_per_hour: float = 0.5,
    progress: Callable[[str], None] | None = None,
) -> Lesson:
    """Learn a word from takes of it. The same input gives the same model.

    Parameters
    ----------
    word : str
        As it shall be reported, and as it may stand in what the bank's speakers say.
    takes : sequence of Take
        Three at least.
    resources : Resources
    false_alarms, room : sequence of ndarray of int16
        Streams of 16 kHz in which the word is not: where it was detected nevertheless, and what it is said in.
    others : sequence of Take
        Voices that shall not be detected when they say the word; none: all voices are.
    false_accepts_per_hour : float
        In running speech; sets the threshold.
    progress : callable, optional
        Is given what is being done, in a few words.

    Raises
    ------
    SettingsError
        If there are too few takes, of a voice alone to detect too.
    """
    if len(takes) < FEWEST_TAKES:
        raise SettingsError(f"expected {FEWEST_TAKES} takes of '{word}' or more, found {len(takes)}")
    say = progress or (lambda _text: None)
    embedding, rng = resources.embedding, np.random.default_rng(0)
    say("listening to what it is not")
    network = resources.model.network
    negatives = [to_passage(entry, network) for entry in resources.bank.select(is_learnt_from=True, without=word)]
    for sound in room:
        negatives += from_negative(sound, embedding)
    for sound in false_alarms:
        negatives += [_weigh(passage, FALSE_ALARM_WEIGHT) for passage in from_negative(sound, embedding)]
    learner = Learner(resources, word, negatives)
    maker = ExampleMaker(speech=resources.speech, room=np.concatenate([np.empty(0, dtype=np.int16), *room]))
    lessons = []
    for manner in MANNERS:
        say(f"listening to the takes: {manner.name}")
        passages: list[list[Passage]] = [[] for _ in takes]
        for example in maker.make(takes, manner, rng):
            passages[example.take] += from_example(example, embedding)
        lessons.append(passages)
    say("fitting")
    head = learner.fit(lessons)
    speech, words = learner.count(head)
    logit = choose(speech, words, false_accepts_per_hour)
    say("leaving out one take after another")
    margins = learner.leave_out(takes, lessons, head, false_accepts_per_hour)
    missed = sum(margin < 0.0 for margin in margins.values())
    far = [k for k, margin in margins.items() if margin < -FAR_BELOW]
    unlike = tuple(
        f"{takes[k].source} does not sound like the rest: say it again?" for k in far if len(far) <= len(margins) // 3
    )
    voices: tuple[FittedUnit, ...] = ()
    veto = None
    if others:
        say("listening to other voices")
        voices, veto = learn_voices(takes, lessons, others, maker=maker, embedder=embedding)
    report = Report(
        word=word,
        n_takes=len(takes),
        n_speakers=len({take.speaker for take in takes}),
        threshold=0.5,
        misses=missed / len(margins) if margins else None,
        misses_interval=wilson(missed, len(margins)) if margins else None,
        misses_basis=_describe_basis(takes, margins, missed),
        false_accepts_per_hour=speech.rate(logit),
        false_accepts_per_hour_interval=speech.interval(logit),
        false_accepts_basis=f"{speech.hours:.2f} h of read English speech of people that nothing was learnt from",
        veto=veto,
    )
    manifest = _describe(resources.manifest, word, takes, head, logit, speech, words, list(margins.values()), report)
    if voices and manifest.head is not None:
        only = msgspec.structs.replace(manifest.head, voices={word: tuple(_to_unit(unit) for unit in voices)})
        manifest = msgspec.structs.replace(manifest, head=only)
    return Lesson(manifest, resources.flatbuffer, report, unlike)


def _describe_basis(takes: Sequence[Take], margins: Mapping[int, float], missed: int) -> str:
    if not margins:
        return "not known: nobody but synthesisers has said it"
    speakers = {takes[k].speaker for k in margins}
    others = "other speakers" if len(speakers) > 1 else "the others"
    basis = f"{missed} of {len(margins)} takes missed when it was learnt from {others}, as they were recorded"
    if speakers == {None}:
        return f"{basis}; who says them is not known, and of other speakers nothing"
    if len(speakers) == 1:
        return f"{basis}; of other speakers nothing is known"
    return f"{basis}; those of nobody named count as one speaker's" if None in speakers else basis


def _to_unit(unit: FittedUnit, limit: float = 0.0) -> Unit:
    """Return a unit as a manifest holds it, whose logit is 0 where it was the limit."""
    weights = [round(float(weight), DIGITS) for weight in unit.weights.reshape(-1)]
    return Unit(bias=round(unit.bias - limit, DIGITS), weights=weights)


def _weigh(passage: Passage, factor: float) -> Passage:
    return Passage(passage.embeddings, passage.targets, passage.weights * np.float32(factor))


def _logistic(logit: float) -> float:
    return 1.0 / (1.0 + math.exp(-max(-60.0, min(60.0, logit))))


def _describe(
    template: Manifest,
    word: str,
    takes: Sequence[Take],
    head: Sequence[FittedUnit],
    logit: float,
    speech: Tail,
    words: Tail,
    margins: Sequence[float],
    report: Report,
) -> Manifest:
    """Return the manifest: scores are shifted so that the threshold is one half."""
    assert template.head is not None
    points = []
    for rate in sorted(RATES):
        shifted = choose(speech, words, rate) - logit
        missed = sum(margin < shifted for margin in margins)
        points.append(
            OperatingPoint(
                threshold=round(_logistic(shifted), DIGITS),
                false_accepts_per_hour=round(speech.rate(logit + shifted), 3),
                false_accepts_per_hour_interval=speech.interval(logit + shifted),
                miss_rate=missed / len(margins) if margins else 0.0,
                miss_rate_interval=wilson(missed, len(margins)),
            )
        )
    duration_s = float(np.median([take.end - take.start for take in takes])) / RATE_HZ
    return msgspec.structs.replace(
        template,
        name=word,
        words=(word,),
        labels=(word,),
        decision=DecisionSettings(
            smoothing_windows=1,
            refractory_s=REFRACTORY_S,
            words={word: WordDecision(threshold=0.5, rearm=0.25, duration_s=round(duration_s, 2))},
        ),
        head=HeadSettings(
            taps=template.head.taps,
            words={word: tuple(_to_unit(unit, logit) for unit in head)},
        ),
        operating_curve=OperatingCurve(
            measured_on=f"{report.false_accepts_basis}; misses: {report.misses_basis}",
            hours=speech.hours,
            words={word: points},
        ),
        training={KEY: msgspec.to_builtins(report)},
    )
