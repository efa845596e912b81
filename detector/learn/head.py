"""A unit of a learnt word's head, fitted: a logistic function of the embeddings of the last two seconds.

Its input is the embeddings of several windows, a tap apart. The loss over a passage of embeddings is that of a
convolution, so that no window's input is ever written out: a bank of an hour costs what its embeddings do, a few MB.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float32]

N_TAPS = 5
PENALTY = 0.02
"""Of the squared weights, against losses whose weights sum to one. Chosen on words that were left out of training."""
WORD_SHARE = 0.5
"""What the windows with the word count in all, however many there are."""
N_ITERATIONS = 100
N_PAIRS = 10
"""Steps that L-BFGS remembers."""
SUFFICIENT_DECREASE, MOST_HALVINGS, FLAT = 1e-4, 20, 1e-6


@dataclass(frozen=True, eq=False)
class Passage:
    """Embeddings one tap apart, shape (n, n_outputs), what the unit shall say of each, and how much that counts."""

    embeddings: Values
    targets: Values
    """1 for the word, 0 for none."""
    weights: Values
    """0 where it does not matter."""


@dataclass(frozen=True, eq=False)
class FittedUnit:
    """Weights, shape (n_taps, n_outputs), the newest window first, and the bias."""

    weights: Values
    bias: float

    def logits(self, embeddings: Values, silence: Values, tap_strides: int = 1) -> Values:
        """Return the logits of a stream's windows, shape (n, n_outputs) -> (n,); `silence` is what precedes it."""
        products = embeddings @ self.weights.T
        before = self.weights @ silence
        logits = products[:, 0] + np.float32(self.bias)
        for k in range(1, len(self.weights)):
            shift = k * tap_strides
            logits[shift:] += products[: max(0, len(logits) - shift), k]
            logits[:shift] += before[k]
        return logits


def fit_unit(
    passages: Sequence[Passage],
    silence: Values,
    *,
    penalty: float = PENALTY,
    word_share: float = WORD_SHARE,
    start: FittedUnit | None = None,
) -> FittedUnit:
    """Fit a unit by logistic regression.

    Minimises the weighted mean of log(1 + exp(-y logit)) plus penalty / 2 times the squared weights by L-BFGS (Nocedal
    1980), from `start` where one is given. The same input gives the same head.

    Parameters
    ----------
    passages : sequence of Passage
    silence : ndarray, shape (n_outputs,)
        The embedding of silence, which precedes every passage.
    """
    embeddings = np.concatenate([silence[None], *[passage.embeddings for passage in passages]])
    targets = np.concatenate([[0.0], *[passage.targets for passage in passages]]).astype(np.float32)
    weights = np.concatenate([[0.0], *[passage.weights for passage in passages]]).astype(np.float32)
    signs = np.where(targets > 0.0, np.float32(1.0), np.float32(-1.0))
    for sign, share in ((1.0, word_share), (-1.0, 1.0 - word_share)):
        of_kind = signs == sign
        weights[of_kind] *= share / max(float(weights[of_kind].sum()), 1e-12)
    lengths = [len(passage.embeddings) for passage in passages]
    firsts = np.concatenate(([0], np.repeat(1 + np.cumsum([0, *lengths[:-1]]), lengths)))
    rows = np.arange(len(embeddings))
    sources = [np.where(rows - k >= firsts, rows - k, 0) for k in range(N_TAPS)]
    n_outputs = embeddings.shape[1]

    def loss(flat: Values) -> tuple[float, Values]:
        products = embeddings @ flat[:-1].reshape(N_TAPS, n_outputs).T
        signed = signs * (sum(products[sources[k], k] for k in range(N_TAPS)) + flat[-1])
        value = float(np.dot(weights, np.logaddexp(0.0, -signed))) + 0.5 * penalty * float(np.dot(flat[:-1], flat[:-1]))
        slope = -signs * weights / (1.0 + np.exp(np.minimum(signed, 60.0)))
        spread = np.stack([np.bincount(source, slope, len(rows)) for source in sources]).astype(np.float32)
        gradient = (spread @ embeddings).reshape(-1) + np.float32(penalty) * flat[:-1]
        return value, np.append(gradient, slope.sum()).astype(np.float32)

    begin = np.zeros(N_TAPS * n_outputs + 1, dtype=np.float32)
    if start is not None:
        begin[:-1], begin[-1] = start.weights.reshape(-1), start.bias
    best = _minimise(loss, begin)
    return FittedUnit(best[:-1].reshape(N_TAPS, n_outputs), float(best[-1]))


def _minimise(loss: Callable[[Values], tuple[float, Values]], at: Values) -> Values:
    """Minimise a convex function by L-BFGS, with steps that are halved until they descend."""
    value, gradient = loss(at)
    pairs: list[tuple[Values, Values, float]] = []
    for _ in range(N_ITERATIONS):
        direction = _find_direction(gradient, pairs)
        descent = float(np.dot(gradient, direction))
        size = 1.0 if pairs else 1.0 / max(1.0, float(np.abs(gradient).sum()))
        for _ in range(MOST_HALVINGS):
            there = at - np.float32(size) * direction
            new_value, new_gradient = loss(there)
            if new_value <= value - SUFFICIENT_DECREASE * size * descent:
                break
            size *= 0.5
        else:
            return at
        step, change = there - at, new_gradient - gradient
        curvature = float(np.dot(step, change))
        if curvature > 0.0:
            pairs = [*pairs[1 - N_PAIRS :], (step, change, 1.0 / curvature)]
        is_flat = value - new_value < FLAT * max(1e-3, abs(value))
        at, value, gradient = there, new_value, new_gradient
        if is_flat:
            break
    return at


def _find_direction(gradient: Values, pairs: Sequence[tuple[Values, Values, float]]) -> Values:
    """Return the gradient times an estimate of the inverse Hessian, by the two loops of L-BFGS."""
    direction, shares = gradient.copy(), []
    for step, change, inverse in reversed(pairs):
        shares.append(inverse * float(np.dot(step, direction)))
        direction -= np.float32(shares[-1]) * change
    if pairs:
        step, change, _ = pairs[-1]
        direction *= np.float32(np.dot(step, change) / np.dot(change, change))
    for (step, change, inverse), share in zip(pairs, reversed(shares), strict=True):
        direction += np.float32(share - inverse * float(np.dot(change, direction))) * step
    return direction
