"""Only me: the voices that a word was learnt from, as units that its score never exceeds; others are refused.

Numbers that tell words apart tell voices, too, as far as both say the same: so a voice is told from others that say
the same word. Those are synthesisers', since nobody else is there; how many people are refused can be measured by who
has recordings of people alone. A voice is a linear discriminant (Fisher 1936) between what it says and what they say,
on the mean of the embeddings while the word is said. It is no security: a recording of the voice passes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.errors import SettingsError
from detector.learn.embedding import Embedder
from detector.learn.examples import MANNERS, RATE_HZ, Example, ExampleMaker
from detector.learn.head import N_TAPS, FittedUnit, Passage
from detector.learn.lesson import from_example
from detector.learn.rates import wilson
from detector.learn.report import Veto
from detector.learn.takes import Take

Values = NDArray[np.float32]

FEWEST_TAKES = 3
"""Of each voice."""
N_HEARD = 3
"""Taps whose embeddings are averaged. Two, or all five, tell voices apart worse: they hear less of the word, or more of
what was before it."""
SHRINKAGE = 0.5
"""Of the covariance of what others say, towards the same in all directions."""
LIMIT = 0.7
"""How far from the others' mean, 0, towards that of the voice's own takes, 1, a voice is let through: the most at which
few of its own were refused, on "zero" of Speech Commands."""
STEEP = 40.0
"""Logits from the others' mean to the voice's own: beyond the limit the word alone decides."""
N_OTHERS = 90
"""Takes of other voices that are asked for: a second of processor time, and some of the engines' own."""
COUNTED = 3
"""One in so many of the others is counted, and not learnt from."""
QUIET_BEFORE_S, QUIET_AFTER_S = 1.0, 0.7


@dataclass(frozen=True, eq=False)
class _Others:
    """What others say: the mean of its embeddings, and the inverse of their covariance."""

    mean: Values
    inverse: Values


def learn_voices(
    takes: Sequence[Take],
    lessons: Sequence[Sequence[Sequence[Passage]]],
    others: Sequence[Take],
    *,
    maker: ExampleMaker,
    embedder: Embedder,
) -> tuple[tuple[FittedUnit, ...], Veto]:
    """Learn the voices of takes; return a unit for each, whose logit is above 0 where it speaks, and what that costs.

    Parameters
    ----------
    takes : sequence of Take
        Those that synthesisers said are nobody's voice.
    lessons : sequence of sequence of sequence of Passage
        Of each of `MANNERS` and each take.
    others : sequence of Take
        Of the same word, by others.
    maker : ExampleMaker
    embedder : Embedder

    Raises
    ------
    SettingsError
        If there are too few takes of a voice.
    """
    voices = group_voices(takes)
    rng = np.random.default_rng(1)
    silence = embedder.silence
    is_alone = [not manner.is_inside_speech for manner in MANNERS]
    counted, fitted = _divide(others)
    said: list[Passage] = []
    for manner, is_used in zip(MANNERS, is_alone, strict=True):
        if is_used:
            for example in maker.make(fitted, manner, rng):
                said += from_example(example, embedder)
    known = _describe_others(_average(said, silence))
    used = [of for of, is_used in zip(lessons, is_alone, strict=True) if is_used]
    own = {k: _average((p for of in used for p in of[k]), silence).mean(axis=0) for group in voices for k in group}
    units = tuple(_fit([own[k] for k in group], known) for group in voices)
    n_refused = sum(
        _is_refused([_fit([own[other] for other in group if other != k], known)], takes[k], embedder)
        for group in voices
        for k in group
    )
    n_others = sum(_is_refused(units, take, embedder) for take in counted)
    n_voices = len({take.speaker for take in counted})
    return units, Veto(
        misses=n_refused / len(own),
        misses_interval=wilson(n_refused, len(own)),
        misses_basis=f"{n_refused} of {len(own)} of one's own takes refused when the voice was learnt from the others, "
        "as they were recorded",
        refused_synthetic=n_others / len(counted) if counted else None,
        refused_synthetic_interval=wilson(n_others, len(counted)) if counted else None,
        refused_synthetic_basis=f"{n_others} of {len(counted)} takes of {n_voices} that nothing was learnt from; of "
        "people fewer, how many is not known",
    )


