"""The distillation: the student learns to give what the teacher gives, sound by sound. Reads top to bottom.

A folder holds `settings.json`, `scaling.npz` (mean and spread of each of the teacher's numbers), `history.jsonl` (one
line an epoch) and `checkpoint.keras` (weights and optimiser, to go on from).
"""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path

import keras
import msgspec
import numpy as np
from numpy.typing import NDArray

from detector.errors import SettingsError
from training.embedding.pool import VALIDATION_SHARD, Shard, make_shards
from training.embedding.settings import EmbeddingSettings
from training.embedding.student import build_student
from training.embedding.teacher import N_OUTPUTS
from training.network.devices import choose_precision, describe_devices, needs_jit
from training.network.muon import Muon
from training.progress import progress
from training.run.files import write_whole

log = logging.getLogger(__name__)

SETTINGS_FILE, SCALING_FILE, HISTORY_FILE = "settings.json", "scaling.npz", "history.jsonl"
CHECKPOINT_FILE = "checkpoint.keras"
STEADY_FILE = "steady.keras"
"""The checkpoint before the learning rate began to fall: what a longer run may go on from."""
WARMUP_STEPS = 200
MEASURED_AT_ONCE = 24

Scaling = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Mean and standard deviation, shape (96,) each."""


class SoundBatches(keras.utils.PyDataset):  # type: ignore[misc]
    """Features and scaled targets of sounds of all shards, in an order that depends on the epoch alone."""

    def __init__(self, shards: list[Shard], scaling: Scaling, settings: EmbeddingSettings, epoch: int) -> None:
        super().__init__()
        self._pairs = [shard.open() for shard in shards]
        self._scaling = scaling
        self._batch = settings.batch_size
        rng = np.random.default_rng([settings.seed, epoch])
        places = [(k, row) for k, (features, _) in enumerate(self._pairs) for row in range(len(features))]
        self._places = [places[int(k)] for k in rng.permutation(len(places))]

    def __len__(self) -> int:
        return len(self._places) // self._batch

    def __getitem__(self, step: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return a batch: (batch, n_frames, n_mels, 1) and (batch, n_steps, 96)."""
        mean, spread = self._scaling
        places = self._places[step * self._batch : (step + 1) * self._batch]
        features = np.stack([self._pairs[k][0][row] for k, row in places]).astype(np.float32)
        targets = np.stack([self._pairs[k][1][row] for k, row in places]).astype(np.float32)
        return features[..., None], (targets - mean) / spread


