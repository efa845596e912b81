"""What the network is trained on: batches of windows, varied anew each time they are seen, and what each shall give."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np
from numpy.typing import NDArray

from training.progress import Progress
from training.run.run import Run
from training.run.settings import TrainSettings
from training.windows.features import FeatureStore
from training.windows.vary import mask_features, mix, warp_features

ORDER_SALT, VARIATION_SALT = 2, 3
"""They keep the random numbers of order and variation apart from those of the windows."""
ASKED_AT_ONCE = 1024
"""Windows that a teacher answers to in one call."""


class Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """The batches of one epoch: functions of the seed and their number in the run alone."""

    def __init__(
        self, settings: TrainSettings, windows: FeatureStore, targets: NDArray[np.float32], epoch: int
    ) -> None:
        """Make the batches of epoch `epoch`; `targets` are the windows' label probabilities, shape (n, n_labels)."""
        super().__init__(workers=1, max_queue_size=16)
        self._settings = settings
        self._windows = windows
        self._targets = targets
        self._first = epoch * settings.steps_per_epoch
        self._order: tuple[int, NDArray[np.int64]] | None = None

    def __len__(self) -> int:
        return self._settings.steps_per_epoch

    def __getitem__(self, step: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return a batch: features, shape (batch_size, n_frames, n_mels, 1), and label probabilities."""
        settings = self._settings
        number = self._first + step
        rows = self._choose(number)
        rng, vary = np.random.default_rng([settings.seed, VARIATION_SALT, number]), settings.variation
        features, labels = self._windows.read(rows), self._targets[rows]
        if vary.warp:
            features = warp_features(
                features,
                rng,
                probability=vary.warp,
                stretch=vary.warp_range,
                max_shift_bands=vary.warp_bands,
            )
        if vary.mixup:
            features, labels = mix(features, labels, rng, alpha=vary.mixup)
        features = mask_features(
            features, rng, probability=vary.mask, max_frames=vary.mask_frames, max_bands=vary.mask_bands
        )
        return features[..., None], labels

    def _choose(self, number: int) -> NDArray[np.int64]:
        """Return the rows of batch `number`: pass after pass through all windows, each in an order of its own."""
        n_windows, size = len(self._windows), self._settings.batch_size
        rows = np.arange(number * size, (number + 1) * size)
        chosen = np.empty(size, dtype=np.int64)
        for cycle in np.unique(rows // n_windows).tolist():
            if self._order is None or self._order[0] != cycle:
                rng = np.random.default_rng([self._settings.seed, ORDER_SALT, cycle])
                self._order = cycle, rng.permutation(n_windows)
            inside = rows // n_windows == cycle
            chosen[inside] = self._order[1][rows[inside] % n_windows]
        return chosen


def make_targets(settings: TrainSettings, windows: FeatureStore, teachers: Sequence[Run]) -> NDArray[np.float32]:
    """Return what each window is trained to, shape (n_windows, n_labels).

    Its label and, where there are teachers, their mean answer to it as it was composed, unvaried.

    Raises
    ------
    SettingsError
        If a teacher has no network.
    """
    labels = np.eye(len(settings.labels), dtype=np.float32)[windows.labels]
    if not teachers:
        return labels
    answers = np.zeros_like(labels)
    with Progress(
        total=len(teachers) * len(windows),
        desc="asking teachers",
        unit="window",
        unit_scale=True,
    ) as bar:
        for teacher in teachers:
            model = teacher.load_best()
            for first in range(0, len(windows), ASKED_AT_ONCE):
                rows = np.arange(first, min(first + ASKED_AT_ONCE, len(windows)))
                answers[rows] += keras.ops.convert_to_numpy(model(windows.read(rows)[..., None], training=False))
                bar.update(len(rows))
    return settings.imitation / len(teachers) * answers + (1 - settings.imitation) * labels
