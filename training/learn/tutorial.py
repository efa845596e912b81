"""The network of two beginners' tutorials, redone: a plain CNN on grey pictures of spectrograms.

Two convolutions of 5 x 5 with 32 and 64 channels, pooling, dropout, 50 units: 2.6 million parameters, nearly all of
them between the last picture and the 50 units. It knows the keywords alone, no other words and no silence, so that it
classifies and cannot listen; it is here to be compared with (docs/learn/baseline.md).
"""

from __future__ import annotations

import logging
import math
from pathlib import Path

import keras
import msgspec
import numpy as np
import scipy.fft
from keras import layers
from numpy.typing import NDArray

from detector.cli.bench import cpu_s
from detector.core.network import Network
from detector.errors import SettingsError
from detector.samples import to_float
from training.data.collection import Collection
from training.data.items import Item, Kind, Split
from training.data.layouts import index_all_words
from training.data.notes import Notes
from training.data.summary import describe_collection
from training.evaluate.clips import fit_window
from training.evaluate.intervals import Rate, proportion
from training.network.devices import needs_jit
from training.network.epochs import fit_epoch
from training.network.quantize import convert_to_int8
from training.progress import progress
from training.run.files import write_whole
from training.run.run import EVALUATION_FILE, MODEL_FILE, Epoch, Run
from training.run.settings import TutorialSettings

log = logging.getLogger(__name__)

RATE_HZ = 16000
FRAME_SAMPLES, HOP_SAMPLES = 400, 200
"""25 ms every 12.5 ms: pictures of 201 frequencies and 81 frames."""
DARKEST_DB, BRIGHTEST_DB = -100.0, 0.0
VALIDATION_PART = 0.2
"""Of the clips, where they are divided at random."""
LEARNING_RATE = 1e-3
MEASURED_AT_ONCE = 64
"""Pictures of the validation in one call."""
N_REPRESENTATIVE, N_TIMED = 100, 50


class TutorialReport(msgspec.Struct, frozen=True):
    """What the network is worth."""

    split_by: str
    accuracy: Rate
    """Share of validation clips whose own word scores highest."""
    accuracy_int8: Rate
    n_training_clips: int
    n_parameters: int
    size_bytes: int
    """Of the int8 file."""
    microseconds: float
    """Of one window, int8, on one core."""

    def lines(self) -> list[str]:
        """Return the report for people to read."""
        where = "speakers it has not met" if self.split_by == "speaker" else "other clips of the same speakers"
        cost = f"{self.size_bytes / 1000:.0f} kB, {self.microseconds:.0f} microseconds a window"
        return [
            f"accuracy on {where}: {self.accuracy.percent()}",
            f"after quantisation to int8: {self.accuracy_int8.percent()}",
            f"{self.n_parameters / 1e6:.2f} million parameters, {cost}, trained on {self.n_training_clips} clips",
        ]


