"""The head of a learnt word: one logistic unit behind the embeddings of the last two seconds.

Its input is the embeddings of several windows, `TAP_STRIDES` strides apart. The loss of a sequence of embeddings is
that of a convolution over it, so that no window's input is ever written out: a bank of half an hour costs what its
embeddings do, a few MB.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float32]

N_TAPS = 5
TAP_STRIDES = 4
"""Strides from one tap to the next."""
PENALTY = 0.02
"""Of the squared weights, against losses whose weights sum to one. Chosen on words that were left out of training."""
N_ITERATIONS = 120
N_PAIRS = 10
"""Steps that L-BFGS remembers."""
SUFFICIENT_DECREASE, MOST_HALVINGS = 1e-4, 20


@dataclass(frozen=True)
class Sequence_:
    """Embeddings one tap apart, shape (n, n_outputs), and for each what the head shall say, and how much that counts."""

    embeddings: Values
    targets: Values
    """1 for the word, 0 for none."""
    weights: Values
    """0 where it does not matter, or the taps reach before the sequence."""


@dataclass(frozen=True)
class Head:
    """Weights, shape (n_taps, n_outputs), the newest window first, and the bias."""

    weights: Values
    bias: float

    def logits(self, embeddings: Values, tap_strides: int = TAP_STRIDES) -> Values:
        """Return the logit of each window of a stream of embeddings, shape (n, n_outputs) -> (n,).

        What precedes the first is its repetition.
        """
        return convolve(embeddings, self.weights, tap_strides) + np.float32(self.bias)


def convolve(embeddings: Values, weights: Values, tap_strides: int) -> Values:
    """Return sum over taps k of embeddings[n - k * tap_strides] . weights[k], shape (n,)."""
    products = embeddings @ weights.T
    total = products[:, 0].copy()
    for k in range(1, len(weights)):
        shift = k * tap_strides
        total[shift:] += products[: max(0, len(total) - shift), k]
        total[:shift] += products[0, k]
    return total


def fit_head(sequences: Sequence[Sequence_], *, penalty: float = PENALTY, start: Head | None = None, word_share: float = 0.5) -> Head:
    """Fit a head by logistic regression; word and no word count the same in all, however many windows each has.

    Minimises the weighted mean of log(1 + exp(-y logit)) plus penalty / 2 times the squared weights by L-BFGS (Nocedal
    1980), from `start` where one is given. The same input gives the same head.
    """
    embeddings = np.concatenate([sequence.embeddings for sequence in sequences])
    targets = np.concatenate([sequence.targets for sequence in sequences])
    weights = np.concatenate([sequence.weights for sequence in sequences])
    is_word = targets > 0.5  # noqa: PLR2004 - half way
    for kind, share in ((is_word, word_share), (~is_word, 1.0 - word_share)):
        weights[kind] *= share / max(float(weights[kind].sum()), 1e-12)
    firsts = np.concatenate(([0], np.cumsum([len(sequence.embeddings) for sequence in sequences])[:-1]))
    n_outputs = embeddings.shape[1]
    # A tap that reaches before its sequence would read the one before: its first embedding stands there instead.
    positions = np.arange(len(embeddings))
    first_of = np.repeat(firsts, [len(sequence.embeddings) for sequence in sequences])
    sources = np.stack([np.maximum(positions - k, first_of) for k in range(N_TAPS)])

    def loss(flat: Values) -> tuple[float, Values]:
        tap_weights = flat[:-1].reshape(N_TAPS, n_outputs)
        products = embeddings @ tap_weights.T
        logits = products[positions, 0] + flat[-1]
        for k in range(1, N_TAPS):
            logits += products[sources[k], k]
        signed = np.where(is_word, logits, -logits)
        value = float(np.dot(weights, np.logaddexp(0.0, -signed))) + 0.5 * penalty * float(np.dot(flat[:-1], flat[:-1]))
        slope = weights * (1.0 / (1.0 + np.exp(np.minimum(signed, 60.0)))) * np.where(is_word, -1.0, 1.0)
        spread = np.stack([np.bincount(sources[k], slope, len(embeddings)) for k in range(N_TAPS)], axis=1)
        gradient = (embeddings.T @ spread.astype(np.float32)).T.reshape(-1) + penalty * flat[:-1]
        return value, np.append(gradient, slope.sum()).astype(np.float32)

    begin = np.zeros(N_TAPS * n_outputs + 1, dtype=np.float32)
    if start is not None:
        begin[:-1], begin[-1] = start.weights.reshape(-1), start.bias
    best = _minimise(loss, begin)
    return Head(best[:-1].reshape(N_TAPS, n_outputs), float(best[-1]))


def _minimise(loss, at: Values) -> Values:  # type: ignore[no-untyped-def]
    """Minimise a convex function by L-BFGS with a step that is halved until it descends."""
    value, gradient = loss(at)
    pairs: list[tuple[Values, Values, float]] = []
    for _ in range(N_ITERATIONS):
        direction = gradient.copy()
        kept = []
        for step, change, inverse in reversed(pairs):
            share = inverse * float(np.dot(step, direction))
            direction -= np.float32(share) * change
            kept.append(share)
        if pairs:
            step, change, _ = pairs[-1]
            direction *= np.float32(np.dot(step, change) / np.dot(change, change))
        for (step, change, inverse), share in zip(pairs, reversed(kept), strict=True):
            direction += step * np.float32(share - inverse * float(np.dot(change, direction)))
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
            pairs = [*pairs[-N_PAIRS + 1 :], (step, change, 1.0 / curvature)]
        is_flat = value - new_value < 1e-7 * max(1.0, abs(value))
        at, value, gradient = there, new_value, new_gradient
        if is_flat:
            break
    return at
