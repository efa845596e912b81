"""The training run: settings, recordings, network, optimiser, loop. Reads top to bottom.

Everything a run makes is in its folder: `settings.json`, `history.jsonl` (one line an epoch), `checkpoint.keras` (to
resume: weights and optimiser) and `best.keras` (the weights with the lowest loss on validation speakers).
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import keras
import msgspec
import numpy as np
from tqdm import tqdm

from detector.errors import SettingsError
from training.architectures import build_model, check_architecture
from training.dataset import TRAINING, VALIDATION, WaveformStore, index
from training.devices import choose_precision, describe_devices
from training.features import BatchMaker, BatchStream
from training.settings import TrainSettings

log = logging.getLogger(__name__)

SETTINGS_FILE = "settings.json"
HISTORY_FILE = "history.jsonl"
CHECKPOINT_FILE = "checkpoint.keras"
BEST_FILE = "best.keras"


def train(
    settings: TrainSettings | None, run: Path, *, cache: Path, n_workers: int, show_progress: bool = True
) -> Path:
    """Train a network; return the file of the best weights.

    Parameters
    ----------
    settings : TrainSettings, optional
        Of a new run; None goes on with the one in `run`.
    run : Path
        Folder of the run.
    cache : Path
        Folder of decoded recordings.
    n_workers : int
        Processes that make windows.
    show_progress : bool
        Draw progress bars on stderr.

    Raises
    ------
    SettingsError
        If the folders do not hold what the settings ask for, or `run` holds another run.
    """
    # ---- settings
    settings_file = run / SETTINGS_FILE
    if settings is None:
        settings = read_settings(run)
    elif settings_file.exists():
        raise SettingsError(f"expected a new folder, found a run in {run}: add --resume or choose another")
    precision = choose_precision(settings.precision)
    check_architecture(settings.architecture)
    keras.utils.set_random_seed(settings.seed)
    for line in describe_devices():
        log.info(line)
    keras.mixed_precision.set_global_policy(precision)

    # ---- recordings
    items = index(settings)
    run.mkdir(parents=True, exist_ok=True)
    settings_file.write_bytes(msgspec.json.format(msgspec.json.encode(settings)))
    rate_hz = settings.frontend.sample_rate_hz
    store = WaveformStore.build(items, folder=cache, sample_rate_hz=rate_hz, show_progress=show_progress)
    maker = BatchMaker(settings, items, store, VALIDATION)
    n_batches = -(-settings.validation_windows // settings.batch_size)
    made = [maker.make(step) for step in tqdm(range(n_batches), "validation windows", disable=not show_progress)]
    validation_x = np.concatenate([features for features, _ in made])[..., None]
    validation_y = np.eye(len(settings.labels), dtype=np.float32)[np.concatenate([labels for _, labels in made])]

    # ---- network and optimiser
    checkpoint = run / CHECKPOINT_FILE
    n_steps = settings.epochs * settings.steps_per_epoch
    if checkpoint.exists():
        model = keras.models.load_model(checkpoint)
    else:
        n_frames, n_mels = validation_x.shape[1:3]
        model = build_model(settings.architecture, n_frames=n_frames, n_mels=n_mels, n_labels=len(settings.labels))
        schedule = keras.optimizers.schedules.CosineDecay(
            0.0, n_steps, warmup_target=settings.learning_rate, warmup_steps=min(settings.warmup_steps, n_steps // 10)
        )
        model.compile(
            keras.optimizers.AdamW(schedule, weight_decay=settings.weight_decay, clipnorm=1.0),
            keras.losses.CategoricalCrossentropy(label_smoothing=settings.label_smoothing),
            metrics=["accuracy"],
            jit_compile=False,  # XLA is eight times slower on a CPU
        )
    first_epoch = int(model.optimizer.iterations) // settings.steps_per_epoch
    history = read_history(run)[:first_epoch]
    log.info(
        "%s: %d parameters, %d windows an epoch",
        settings.architecture,
        model.count_params(),
        settings.steps_per_epoch * settings.batch_size,
    )

    # ---- loop
    eye = np.eye(len(settings.labels), dtype=np.float32)
    with BatchStream(settings, items, store, TRAINING, n_workers=n_workers) as stream:
        batches = stream.batches(first_epoch * settings.steps_per_epoch, n_steps)
        for epoch in range(first_epoch, settings.epochs):
            model.reset_metrics()
            steps = tqdm(
                range(settings.steps_per_epoch), f"epoch {epoch + 1}/{settings.epochs}", disable=not show_progress
            )
            for step in steps:
                features, labels = next(batches)
                metrics = model.train_on_batch(features[..., None], eye[labels], return_dict=True)
                if step % 10 == 9:
                    steps.set_postfix(loss=f"{metrics['loss']:.3f}", accuracy=f"{metrics['accuracy']:.3f}")
            validation = model.evaluate(validation_x, validation_y, batch_size=1024, verbose=0, return_dict=True)
            history.append(
                {
                    "epoch": epoch + 1,
                    "loss": float(metrics["loss"]),
                    "accuracy": float(metrics["accuracy"]),
                    "validation_loss": float(validation["loss"]),
                    "validation_accuracy": float(validation["accuracy"]),
                }
            )
            log.info(
                "epoch %d: validation loss %.4f, accuracy %.4f", epoch + 1, validation["loss"], validation["accuracy"]
            )
            if history[-1]["validation_loss"] <= min(row["validation_loss"] for row in history):
                _save(model, run / BEST_FILE)
            _save(model, checkpoint)
            (run / HISTORY_FILE).write_text("".join(json.dumps(row) + "\n" for row in history))
    return run / BEST_FILE


def _save(model: keras.Model, file: Path) -> None:
    """Save a model so that an interruption leaves the old file or the new one, never half of it."""
    partial = file.with_name(f"partial-{file.name}")
    model.save(partial)
    partial.replace(file)


def read_settings(run: Path) -> TrainSettings:
    """Read the settings of a run.

    Raises
    ------
    SettingsError
        If the folder holds no run, or one of another version.
    """
    file = run / SETTINGS_FILE
    try:
        return msgspec.json.decode(file.read_bytes(), type=TrainSettings)
    except FileNotFoundError as exc:
        raise SettingsError(f"expected a training run in {run}, found no {SETTINGS_FILE} there") from exc
    except msgspec.MsgspecError as exc:
        raise SettingsError(f"expected the settings of a training run in {file}, found: {exc}") from exc


def read_history(run: Path) -> list[dict[str, Any]]:
    """Read the epochs of a run so far."""
    file = run / HISTORY_FILE
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
