"""Composed windows as features, made once by worker processes and kept, so that the network never waits for them.

Composing a window costs several times what a small network's training step on it does. So a run composes a million or
more at the start, and sees each a few times, masked anew. Runs with the same seed, recordings and window settings share
them: architectures are compared on the very same windows.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from numpy.typing import NDArray

from detector.core.frontend import LogMel
from detector.core.level import LevelRule, LevelSettings
from detector.core.network import dequantize, quantize
from detector.errors import DetectorError
from training.data.collection import Collection
from training.data.items import Item, Split
from training.progress import Progress
from training.run.settings import TrainSettings
from training.run.workers import work_for_parent
from training.windows.composer import WindowComposer

if TYPE_CHECKING:
    from collections.abc import Iterator

WINDOWS_AT_ONCE = 8
"""Windows whose features are computed in one call: few enough to stay in the processor's cache."""
SHARD_WINDOWS = 8192
"""Windows of one file, and of one task of a worker."""
FEATURE_SCALE, FEATURE_ZERO = 1.0 / 121.0, -7
"""Features are kept as int8, from -1 to 1.1: as finely as the int8 network itself takes them."""
ALLOCATOR = {"MALLOC_TRIM_THRESHOLD_": "268435456", "MALLOC_MMAP_THRESHOLD_": "268435456"}
"""Environment of the workers. glibc returns arrays of this size to the system when they are freed, and page faults on
the next ones take longer than the arithmetic; kept, they make the front end twice as fast."""

WINDOWS_FORMAT = 1
"""To be raised with whatever changes a composed window or its features: those of another number are not reused. A
golden test sees to it."""

Windows = tuple[NDArray[np.float32], NDArray[np.uint8]]
"""Features, shape (n, n_frames, n_mels), and positions of the labels, shape (n,)."""

_SALTS: dict[Split, int] = {Split.TRAINING: 0, Split.VALIDATION: 1}


def compute_features(
    log_mel: LogMel, windows: NDArray[np.int16], level: LevelSettings | None = None
) -> NDArray[np.float32]:
    """Return what the model sees of many windows that nothing precedes: (n, window_samples) -> (n, n_frames, n_mels).

    With a level rule each is raised by its own level, as the detector does at the end of its first second. Composed
    windows are not: they have the levels that the rule raises quiet sound to.
    """
    n = WINDOWS_AT_ONCE
    features = np.concatenate([log_mel(windows[first : first + n]) for first in range(0, len(windows), n)])
    return features if level is None else LevelRule(level, log_mel.settings).raise_windows(features)


