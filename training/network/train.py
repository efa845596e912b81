"""The training of a network: settings, recordings, network, optimiser, loop. Reads top to bottom.

What it leaves in the folder of the run, and goes on with, is a matter of `training.run.run`.
"""

from __future__ import annotations

import logging
from pathlib import Path

import keras
import numpy as np

from detector.errors import SettingsError
from training.data.collection import Collection
from training.data.items import Split
from training.data.notes import Notes
from training.network.architectures import EMBEDDING, build_model, check_architecture
from training.network.batches import Batches, make_targets
from training.network.devices import choose_precision, choose_strategy, describe_devices, needs_jit
from training.network.epochs import fit_epoch
from training.network.pretrained import build_on_embedding
from training.run.provenance import describe_session, find_embedding
from training.run.recordings import describe_run, open_run
from training.run.run import Run
from training.run.settings import TrainSettings
from training.windows.features import FeatureStore

log = logging.getLogger(__name__)

MEASURED_AT_ONCE = 1024
"""Windows of the validation in one call."""


def train(run: Run, settings: TrainSettings, *, cache: Path, n_workers: int) -> None:
    """Train a network, or go on where its training was interrupted; its best weights are then in the run's folder.

    Parameters
    ----------
    run : Run
        A new folder, or one that began with the same settings.
    settings : TrainSettings
    cache : Path
        Folder of decoded recordings and composed windows.
    n_workers : int
        Processes that make windows.

    Raises
    ------
    SettingsError
        If the folders do not hold what the settings ask for, or `run` holds another run.
    AudioFileError
        If recordings cannot be decoded.
    """
    if run.is_begun and run.read_settings() != settings:
        raise SettingsError(f"expected a new folder, or a run of the same settings, found another run in {run.folder}")
    n_done = run.count_epochs()
    history = run.read_history()[:n_done]
    if n_done == settings.epochs:
        log.info("%s has been trained to its end", run.folder)
        run.add_session(describe_session(n_done))  # of what quantises it
        return
    precision = choose_precision(settings.precision)
    for architecture in (settings.architecture, *(teacher.architecture for teacher in settings.teachers)):
        check_architecture(architecture)
    if settings.architecture == EMBEDDING:
        find_embedding(settings)
    for line in describe_devices():
        log.info(line)
    keras.mixed_precision.set_global_policy(precision)

    notes = Notes()
    collection = open_run(settings, cache=cache, notes=notes)
    for line in describe_run(settings, collection, notes):
        log.info(line)
    if not run.is_begun:
        run.begin(settings)
    teachers = _train_teachers(run, settings, cache=cache, n_workers=n_workers)
    windows = _compose(settings, collection, n_workers=n_workers)
    targets = make_targets(settings, windows[Split.TRAINING], teachers)
    validation_x = windows[Split.VALIDATION].read(np.arange(len(windows[Split.VALIDATION])))[..., None]
    validation = validation_x, make_targets(settings, windows[Split.VALIDATION], ())

    keras.utils.set_random_seed(settings.seed)
    strategy = choose_strategy(settings.strategy)
    with strategy.scope():
        model = run.load_checkpoint() if n_done else _build(settings, *validation_x.shape[1:3])
        strategy.synchronise(model)
    n_seen = settings.steps_per_epoch * settings.batch_size
    log.info("%s: %d parameters, %d windows an epoch", settings.architecture, model.count_params(), n_seen)
    run.add_session(describe_session(n_done))

    for n_before in range(n_done, settings.epochs):
        _seed(model, settings.seed, n_before)
        batches = Batches(settings, windows[Split.TRAINING], targets, n_before)
        epoch = fit_epoch(
            model,
            batches,
            validation,
            number=n_before + 1,
            n_epochs=settings.epochs,
            measured_at_once=MEASURED_AT_ONCE,
        )
        history.append(epoch)
        run.save_epoch(history, model)
        # The checkpoint comes last: what was interrupted before it is done again, from the one before.
        run.save_checkpoint(model, n_before + 1)


def _train_teachers(run: Run, settings: TrainSettings, *, cache: Path, n_workers: int) -> list[Run]:
    """Train the teachers, or go on with them."""
    teachers = [run.teacher(number) for number in range(1, len(settings.teachers) + 1)]
    for number, (teacher, wanted) in enumerate(zip(teachers, settings.teachers, strict=True), start=1):
        log.info("teacher %d of %d: %s", number, len(teachers), wanted.architecture)
        train(teacher, settings.of_teacher(wanted), cache=cache, n_workers=n_workers)
    return teachers


def _compose(settings: TrainSettings, collection: Collection, *, n_workers: int) -> dict[Split, FeatureStore]:
    """Compose the windows of training and validation, by split."""
    n_seen = settings.epochs * settings.steps_per_epoch * settings.batch_size
    n_training = min(settings.distinct_windows, n_seen)
    n_windows = {Split.TRAINING: n_training, Split.VALIDATION: min(settings.validation_windows, n_training)}
    return {
        split: FeatureStore.build(settings, collection, split, n_windows=n, n_workers=n_workers)
        for split, n in n_windows.items()
    }


def _build(settings: TrainSettings, n_frames: int, n_mels: int) -> keras.Model:
    """Return an untrained network, or one that begins as an embedding, and its optimiser."""
    if settings.architecture == EMBEDDING:
        model = build_on_embedding(settings, n_frames=n_frames, n_mels=n_mels)
    else:
        model = build_model(settings.architecture, n_frames=n_frames, n_mels=n_mels, n_labels=len(settings.labels))
    n_steps = settings.epochs * settings.steps_per_epoch
    n_warmup = min(settings.warmup_steps, n_steps // 10)
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, n_steps - n_warmup, warmup_target=settings.learning_rate, warmup_steps=n_warmup
    )
    model.compile(
        keras.optimizers.AdamW(schedule, weight_decay=settings.weight_decay, clipnorm=1.0),
        keras.losses.CategoricalCrossentropy(label_smoothing=settings.label_smoothing),
        metrics=["accuracy"],
        jit_compile=needs_jit(),
    )
    return model


def _seed(model: keras.Model, seed: int, epoch: int) -> None:
    """Make the randomness of an epoch a matter of seed and epoch alone, interrupted before or not."""
    keras.utils.set_random_seed(int(np.random.default_rng([seed, epoch]).integers(2**31)))
    for layer in model.layers:
        if isinstance(layer, keras.layers.Dropout):
            layer.seed_generator.state.assign(np.array([seed, epoch], dtype=np.uint32))