def distil(
    folder: Path,
    settings: EmbeddingSettings,
    *,
    shards: Path,
    cache: Path,
    teacher: Path,
    n_workers: int,
    precision: str = "auto",
) -> None:
    """Distil the teacher, or go on where that was interrupted.

    Raises
    ------
    SettingsError
        If the folder holds another distillation, or recordings or programs are missing.
    """
    keras.mixed_precision.set_global_policy(choose_precision(precision))
    _begin(folder, settings)
    for line in describe_devices():
        log.info(line)
    made = make_shards(settings, shards, cache=cache, teacher=teacher, n_workers=n_workers)
    training = [Shard(made, number) for number in range(settings.n_shards)]
    scaling = _find_scaling(folder, training[0])
    features, targets = Shard(made, VALIDATION_SHARD).open()
    history = read_history(folder)
    n_steps = len(SoundBatches(training, scaling, settings, 0))
    keras.utils.set_random_seed(settings.seed)
    if history and (folder / CHECKPOINT_FILE).is_file():
        model = keras.saving.load_model(folder / CHECKPOINT_FILE)
        history = history[: int(model.optimizer.iterations) // n_steps]
    else:
        history = []
        model = build_student(settings.channels, settings.frontend.n_mels, N_OUTPUTS, n_frames=None)
        optimiser = Muon(settings.learning_rate, weight_decay=settings.weight_decay)
        model.compile(optimiser, "mse", jit_compile=needs_jit())
    log.info("student: %d parameters, %d steps an epoch", model.count_params(), n_steps)
    for epoch in range(len(history), settings.epochs):
        batches = SoundBatches(training, scaling, settings, epoch)
        steps = progress(range(len(batches)), f"epoch {epoch + 1}/{settings.epochs}", unit="step")
        losses = []
        for step in steps:
            model.optimizer.learning_rate = settings.learning_rate * rate_factor(
                epoch * n_steps + step, n_steps, settings
            )
            losses.append(float(model.train_on_batch(*batches[step])))
        explained = measure(model, features, targets, scaling)
        entry = {"epoch": epoch + 1, "loss": float(np.mean(losses)), "validation_r2": explained}
        log.info("epoch %d/%d: loss %.4f, validation R2 %.4f", epoch + 1, settings.epochs, entry["loss"], explained)
        history.append(entry)
        lines = "".join(json.dumps(line) + "\n" for line in history)
        write_whole({folder / HISTORY_FILE: lines.encode()})
        # The checkpoint comes last, and says itself how far it is: an epoch that it lacks is trained again.
        partial = folder / f"partial-{CHECKPOINT_FILE}"
        model.save(partial)
        partial.replace(folder / CHECKPOINT_FILE)
        if epoch + 1 == settings.epochs - settings.decay_epochs:
            shutil.copyfile(folder / CHECKPOINT_FILE, folder / STEADY_FILE)


def rate_factor(step: int, n_steps: int, settings: EmbeddingSettings) -> float:
    """Return the learning rate at a step, as part of the setting: it rises, stays, and falls over the last epochs."""
    n_all, n_falling = settings.epochs * n_steps, settings.decay_epochs * n_steps
    return min(1.0, (step + 1) / min(WARMUP_STEPS, max(1, n_all // 10)), (n_all - step) / n_falling)


def measure(model: keras.Model, features: NDArray[np.float16], targets: NDArray[np.float16], scaling: Scaling) -> float:
    """Return how much of the teacher's numbers the student explains (R2): mean over the numbers."""
    mean, spread = scaling
    errors, variances = np.zeros(N_OUTPUTS), np.zeros(N_OUTPUTS)
    for first in range(0, len(features), MEASURED_AT_ONCE):
        rows = slice(first, first + MEASURED_AT_ONCE)
        given = np.asarray(model.predict_on_batch(features[rows].astype(np.float32)[..., None]))
        wanted = (targets[rows].astype(np.float32) - mean) / spread
        errors += ((given - wanted) ** 2).sum(axis=(0, 1))
        variances += ((wanted - wanted.mean(axis=(0, 1))) ** 2).sum(axis=(0, 1))
    return float(np.mean(1.0 - errors / variances))


def _begin(folder: Path, settings: EmbeddingSettings) -> None:
    file = folder / SETTINGS_FILE
    if file.is_file():
        if msgspec.json.decode(file.read_bytes(), type=EmbeddingSettings) != settings:
            raise SettingsError(f"expected a new folder, or one of the same settings, found another run in {folder}")
        return
    folder.mkdir(parents=True, exist_ok=True)
    write_whole({file: msgspec.json.format(msgspec.json.encode(settings), indent=2)})


def _find_scaling(folder: Path, shard: Shard) -> Scaling:
    file = folder / SCALING_FILE
    if not file.is_file():
        targets = np.asarray(shard.open()[1], dtype=np.float64)
        mean, spread = targets.mean(axis=(0, 1)), targets.std(axis=(0, 1))
        np.savez(file, mean=mean.astype(np.float32), spread=spread.astype(np.float32))
    stored = np.load(file)
    return stored["mean"], stored["spread"]


def read_history(folder: Path) -> list[dict[str, float]]:
    """Return what each epoch came to."""
    file = folder / HISTORY_FILE
    return [json.loads(line) for line in file.read_text().splitlines()] if file.is_file() else []