def draw(samples: NDArray[np.int16]) -> NDArray[np.uint8]:
    """Return the grey picture of a second at 16 kHz: decibels of each frequency, shape (81, 201), 255 at full scale."""
    padded = np.pad(to_float(samples).astype(np.float64), FRAME_SAMPLES // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, FRAME_SAMPLES)[::HOP_SAMPLES]
    window = np.hanning(FRAME_SAMPLES + 1)[:-1]
    amplitude = np.abs(scipy.fft.rfft(frames * window)) * (2.0 / window.sum())
    decibels = 20.0 * np.log10(np.maximum(amplitude, 1e-10))
    grey = (decibels - DARKEST_DB) * (255.0 / (BRIGHTEST_DB - DARKEST_DB))
    picture: NDArray[np.uint8] = np.clip(np.rint(grey), 0, 255).astype(np.uint8)
    return picture


def build(shape: tuple[int, int], n_words: int) -> keras.Model:
    """Build the network: (batch, frames, frequencies, 1) pictures in [0, 1] -> (batch, n_words) probabilities."""
    picture = keras.Input((*shape, 1))
    x = layers.Conv2D(32, 5, activation="relu")(picture)
    x = layers.MaxPooling2D(2)(x)
    x = layers.Conv2D(64, 5, activation="relu")(x)
    x = layers.SpatialDropout2D(0.5)(x)
    x = layers.MaxPooling2D(2)(x)
    x = layers.Flatten()(x)
    x = layers.Dense(50, activation="relu")(x)
    x = layers.Dropout(0.5)(x)
    scores = layers.Dense(n_words, activation="softmax", name="scores")(x)
    return keras.Model(picture, scores, name="tutorial_cnn")


def divide(items: list[Item], split_by: str, seed: int) -> list[Split]:
    """Return the split of each clip: by its speaker, as everywhere in this project, or at random, as tutorials do."""
    if split_by == "speaker":
        return [item.split for item in items]
    order = np.random.default_rng(seed).permutation(len(items))
    validation = set(order[: round(VALIDATION_PART * len(items))].tolist())
    return [Split.VALIDATION if k in validation else Split.TRAINING for k in range(len(items))]


def train_tutorial(run: Run, settings: TutorialSettings, *, cache: Path) -> TutorialReport:
    """Train the network on the clips of the keywords alone, measure it, and leave it in the folder of `run`.

    Testing speakers are left alone, however clips are divided.

    Raises
    ------
    SettingsError
        If a keyword has no clips, or the folder is not empty.
    """
    if run.folder.exists() and any(run.folder.iterdir()):
        raise SettingsError(f"expected a new folder, found files in {run.folder}: choose another")
    notes = Notes()
    found = index_all_words(settings.data, notes)
    of_words = [item for item in found if item.kind == Kind.WORD and item.word in settings.words]
    items = [item for item in of_words if item.split != Split.TESTING]
    collection = Collection.open(items, cache=cache, sample_rate_hz=RATE_HZ)
    items = list(collection.items)
    splits = np.array(divide(items, settings.split_by, settings.seed))
    for word in settings.words:
        for split in (Split.TRAINING, Split.VALIDATION):
            if not any(item.word == word and other == split for item, other in zip(items, splits, strict=True)):
                raise SettingsError(f"expected clips of '{word}' in the {split} split, found none")
    run.folder.mkdir(parents=True, exist_ok=True)
    for line in describe_collection(collection, sample_rate_hz=RATE_HZ, notes=notes, keywords=settings.words):
        log.info(line)
    clips = progress(range(len(items)), "drawing", unit="picture")
    pictures = np.stack([draw(fit_window(collection[k], RATE_HZ)) for k in clips])
    labels = np.array([settings.words.index(item.word) for item in items])
    is_training = splits == Split.TRAINING
    model = _fit(run, settings, pictures, labels, is_training)

    some = pictures[is_training][:N_REPRESENTATIVE].astype(np.float32) / 255.0
    flatbuffer = convert_to_int8(model, some)
    network = Network(flatbuffer)
    validation, truths = pictures[~is_training].astype(np.float32) / 255.0, labels[~is_training]
    answers = np.asarray(model.predict(validation[..., None], batch_size=MEASURED_AT_ONCE, verbose=0)).argmax(axis=1)
    int8 = np.array([network.run(picture).argmax() for picture in validation])
    report = TutorialReport(
        split_by=settings.split_by,
        accuracy=proportion(int((answers == truths).sum()), len(truths)),
        accuracy_int8=proportion(int((int8 == truths).sum()), len(truths)),
        n_training_clips=int(is_training.sum()),
        n_parameters=model.count_params(),
        size_bytes=len(flatbuffer),
        microseconds=1e6 * cpu_s(lambda: network.run(some[0]), n_repeats=N_TIMED),
    )
    evaluation = msgspec.json.format(msgspec.json.encode(report))
    write_whole({run.folder / MODEL_FILE: flatbuffer, run.folder / EVALUATION_FILE: evaluation})
    return report


def _fit(
    run: Run,
    settings: TutorialSettings,
    pictures: NDArray[np.uint8],
    labels: NDArray[np.integer],
    is_training: NDArray[np.bool_],
) -> keras.Model:
    """Train on some of the pictures, shape (n, frames, frequencies); return the network that is best on the others."""
    keras.utils.set_random_seed(settings.seed)
    model = build(pictures.shape[1:], len(settings.words))
    model.compile(
        keras.optimizers.Adam(LEARNING_RATE),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile=needs_jit(),
    )
    log.info("%d parameters, %d clips an epoch", model.count_params(), is_training.sum())
    validation = pictures[~is_training].astype(np.float32)[..., None] / 255.0, labels[~is_training]
    history: list[Epoch] = []
    for n_before in range(settings.epochs):
        order = np.random.default_rng([settings.seed, n_before]).permutation(np.flatnonzero(is_training))
        epoch = fit_epoch(
            model,
            Pictures(pictures, labels, order, settings.batch_size),
            validation,
            number=n_before + 1,
            n_epochs=settings.epochs,
            measured_at_once=MEASURED_AT_ONCE,
        )
        history.append(epoch)
        run.save_epoch(history, model)
    return run.load_best()


class Pictures(keras.utils.PyDataset):  # type: ignore[misc]
    """Batches of pictures in the order given."""

    def __init__(
        self, pictures: NDArray[np.uint8], labels: NDArray[np.integer], order: NDArray[np.integer], batch_size: int
    ) -> None:
        super().__init__()
        self._pictures, self._labels, self._order, self._batch_size = pictures, labels, order, batch_size

    def __len__(self) -> int:
        return math.ceil(len(self._order) / self._batch_size)

    def __getitem__(self, position: int) -> tuple[NDArray[np.float32], NDArray[np.integer]]:
        """Return a batch: pictures in [0, 1], shape (n, frames, frequencies, 1), and positions of words."""
        rows = self._order[position * self._batch_size : (position + 1) * self._batch_size]
        return self._pictures[rows].astype(np.float32)[..., None] / 255.0, self._labels[rows]
