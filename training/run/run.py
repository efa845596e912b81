"""The folder of a run: what a training reads and leaves there, under names that stand here alone.

`settings.json`, `provenance.json` (what code and versions trained, at each start), `history.jsonl` (one line an epoch),
`checkpoint-EPOCH.keras` (to resume: weights and optimiser), `best.keras` (the weights with the lowest loss on the
validation speakers), `teacher-N` (the runs of its teachers) and, when it is finished, `model.tflite`, `model.json` (its
manifest) and `evaluation.json`.
"""

from __future__ import annotations

import json
import math
import re
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from detector.core.manifest import Manifest, encode_manifest, read_manifest
from detector.errors import SettingsError
from training.evaluate.clips import ClipReport
from training.run.files import write_whole
from training.run.settings import TrainSettings

if TYPE_CHECKING:
    import keras

SETTINGS_FILE = "settings.json"
PROVENANCE_FILE = "provenance.json"
HISTORY_FILE = "history.jsonl"
BEST_FILE = "best.keras"
MODEL_FILE = "model.tflite"
MANIFEST_FILE = "model.json"
EVALUATION_FILE = "evaluation.json"
CHECKPOINT = re.compile(r"checkpoint-(\d+)\.keras")

ELSEWHERE = "train anew in another folder"
RESUME = "go on with keyword-trainer train --resume"

Epoch = dict[str, int | float]
"""Its number, from 1, and loss and accuracy on the training and the validation speakers, by name."""
Session = dict[str, Any]
"""What code and versions trained from one start on."""
Content = TypeVar("Content")


class Evaluation(msgspec.Struct, frozen=True):
    """The clip reports of a run: what ships, and the network it was quantised from."""

    int8: ClipReport
    float32: ClipReport