class FeatureStore:
    """The composed windows of one split, in memory-mapped files. Safe between threads."""

    def __init__(self, shards: Sequence[Path]) -> None:
        """Open shards that `build` has written."""
        self._features = [np.load(file, mmap_mode="r") for file in shards]
        self._labels = np.concatenate([np.load(_labels_file(file)) for file in shards])

    def __len__(self) -> int:
        return len(self._labels)

    @property
    def labels(self) -> NDArray[np.uint8]:
        """Position of each window's label, shape (n_windows,)."""
        return self._labels

    def read(self, rows: NDArray[np.integer]) -> NDArray[np.float32]:
        """Return the features of some windows, shape (n_rows, n_frames, n_mels)."""
        taken = [self._features[row // SHARD_WINDOWS][row % SHARD_WINDOWS] for row in rows.tolist()]
        return dequantize(np.stack(taken), FEATURE_SCALE, FEATURE_ZERO)

    @classmethod
    def build(
        cls,
        settings: TrainSettings,
        collection: Collection,
        split: Split,
        *,
        n_windows: int,
        n_workers: int,
    ) -> FeatureStore:
        """Compose `n_windows` windows beside the decoded recordings, or reuse those of an earlier run.

        Window k is a function of the settings, the recordings, what is known of them, and k alone. What was composed
        before an interruption is kept.

        Raises
        ------
        DetectorError
            If a worker ends before its task does.
        """
        decoded = collection.store.file
        stem = f"{decoded.stem}-{split}-{_fingerprint(settings, collection.items)}"
        counts = [min(SHARD_WINDOWS, n_windows - first) for first in range(0, n_windows, SHARD_WINDOWS)]
        shards = [decoded.with_name(f"{stem}-{k:04d}-{count}.npy") for k, count in enumerate(counts)]
        missing = [k for k, file in enumerate(shards) if not file.exists()]
        if missing:
            with (
                _environment(ALLOCATOR),
                # "spawn": a fork of a process that runs TensorFlow's threads may deadlock.
                ProcessPoolExecutor(
                    min(n_workers, len(missing)),
                    mp_context=multiprocessing.get_context("spawn"),
                    initializer=_start_worker,
                    initargs=(settings, collection, split),
                ) as pool,
                Progress(
                    total=sum(counts[k] for k in missing),
                    desc=f"composing {split} windows",
                    unit="window",
                    unit_scale=True,
                ) as bar,
            ):
                tasks = {pool.submit(_write_shard, k, counts[k], shards[k]): counts[k] for k in missing}
                try:
                    for task in as_completed(tasks):
                        task.result()
                        bar.update(tasks[task])
                except BrokenProcessPool as exc:
                    raise DetectorError(
                        f"expected worker processes to compose {split} windows, found that one ended by itself: look "
                        "above for why; if nothing stands there, memory may have run out, and --workers 1 takes least"
                    ) from exc
                except BaseException:
                    pool.shutdown(cancel_futures=True)
                    raise
        return cls(shards)


def _labels_file(shard: Path) -> Path:
    return shard.with_suffix(".labels.npy")


def _fingerprint(settings: TrainSettings, items: Sequence[Item]) -> str:
    """Return a name for everything beside the samples that decides what the windows are.

    A recording that has changed sides or words is another, though it sounds the same.
    """
    digest = hashlib.sha256()
    parts = (
        WINDOWS_FORMAT,
        settings.seed,
        settings.words,
        settings.skip_words,
        settings.left_out,
        settings.window_s,
        settings.frontend,
        settings.windows,
    )
    digest.update(msgspec.json.encode(parts))
    folders = {folder: k for k, folder in enumerate((*settings.data, *settings.synthetic))}
    for item in items:
        known = (item.kind, item.split, item.word, item.transcript, folders.get(item.folder))
        digest.update(msgspec.json.encode(known))
    return digest.hexdigest()[:16]


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set variables for processes that are started within, where the user has not."""
    added = {name: value for name, value in variables.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]


class ShardMaker:
    """Composes any shard of a split. One process only."""

    def __init__(self, settings: TrainSettings, collection: Collection, split: Split) -> None:
        self._seed = (settings.seed, _SALTS[split])
        self._composer = WindowComposer(settings, collection, split)
        self._log_mel = LogMel(settings.frontend)

    def make(self, shard: int, n_windows: int) -> tuple[NDArray[np.int8], NDArray[np.uint8]]:
        """Make the first windows of shard number `shard`: quantised features and labels."""
        rng = np.random.default_rng([*self._seed, shard])
        labels = np.empty(n_windows, dtype=np.uint8)
        features = []
        for first in range(0, n_windows, WINDOWS_AT_ONCE):
            drawn = [self._composer.draw(rng) for _ in range(min(WINDOWS_AT_ONCE, n_windows - first))]
            labels[first : first + len(drawn)] = [label for _, label in drawn]
            frames = self._log_mel(np.stack([samples for samples, _ in drawn]))
            features.append(quantize(frames, FEATURE_SCALE, FEATURE_ZERO))
        return np.concatenate(features), labels


_maker: ShardMaker


def _start_worker(settings: TrainSettings, collection: Collection, split: Split) -> None:
    work_for_parent()
    global _maker  # noqa: PLW0603 - the one state of a worker process, set once by its initialiser
    _maker = ShardMaker(settings, collection, split)


def _write_shard(shard: int, n_windows: int, file: Path) -> None:
    features, labels = _maker.make(shard, n_windows)
    # Whole or not at all, and the labels first: the features' presence says that both are there.
    with TemporaryDirectory(dir=file.parent) as folder:
        for content, target in ((labels, _labels_file(file)), (features, file)):
            partial = Path(folder) / target.name
            np.save(partial, content)
            partial.replace(target)
