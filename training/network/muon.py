"""Muon, for networks of convolutions."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

N_ITERATIONS = 5
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the quintic iteration (Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks")."""
MOMENTUM = 0.95
ADAM_RATE = 0.2
"""The rate of what AdamW updates, as part of the rate."""
UPDATE_RMS = 0.2
"""Root mean square of an update at a rate of 1, as of AdamW (Liu et al. 2025, arXiv 2502.16982)."""


@keras.saving.register_keras_serializable(package="training")
class Muon(keras.optimizers.AdamW):  # type: ignore[misc]
    """Updates convolutions' filters along the nearest semi-orthogonal matrix to their momentum; AdamW for the rest.

    Keras' own Muon takes matrices only. Here the filters of a convolution are a matrix of (height x width x channels)
    rows and a column for each filter; what sees one channel, or is a scale or a bias, is AdamW's.
    """

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update one variable."""
        if not _is_matrix(variable.shape):
            super().update_step(gradient, variable, learning_rate * ADAM_RATE)
            return
        kept = self._momentums[self._get_variable_index(variable)]
        self.assign(kept, kept * MOMENTUM + ops.cast(gradient, variable.dtype))
        direction = ops.reshape(gradient + kept * MOMENTUM, (-1, variable.shape[-1]))
        scale = UPDATE_RMS * max(direction.shape) ** 0.5
        update = orthogonalize(direction) * ops.cast(learning_rate * scale, variable.dtype)
        self.assign_sub(variable, ops.reshape(update, variable.shape))


def orthogonalize(matrix: Any) -> Any:
    """Return about the nearest semi-orthogonal matrix: its singular values end between 0.7 and 1.2."""
    is_tall = matrix.shape[0] > matrix.shape[1]
    x = ops.transpose(matrix) if is_tall else matrix
    x = x / (ops.norm(x) + 1e-7)
    first, third, fifth = COEFFICIENTS
    for _ in range(N_ITERATIONS):
        square = x @ ops.transpose(x)
        x = first * x + (third * square + fifth * square @ square) @ x
    return ops.transpose(x) if is_tall else x


def _is_matrix(shape: tuple[int, ...]) -> bool:
    return len(shape) == 4 and shape[-2] > 1
