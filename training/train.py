"""The training run: settings, recordings, network, optimiser, loop. Reads top to bottom.

Everything a run makes is in its folder: `settings.json`, `provenance.json` (what code and versions trained, at each
start), `history.jsonl` (one line an epoch), `checkpoint-EPOCH.keras` (to resume: weights and optimiser), `best.keras`
(the weights with the lowest loss on validation speakers) and `teacher-N` (the runs of its teachers).
"""

from __future__ import annotations

import json
import logging
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import keras
import msgspec
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from detector.errors import SettingsError
from training.architectures import build_model, check_architecture
from training.dataset import TRAINING, VALIDATION, WaveformStore, describe_items
from training.devices import choose_precision, choose_strategy, describe_devices, needs_jit
from training.features import FeatureStore
from training.files import write_whole
from training.layouts import index
from training.provenance import note_provenance
from training.settings import TrainSettings
from training.vary import mask_features, mix, warp_features

log = logging.getLogger(__name__)

SETTINGS_FILE = "settings.json"
HISTORY_FILE = "history.jsonl"
BEST_FILE = "best.keras"
ORDER_SALT, VARIATION_SALT = 2, 3
"""They keep the random numbers of order and variation apart from those of the windows."""

ASKED_AT_ONCE = 1024
"""Windows that a teacher answers to in one call."""


