"""From streams to what a head is fitted to: embeddings one tap apart, and what it shall say of each."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detector.learn.embedding import Embedder
from detector.learn.examples import HEARD_S, RATE_HZ, SURE_S, Example
from detector.learn.head import Passage

FULL_S = 1.0
"""Windows that end earlier are padded, and not learnt from."""


def from_example(example: Example, embedder: Embedder) -> list[Passage]:
    """Return the passages of an example, one for each stride between two taps."""
    embeddings = embedder.embed(example.samples)
    ends = embedder.first_end + embedder.stride * np.arange(len(embeddings))
    is_word = (ends >= example.end) & (ends <= example.end + round(HEARD_S * RATE_HZ))
    is_none = ends <= example.end - round(SURE_S * RATE_HZ)
    weights = (is_word | is_none) & (ends >= FULL_S * RATE_HZ)
    return _divide(embeddings, is_word, weights, embedder.tap_strides)


def from_negative(samples: NDArray[np.int16], embedder: Embedder) -> list[Passage]:
    """Return the passages of a stream without the word."""
    embeddings = embedder.embed(samples)
    ends = embedder.first_end + embedder.stride * np.arange(len(embeddings))
    return _divide(embeddings, np.zeros(len(ends), bool), ends >= FULL_S * RATE_HZ, embedder.tap_strides)


def _divide(
    embeddings: NDArray[np.float32], is_word: NDArray[np.bool_], counts: NDArray[np.bool_], tap_strides: int
) -> list[Passage]:
    return [
        Passage(
            embeddings[phase::tap_strides],
            is_word[phase::tap_strides].astype(np.float32),
            counts[phase::tap_strides].astype(np.float32),
        )
        for phase in range(min(tap_strides, len(embeddings)))
    ]
