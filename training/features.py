"""Batches of features, made in worker processes while the network trains on the last one.

Batch number `step` of a run is a function of the seed and `step` alone: however many workers there are, and wherever a
run was interrupted, the network sees the same windows in the same order.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from detector.frontend import LogMel
from training.augment import mask_features
from training.dataset import TRAINING, VALIDATION, Item, WaveformStore
from training.settings import TrainSettings
from training.windows import WindowComposer

WINDOWS_AT_ONCE = 8
"""Windows whose features are computed in one call: few enough to stay in the processor's cache."""

Batch = tuple[NDArray[np.float32], NDArray[np.int64]]

_SALTS = {TRAINING: 0, VALIDATION: 1}


def compute_features(log_mel: LogMel, windows: NDArray[np.int16]) -> NDArray[np.float32]:
    """Return what the model sees of many windows: (n, window_samples) -> (n, n_frames, n_mels)."""
    n = WINDOWS_AT_ONCE
    return np.concatenate([log_mel(windows[first : first + n]) for first in range(0, len(windows), n)])


class BatchMaker:
    """Makes any batch of a split. One process only."""

    def __init__(self, settings: TrainSettings, items: Sequence[Item], store: WaveformStore, split: str) -> None:
        self._settings = settings
        self._composer = WindowComposer(settings, items, store, split)
        self._log_mel = LogMel(settings.frontend)
        self._split = split

    def make(self, step: int) -> Batch:
        """Make batch `step`: features, shape (batch_size, n_frames, n_mels), and label positions, (batch_size,)."""
        rng = np.random.default_rng([self._settings.seed, _SALTS[self._split], step])
        drawn = [self._composer.draw(rng) for _ in range(self._settings.batch_size)]
        features = compute_features(self._log_mel, np.stack([samples for samples, _ in drawn]))
        if self._split == TRAINING:
            windows = self._settings.windows
            features = mask_features(
                features,
                rng,
                probability=windows.mask,
                max_frames=windows.mask_frames,
                max_bands=windows.mask_bands,
            )
        return features, np.array([label for _, label in drawn])


_maker: BatchMaker


def _start_worker(settings: TrainSettings, items: Sequence[Item], store_file: Path, split: str) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    global _maker  # noqa: PLW0603 - the one state of a worker process, set once by its initialiser
    _maker = BatchMaker(settings, items, WaveformStore(store_file), split)


def _end_with_parent(parent: int) -> None:
    """End this worker when its parent was killed and could not end it."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)


def _make(step: int) -> Batch:
    return _maker.make(step)


class BatchStream:
    """Batches from worker processes, in order, a few ahead of the consumer."""

    def __init__(
        self, settings: TrainSettings, items: Sequence[Item], store: WaveformStore, split: str, *, n_workers: int
    ) -> None:
        self._n_ahead = 4 * n_workers
        # "spawn": a fork of a process that runs TensorFlow's threads may deadlock.
        self._pool = ProcessPoolExecutor(
            n_workers,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_start_worker,
            initargs=(settings, items, store.file, split),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def batches(self, first: int, last: int) -> Iterator[Batch]:
        """Yield the batches first ... last - 1."""
        ahead: deque[Future[Batch]] = deque()
        for step in range(first, last):
            ahead.append(self._pool.submit(_make, step))
            if len(ahead) > self._n_ahead:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
