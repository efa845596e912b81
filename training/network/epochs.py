"""One epoch of a training: its progress on stderr, and what it came to."""

from __future__ import annotations

import logging
from typing import NoReturn

import keras
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from training.progress import Lines
from training.run.run import Epoch

log = logging.getLogger(__name__)


def fit_epoch(
    model: keras.Model,
    batches: keras.utils.PyDataset,
    validation: tuple[NDArray[np.float32], NDArray[np.generic]],
    *,
    number: int,
    n_epochs: int,
    measured_at_once: int,
) -> Epoch:
    """Train for an epoch, measure on what is not trained on, and log both.

    Parameters
    ----------
    model : keras.Model
        Compiled, with the metric "accuracy".
    batches : keras.utils.PyDataset
        In the order that they are trained on.
    validation : tuple of ndarray
        What the network takes, shape (n, ...), and what it shall give.
    number, n_epochs : int
        Which epoch it is, from 1, and of how many.
    measured_at_once : int
        Batch size of the measurement: a matter of memory alone.
    """
    title = f"epoch {number}/{n_epochs}"
    callbacks = show_epoch(title, len(batches))
    counted = batches if callbacks else Counted(batches, title)
    fitted = model.fit(counted, epochs=1, shuffle=False, verbose=0, callbacks=callbacks)
    measured = model.evaluate(*validation, batch_size=measured_at_once, verbose=0, return_dict=True)
    epoch: Epoch = {"epoch": number}
    epoch |= {name: float(values[-1]) for name, values in fitted.history.items()}
    epoch |= {f"validation_{name}": float(measured[name]) for name in ("loss", "accuracy")}
    log.info(
        "%s: loss %.4f, validation loss %.4f, accuracy %.4f",
        title,
        epoch["loss"],
        epoch["validation_loss"],
        epoch["validation_accuracy"],
    )
    return epoch


class Counted(keras.utils.PyDataset):  # type: ignore[misc]
    """The batches of an epoch, counted as they are made: where there is no bar, a line a minute says how many."""

    def __init__(self, batches: keras.utils.PyDataset, title: str) -> None:
        super().__init__(workers=batches.workers, max_queue_size=batches.max_queue_size)
        self._batches = batches
        self._lines = Lines(title, len(batches), "batch")

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, step: int) -> tuple[NDArray[np.float32], NDArray[np.generic]]:
        """Return a batch."""
        self._lines.add(1)
        batch: tuple[NDArray[np.float32], NDArray[np.generic]] = self._batches[step]
        return batch


class Bar(keras.callbacks.Callback):  # type: ignore[misc]
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
    return [] if bar.disable else [Bar(bar)]