def train(  # noqa: C901, PLR0915 - a run reads top to bottom, in one piece
    settings: TrainSettings | None, run: Path, *, cache: Path, n_workers: int
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
    first_epoch, checkpoint = find_checkpoint(run)
    if first_epoch == settings.epochs:
        note_provenance(run, first_epoch)  # of what quantises it
        return _find_best(run)
    precision = choose_precision(settings.precision)
    _check_architectures(settings)
    for line in describe_devices():
        log.info(line)
    keras.mixed_precision.set_global_policy(precision)

    # ---- recordings
    items = index(settings)
    for line in describe_items(items):
        log.info(line)
    run.mkdir(parents=True, exist_ok=True)
    if not settings_file.exists():
        write_whole({settings_file: msgspec.json.format(msgspec.json.encode(settings))})
    teachers = _train_teachers(settings, run, cache=cache, n_workers=n_workers)
    rate_hz = settings.frontend.sample_rate_hz
    store = WaveformStore.build(items, folder=cache, sample_rate_hz=rate_hz)
    inaudible = [item.path for position, item in enumerate(items) if not store.is_audible(position)]
    if inaudible:
        log.warning("%d recordings without sound are left out, the first is %s", len(inaudible), inaudible[0])
    n_steps = settings.epochs * settings.steps_per_epoch
    n_training = min(settings.distinct_windows, n_steps * settings.batch_size)
    n_windows = {TRAINING: n_training, VALIDATION: min(settings.validation_windows, n_training)}
    windows = {
        split: FeatureStore.build(settings, items, store, split, n_windows=n, n_workers=n_workers)
        for split, n in n_windows.items()
    }
    validation_x = windows[VALIDATION].read(np.arange(len(windows[VALIDATION])))[..., None]
    validation_y = make_targets(settings, windows[VALIDATION], ())
    targets = make_targets(settings, windows[TRAINING], teachers)

    # ---- network and optimiser
    keras.utils.set_random_seed(settings.seed)
    n_warmup = min(settings.warmup_steps, n_steps // 10)
    strategy = choose_strategy(settings.strategy)
    with strategy.scope():
        if checkpoint is not None:
            model = load_network(checkpoint)
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
                jit_compile=needs_jit(),
            )
        strategy.synchronise(model)
    history = read_history(run)[:first_epoch]
    n_seen = settings.steps_per_epoch * settings.batch_size
    log.info("%s: %d parameters, %d windows an epoch", settings.architecture, model.count_params(), n_seen)
    note_provenance(run, first_epoch)

    # ---- loop
    for epoch in range(first_epoch, settings.epochs):
        _seed(model, settings.seed, epoch)
        title = f"epoch {epoch + 1}/{settings.epochs}"
        fitted = model.fit(
            Batches(settings, windows[TRAINING], targets, epoch),
            epochs=1,
            shuffle=False,
            verbose=0,
            callbacks=show_epoch(title, settings.steps_per_epoch),
        )
        validation = model.evaluate(validation_x, validation_y, batch_size=1024, verbose=0, return_dict=True)
        row: dict[str, Any] = {"epoch": epoch + 1}
        row |= {name: float(values[-1]) for name, values in fitted.history.items()}
        row |= {f"validation_{name}": float(validation[name]) for name in ("loss", "accuracy")}
        history.append(row)
        log.info(
            "%s: loss %.4f, validation loss %.4f, accuracy %.4f",
            title,
            row["loss"],
            row["validation_loss"],
            row["validation_accuracy"],
        )
        # The checkpoint comes last: what was interrupted before it is done again, from the one before.
        write_whole({run / HISTORY_FILE: "".join(json.dumps(row) + "\n" for row in history).encode()})
        if row["validation_loss"] <= min(row["validation_loss"] for row in history):
            _save(model, run / BEST_FILE)
        _save(model, run / f"checkpoint-{epoch + 1:04d}.keras")
        if checkpoint is not None:
            checkpoint.unlink(missing_ok=True)
        checkpoint = run / f"checkpoint-{epoch + 1:04d}.keras"
    return run / BEST_FILE


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


class Progress(keras.callbacks.Callback):  # type: ignore[misc]
    """A bar on stderr for one epoch."""

    def __init__(self, bar: tqdm[NoReturn]) -> None:
        super().__init__()
        self._bar = bar

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Move on by a batch."""
        self._bar.update()
        if batch % 10 == 0 and logs:
            self._bar.set_postfix({name: f"{value:.3f}" for name, value in logs.items()})

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        """Finish the bar."""
        del logs
        self._bar.close()


def show_epoch(title: str, n_steps: int) -> list[keras.callbacks.Callback]:
    """Return what shows the progress of an epoch; nothing where stderr is no terminal.

    Not a bar that is disabled: Keras waits for the device after each batch to call it.
    """
    bar = tqdm(total=n_steps, desc=title, disable=None)
    return [] if bar.disable else [Progress(bar)]


def find_checkpoint(run: Path) -> tuple[int, Path | None]:
    """Return how many epochs a run has finished, and the checkpoint that was saved then."""
    checkpoints = sorted(run.glob("checkpoint-*.keras"))
    if not checkpoints:
        return 0, None
    return int(checkpoints[-1].stem.split("-")[1]), checkpoints[-1]


def _find_best(run: Path) -> Path:
    file = run / BEST_FILE
    if not file.exists():
        raise SettingsError(f"expected {BEST_FILE} in {run}, which was trained to its end, found none: train anew")
    log.info("%s has been trained to its end", run)
    return file


def _check_architectures(settings: TrainSettings) -> None:
    for architecture in (settings.architecture, *(teacher.architecture for teacher in settings.teachers)):
        check_architecture(architecture)


def _train_teachers(settings: TrainSettings, run: Path, **options: Any) -> list[Path]:
    """Train the teachers, or go on with them; return their best weights."""
    best = []
    for k, teacher in enumerate(settings.teachers, start=1):
        wanted, folder = settings.of_teacher(teacher), run / f"teacher-{k}"
        log.info("teacher %d of %d: %s", k, len(settings.teachers), teacher.architecture)
        is_begun = (folder / SETTINGS_FILE).exists()
        if is_begun and read_settings(folder) != wanted:
            raise SettingsError(f"expected the run of a teacher of {run} in {folder}, found another run")
        best.append(train(None if is_begun else wanted, folder, **options))
    return best


def make_targets(settings: TrainSettings, windows: FeatureStore, teachers: Sequence[Path]) -> NDArray[np.float32]:
    """Return what each window is trained to, shape (n_windows, n_labels).

    Its label and, where there are teachers, their mean answer to it as it was composed, unvaried.
    """
    labels = np.eye(len(settings.labels), dtype=np.float32)[windows.labels]
    if not teachers:
        return labels
    answers = np.zeros_like(labels)
    with tqdm(
        total=len(teachers) * len(windows),
        desc="asking teachers",
        unit="window",
        unit_scale=True,
        disable=None,
    ) as bar:
        for file in teachers:
            model = load_network(file, with_optimiser=False)
            for first in range(0, len(windows), ASKED_AT_ONCE):
                rows = np.arange(first, min(first + ASKED_AT_ONCE, len(windows)))
                answers[rows] += keras.ops.convert_to_numpy(model(windows.read(rows)[..., None], training=False))
                bar.update(len(rows))
    return settings.imitation / len(teachers) * answers + (1 - settings.imitation) * labels


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
    """Read the epochs of a run so far.

    Raises
    ------
    SettingsError
        If the file is damaged.
    """
    file = run / HISTORY_FILE
    try:
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    except ValueError as exc:
        raise SettingsError(f"expected a line of JSON for each epoch in {file}, found: {exc}") from exc


def load_network(file: Path, *, with_optimiser: bool = True) -> keras.Model:
    """Load a network that a run has saved.

    Raises
    ------
    SettingsError
        If there is none, or it is damaged.
    """
    try:
        return keras.models.load_model(file, compile=with_optimiser)
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as exc:
        reason = str(exc).partition("\n")[0]
        raise SettingsError(f"expected a network in {file}, found none that can be loaded: {reason}") from exc
