"""Features of composed sounds and what the teacher makes of them, in files: each made once, in any order."""

from __future__ import annotations

import hashlib
import logging
import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from detector.core.frontend import LogMel
from training.data.items import Split
from training.embedding.settings import STEP_FRAMES, WINDOW_FRAMES, EmbeddingSettings
from training.embedding.sounds import SoundComposer, open_recordings, read_texts
from training.embedding.teacher import HOP_SAMPLES, SPAN_SAMPLES, Teacher
from training.progress import progress
from training.synthesis.voices import find_voices

log = logging.getLogger(__name__)

VALIDATION_SHARD = -1
NOT_OF_SOUNDS = (
    "channels",
    "epochs",
    "decay_epochs",
    "batch_size",
    "learning_rate",
    "weight_decay",
    "n_shards",
    "licences",
    "held_speakers",
)
"""Settings that shards do not depend on."""


class Shard:
    """Sounds of one file: features, shape (n_sounds, n_frames, n_mels), and embeddings, (n_sounds, n_steps, 96)."""

    def __init__(self, folder: Path, number: int) -> None:
        name = "validation" if number == VALIDATION_SHARD else f"{number:04d}"
        self.features_file, self.targets_file = folder / f"{name}-features.npy", folder / f"{name}-targets.npy"

    @property
    def is_made(self) -> bool:
        """Whether both files are there, whole."""
        return self.features_file.is_file() and self.targets_file.is_file()

    def open(self) -> tuple[NDArray[np.float16], NDArray[np.float16]]:
        """Return features and targets, memory-mapped."""
        return np.load(self.features_file, mmap_mode="r"), np.load(self.targets_file, mmap_mode="r")

    def write(self, features: NDArray[np.float16], targets: NDArray[np.float16]) -> None:
        """Write both, each under another name until it is whole."""
        for file, values in ((self.features_file, features), (self.targets_file, targets)):
            partial = file.with_suffix(".partial")
            with open(partial, "wb") as out:
                np.save(out, values)
            partial.replace(file)


def make_shards(settings: EmbeddingSettings, folder: Path, *, cache: Path, teacher: Path, n_workers: int) -> Path:
    """Compose all shards that are not made yet; return the folder they lie in.

    A shard depends on the settings and its number alone.
    """
    folder = folder / fingerprint(settings)
    folder.mkdir(parents=True, exist_ok=True)
    numbers = [VALIDATION_SHARD, *range(settings.n_shards)]
    missing = [number for number in numbers if not Shard(folder, number).is_made]
    if not missing:
        return folder
    open_recordings(settings, cache)  # decoded once, before the workers all begin to
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        n_workers, mp_context=context, initializer=_prepare, initargs=(settings, cache, teacher)
    ) as pool:
        jobs = [pool.submit(_make_shard, folder, number) for number in missing]
        for n_done, job in enumerate(progress(as_completed(jobs), "sounds", len(jobs), unit="shard"), start=1):
            job.result()
            log.info("composed %d of %d shards", n_done, len(jobs))
    return folder


def fingerprint(settings: EmbeddingSettings) -> str:
    """Return what names the folder of shards: all settings that they depend on."""
    fields = msgspec.structs.asdict(settings)
    for name in NOT_OF_SOUNDS:
        del fields[name]
    return hashlib.sha256(msgspec.json.encode(fields, order="sorted")).hexdigest()[:16]


class _Worker:
    """What a worker process keeps."""

    def __init__(self, settings: EmbeddingSettings, cache: Path, teacher: Path) -> None:
        self.settings = settings
        self.teacher = Teacher(teacher)
        self._log_mel = LogMel(settings.frontend)
        collection = open_recordings(settings, cache)
        voices, texts = find_voices(), read_texts(settings)
        self.composers = {
            split: SoundComposer(settings, collection, split, voices=voices, texts=texts)
            for split in (Split.TRAINING, Split.VALIDATION)
        }

    def make(self, number: int) -> Iterator[tuple[NDArray[np.float16], NDArray[np.float16]]]:
        """Yield the features and targets of a shard's sounds."""
        is_validation = number == VALIDATION_SHARD
        composer = self.composers[Split.VALIDATION if is_validation else Split.TRAINING]
        for k in range(self.settings.sounds_per_shard):
            rng = np.random.default_rng([self.settings.seed, number + 1, k])
            samples = composer.draw(rng)
            yield embed_sound(samples, self._log_mel, self.teacher)


def embed_sound(
    samples: NDArray[np.int16], log_mel: LogMel, teacher: Teacher
) -> tuple[NDArray[np.float16], NDArray[np.float16]]:
    """Return a sound's features, shape (n_frames, n_mels), and targets, shape (n_steps, 96).

    Target m is what the teacher makes of sound that ends where the window of frames m x 4 to m x 4 + 48 does.
    """
    frontend = log_mel.settings
    features = log_mel(samples)
    n_steps = (len(features) - WINDOW_FRAMES) // STEP_FRAMES + 1
    window_end = (WINDOW_FRAMES - 1) * frontend.hop_samples + frontend.frame_samples
    n_before, offset = divmod(window_end - SPAN_SAMPLES, HOP_SAMPLES)
    targets = teacher.embed(samples[offset:])[n_before : n_before + n_steps]
    return features.astype(np.float16), targets.astype(np.float16)


_worker: _Worker | None = None


def _prepare(settings: EmbeddingSettings, cache: Path, teacher: Path) -> None:
    global _worker  # noqa: PLW0603 - a process pool has no other place for what a worker keeps
    _worker = _Worker(settings, cache, teacher)


def _make_shard(folder: Path, number: int) -> None:
    assert _worker is not None
    pairs = list(_worker.make(number))
    Shard(folder, number).write(
        np.stack([features for features, _ in pairs]), np.stack([targets for _, targets in pairs])
    )