def group_voices(takes: Sequence[Take]) -> list[list[int]]:
    """Return the positions of the takes of each person.

    Raises
    ------
    SettingsError
        If there are too few of one to learn the voice from.
    """
    groups: dict[str | None, list[int]] = {}
    for k, take in enumerate(takes):
        if not take.is_synthetic:
            groups.setdefault(take.speaker, []).append(k)
    if not groups:
        raise SettingsError(
            f"expected {FEWEST_TAKES} takes or more of a person for --only-me, found none that a person said"
        )
    for speaker, group in groups.items():
        if len(group) < FEWEST_TAKES:
            who = f"'{speaker}'" if speaker else "nobody named: --speaker says whose they are"
            raise SettingsError(
                f"expected {FEWEST_TAKES} takes or more of each voice for --only-me, found {len(group)} of {who}"
            )
    return list(groups.values())


def _divide(others: Sequence[Take]) -> tuple[list[Take], list[Take]]:
    """Return the takes that are counted and those that are learnt from, of different voices."""
    names = list(dict.fromkeys(take.speaker for take in others))
    is_counted = set(names[::COUNTED])
    counted = [take for take in others if take.speaker in is_counted]
    return counted, [take for take in others if take.speaker not in is_counted]


def _average(passages: Iterable[Passage], silence: Values) -> Values:
    """Return the means of the latest embeddings at each window with the word, shape (n, n_outputs)."""
    means = []
    for passage in passages:
        padded = np.concatenate((np.tile(silence, (N_HEARD - 1, 1)), passage.embeddings))
        latest = [padded[k : k + len(passage.embeddings)] for k in range(N_HEARD)]
        means.append(np.mean(latest, axis=0)[passage.targets > 0.0])
    return np.concatenate(means)


def _describe_others(said: Values) -> _Others:
    covariance = np.cov(said.T).reshape(said.shape[1], said.shape[1])
    even = np.eye(len(covariance)) * max(np.trace(covariance) / len(covariance), 1e-9)
    inverse = np.linalg.inv((1.0 - SHRINKAGE) * covariance + SHRINKAGE * even)
    return _Others(said.mean(axis=0), inverse.astype(np.float32))


def _fit(own: Sequence[Values], others: _Others) -> FittedUnit:
    """Fit the unit of a voice to the mean of each of its takes.

    How far the voice is from others is asked of takes that are left out: those that are learnt from are further.
    """
    reaches = []
    for k in range(len(own)):
        rest = [*own[:k], *own[k + 1 :]] or [own[k]]
        reaches.append(float(_find_direction(rest, others) @ (own[k] - others.mean)))
    direction = _find_direction(own, others)
    slope = STEEP / max(float(np.mean(reaches)), 1e-3)
    weights = np.zeros((N_TAPS, len(direction)), dtype=np.float32)
    weights[:N_HEARD] = direction * np.float32(slope / N_HEARD)
    return FittedUnit(weights, -slope * float(direction @ others.mean) - LIMIT * STEEP)


def _find_direction(own: Sequence[Values], others: _Others) -> Values:
    """Return the discriminant, in units of the deviation of what others say along it."""
    apart = np.mean(own, axis=0) - others.mean
    direction: Values = others.inverse @ apart
    return direction / np.float32(max(float(np.sqrt(direction @ apart)), 1e-9))


def _is_refused(units: Sequence[FittedUnit], take: Take, embedder: Embedder) -> bool:
    """Return whether no unit lets any window through in which a take's word is, as it was recorded."""
    before, after = (np.zeros(round(s * RATE_HZ), dtype=np.int16) for s in (QUIET_BEFORE_S, QUIET_AFTER_S))
    samples = np.concatenate((before, take.samples, after))
    heard = _average(from_example(Example(samples, len(before) + take.end, 0), embedder), embedder.silence)
    return not any(
        float((heard @ unit.weights[:N_HEARD].sum(axis=0)).max(initial=-np.inf)) + unit.bias >= 0.0 for unit in units
    )