@dataclass(frozen=True)
class Run:
    """A folder that a training makes, there already or not.

    What is saved is written whole or not at all. What is missing or damaged is a SettingsError when it is read, a
    manifest that is damaged a ModelFormatError.
    """

    folder: Path

    @property
    def is_begun(self) -> bool:
        """Whether a training has begun in the folder."""
        return (self.folder / SETTINGS_FILE).exists()

    def begin(self, settings: TrainSettings) -> None:
        """Make the folder, and save the settings."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._save(SETTINGS_FILE, msgspec.json.format(msgspec.json.encode(settings)))

    def read_settings(self) -> TrainSettings:
        """Return the settings that the training began with."""
        return self._read(
            SETTINGS_FILE,
            lambda content: msgspec.json.decode(content, type=TrainSettings),
            missing=f"expected a training run in {self.folder}, found no {SETTINGS_FILE} there: name its folder",
            what="the settings of a training run",
            remedy=ELSEWHERE,
        )

    def teacher(self, number: int) -> Run:
        """Return the run of a teacher, counted from 1."""
        return Run(self.folder / f"teacher-{number}")

    def read_sessions(self) -> list[Session]:
        """Return what trained, start by start; nothing before the first."""
        if not (self.folder / PROVENANCE_FILE).exists():
            return []
        return self._read(
            PROVENANCE_FILE,
            lambda content: msgspec.json.decode(content, type=list[Session]),
            what="the starts of a training",
            remedy=ELSEWHERE,
        )

    def add_session(self, session: Session) -> None:
        """Add what trains from now on."""
        sessions = [*self.read_sessions(), session]
        self._save(PROVENANCE_FILE, msgspec.json.format(msgspec.json.encode(sessions)) + b"\n")

    def read_history(self) -> list[Epoch]:
        """Return the epochs so far, in order; none before the first."""
        if not (self.folder / HISTORY_FILE).exists():
            return []
        # Python's own reader takes NaN, the loss of a training that diverged, which is no JSON.
        return self._read(
            HISTORY_FILE,
            lambda content: msgspec.convert([json.loads(line) for line in content.splitlines()], list[Epoch]),
            what="a line of JSON for each epoch",
            remedy=ELSEWHERE,
        )

    def save_epoch(self, history: Sequence[Epoch], model: keras.Model) -> None:
        """Save the epochs so far, and the network if the last of them has the lowest loss on validation speakers."""
        self._save(HISTORY_FILE, "".join(json.dumps(epoch) + "\n" for epoch in history).encode())
        # A loss may be NaN where a training diverges; compared with it, no later one would be the lowest.
        losses = [epoch["validation_loss"] for epoch in history]
        known = [loss for loss in losses if not math.isnan(loss)]
        if known and losses[-1] <= min(known):
            self._save_network(BEST_FILE, model)

    def count_epochs(self) -> int:
        """Return how many epochs are done: those before the last checkpoint."""
        return max(self._find_checkpoints(), default=0)

    def load_checkpoint(self) -> keras.Model:
        """Load the network of the last checkpoint, and its optimiser, to go on from."""
        return _load(self._find_checkpoints()[self.count_epochs()], with_optimiser=True)

    def save_checkpoint(self, model: keras.Model, n_epochs: int) -> None:
        """Save what is gone on from after so many epochs, in place of the checkpoints before."""
        self._save_network(f"checkpoint-{n_epochs:04d}.keras", model)
        for done, file in self._find_checkpoints().items():
            if done < n_epochs:
                file.unlink(missing_ok=True)

    def load_best(self) -> keras.Model:
        """Load the network with the lowest loss on validation speakers, without its optimiser."""
        file = self.folder / BEST_FILE
        if not file.exists():
            raise SettingsError(
                f"expected a trained network in {self.folder}, found no {BEST_FILE}: {RESUME}, or, where all of its "
                f"epochs are done, {ELSEWHERE}"
            )
        return _load(file, with_optimiser=False)

    def read_manifest(self) -> Manifest:
        """Return the manifest of the finished run's model."""
        if not (self.folder / MANIFEST_FILE).exists():
            raise SettingsError(self._is_unfinished(MANIFEST_FILE))
        return read_manifest(self.folder / MANIFEST_FILE)

    def read_flatbuffer(self) -> bytes:
        """Return the content of the finished run's int8 file."""
        return self._read(MODEL_FILE, bytes, what="an int8 network", remedy=RESUME)

    def read_evaluation(self) -> Evaluation:
        """Return what was measured of the finished run."""
        return self._read(
            EVALUATION_FILE,
            lambda content: msgspec.json.decode(content, type=Evaluation),
            what="the evaluation of a run",
            remedy=RESUME,
        )

    def save_model(self, flatbuffer: bytes, manifest: Manifest, evaluation: Evaluation) -> None:
        """Save what the run became: the pair, and what was measured of it."""
        write_whole(
            {
                self.folder / MODEL_FILE: flatbuffer,
                self.folder / EVALUATION_FILE: msgspec.json.format(msgspec.json.encode(evaluation)),
                self.folder / MANIFEST_FILE: encode_manifest(manifest),
            }
        )

    def _find_checkpoints(self) -> dict[int, Path]:
        """Return the files of the checkpoints by the epochs done before them."""
        found = ((CHECKPOINT.fullmatch(file.name), file) for file in self.folder.glob("checkpoint-*"))
        return {int(match[1]): file for match, file in found if match}

    def _is_unfinished(self, name: str) -> str:
        return f"expected a finished run in {self.folder}, found no {name}: {RESUME}"

    def _read(
        self, name: str, decode: Callable[[bytes], Content], *, what: str, remedy: str, missing: str = ""
    ) -> Content:
        """Read a file and decode it; the texts are what was expected in it, what to do, and the error without it."""
        file = self.folder / name
        try:
            return decode(file.read_bytes())
        except FileNotFoundError as exc:
            raise SettingsError(missing or self._is_unfinished(name)) from exc
        except OSError as exc:
            raise SettingsError(f"expected {what} in {file}, found that it cannot be read ({exc.strerror})") from exc
        except (ValueError, RecursionError) as exc:  # of msgspec too
            raise SettingsError(f"expected {what} in {file}, found: {exc}; {remedy}") from exc

    def _save(self, name: str, content: bytes) -> None:
        write_whole({self.folder / name: content})

    def _save_network(self, name: str, model: keras.Model) -> None:
        partial = self.folder / f"partial-{name}"
        try:
            model.save(partial)
        except OSError:
            partial.unlink(missing_ok=True)
            raise
        partial.replace(self.folder / name)


def _load(file: Path, *, with_optimiser: bool) -> keras.Model:
    import keras

    import training.network.architectures  # noqa: F401 - registers the layers of our own

    try:
        return keras.models.load_model(file, compile=with_optimiser)
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as exc:
        reason = str(exc).partition("\n")[0]
        raise SettingsError(
            f"expected a network in {file}, found none that can be loaded: {reason}; {ELSEWHERE}"
        ) from exc
