"""The training run: settings, recordings, network, optimiser, loop. Reads top to bottom.

Everything a run makes is in its folder: `settings.json`, `provenance.json` (what code and versions trained, at each
start), `history.jsonl` (one line an epoch), `checkpoint-EPOCH.keras` (to resume: weights and optimiser) and
`best.keras` (the weights with the lowest loss on validation speakers).
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
from training.dataset import TRAINING, VALIDATION, WaveformStore, describe_items, index
from training.devices import choose_precision, describe_devices
from training.features import BatchMaker, BatchStream
from training.provenance import note_provenance
from training.settings import TrainSettings

log = logging.getLogger(__name__)

SETTINGS_FILE = "settings.json"
HISTORY_FILE = "history.jsonl"
BEST_FILE = "best.keras"


def train(  # noqa: C901, PLR0915 - a run reads top to bottom, in one piece
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
    for line in describe_items(items):
        log.info(line)
    run.mkdir(parents=True, exist_ok=True)
    settings_file.write_bytes(msgspec.json.format(msgspec.json.encode(settings)))
    rate_hz = settings.frontend.sample_rate_hz
    store = WaveformStore.build(items, folder=cache, sample_rate_hz=rate_hz, show_progress=show_progress)
    inaudible = [item.path for position, item in enumerate(items) if not store.is_audible(position)]
    if inaudible:
        log.warning("%d recordings without sound are left out, the first is %s", len(inaudible), inaudible[0])
    maker = BatchMaker(settings, items, store, VALIDATION)
    n_batches = -(-settings.validation_windows // settings.batch_size)
    made = [maker.make(step) for step in tqdm(range(n_batches), "validation windows", disable=not show_progress)]
    validation_x = np.concatenate([features for features, _ in made])[..., None]
    validation_y = np.eye(len(settings.labels), dtype=np.float32)[np.concatenate([labels for _, labels in made])]

    # ---- network and optimiser
    n_steps = settings.epochs * settings.steps_per_epoch
    n_warmup = min(settings.warmup_steps, n_steps // 10)
    first_epoch, checkpoint = find_checkpoint(run)
    if checkpoint is not None:
        model = keras.models.load_model(checkpoint)
    else:
        n_frames, n_mels = validation_x.shape[1:3]
        model = build_model(settings.architecture, n_frames=n_frames, n_mels=n_mels, n_labels=len(settings.labels))
        schedule = keras.optimizers.schedules.CosineDecay(
            0.0, n_steps - n_warmup, warmup_target=settings.learning_rate, warmup_steps=n_warmup
        )
        model.compile(
            keras.optimizers.AdamW(schedule, weight_decay=settings.weight_decay, clipnorm=1.0),
            keras.losses.CategoricalCrossentropy(label_smoothing=settings.label_smoothing),
            metrics=["accuracy"],
            jit_compile=False,  # XLA is eight times slower on a CPU
        )
    history = read_history(run)[:first_epoch]
    n_windows = settings.steps_per_epoch * settings.batch_size
    log.info("%s: %d parameters, %d windows an epoch", settings.architecture, model.count_params(), n_windows)
    note_provenance(run, first_epoch)

    # ---- loop
    eye = np.eye(len(settings.labels), dtype=np.float32)
    with BatchStream(settings, items, store, TRAINING, n_workers=n_workers) as stream:
        batches = stream.batches(first_epoch * settings.steps_per_epoch, n_steps)
        for epoch in range(first_epoch, settings.epochs):
            _seed(model, settings.seed, epoch)
            bar = tqdm(
                range(settings.steps_per_epoch), f"epoch {epoch + 1}/{settings.epochs}", disable=not show_progress
            )
            total = {"loss": 0.0, "accuracy": 0.0}
            for step in bar:
                features, labels = next(batches)
                metrics = model.train_on_batch(features[..., None], eye[labels], return_dict=True)
                total = {name: value + float(metrics[name]) for name, value in total.items()}
                if step % 10 == 9:
                    bar.set_postfix({name: f"{value / (step + 1):.3f}" for name, value in total.items()})
            validation = model.evaluate(validation_x, validation_y, batch_size=1024, verbose=0, return_dict=True)
            row: dict[str, Any] = {"epoch": epoch + 1}
            row |= {name: value / settings.steps_per_epoch for name, value in total.items()}
            row |= {f"validation_{name}": float(validation[name]) for name in total}
            history.append(row)
            log.info(
                "epoch %d/%d: loss %.4f, validation loss %.4f, accuracy %.4f",
                row["epoch"],
                settings.epochs,
                row["loss"],
                row["validation_loss"],
                row["validation_accuracy"],
            )
            # The checkpoint comes last: what was interrupted before it is done again, from the one before.
            write_whole(run / HISTORY_FILE, "".join(json.dumps(row) + "\n" for row in history).encode())
            if row["validation_loss"] <= min(row["validation_loss"] for row in history):
                _save(model, run / BEST_FILE)
            _save(model, run / f"checkpoint-{epoch + 1:04d}.keras")
            if checkpoint is not None:
                checkpoint.unlink(missing_ok=True)
            checkpoint = run / f"checkpoint-{epoch + 1:04d}.keras"
    return run / BEST_FILE


def find_checkpoint(run: Path) -> tuple[int, Path | None]:
    """Return how many epochs a run has finished, and the checkpoint that was saved then."""
    checkpoints = sorted(run.glob("checkpoint-*.keras"))
    if not checkpoints:
        return 0, None
    return int(checkpoints[-1].stem.split("-")[1]), checkpoints[-1]


def _seed(model: keras.Model, seed: int, epoch: int) -> None:
    """Make the randomness of an epoch a matter of seed and epoch alone, interrupted before or not."""
    keras.utils.set_random_seed(int(np.random.default_rng([seed, epoch]).integers(2**31)))
    for layer in model.layers:
        if isinstance(layer, keras.layers.Dropout):
            layer.seed_generator.state.assign(np.array([seed, epoch], dtype=np.uint32))


def _save(model: keras.Model, file: Path) -> None:
    """Save a model so that an interruption leaves the old file or the new one, never half of it."""
    partial = file.with_name(f"partial-{file.name}")
    model.save(partial)
    partial.replace(file)


def write_whole(file: Path, content: bytes) -> None:
    """Write a file so that an interruption leaves the old content or the new."""
    partial = file.with_name(f"partial-{file.name}")
    partial.write_bytes(content)
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
