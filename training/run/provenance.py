"""Where a model comes from: code, versions, data and their licences; written into its manifest."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
import subprocess
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

import detector
from detector.core.folders import find_model
from detector.core.manifest import Manifest, read_manifest
from detector.errors import SettingsError
from detector.learn.resources import EMBEDDING, find_folder
from training.data.items import Item, Split
from training.data.store import digest
from training.run.recipe import FOLDERS
from training.run.recordings import find_cautions
from training.run.run import Run
from training.run.settings import TrainSettings


def describe_session(n_epochs_before: int) -> dict[str, Any]:
    """Return what code and versions train from now on, after some epochs."""
    import keras

    backend: str = keras.backend.backend()
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "epochs_before": n_epochs_before,
        "commit": _commit(),
        "versions": {
            "keyword-detector": detector.__version__,
            "python": platform.python_version(),
            "numpy": np.__version__,
            "keras": keras.__version__,
            backend: importlib.metadata.version(_backend_distribution(backend)),
        },
    }


def name_folders(folders: Sequence[str]) -> dict[str, str]:
    """Return a name for each folder that gives away nothing of where it lies: its own, with its parent's if shared."""
    resolved = {folder: Path(folder).resolve() for folder in folders}
    n_same = Counter(path.name for path in resolved.values())
    return {
        folder: path.name if n_same[path.name] == 1 else f"{path.parent.name}/{path.name}"
        for folder, path in resolved.items()
    }


def check_licences(licences: Mapping[str, str], folders: Sequence[str]) -> None:
    """Refuse a licence for a folder that is not among the data.

    Raises
    ------
    SettingsError
        With the folders there are.
    """
    names = sorted(name_folders(folders).values())
    for name in licences:
        if name not in names:
            raise SettingsError(f"expected the licence of one of {', '.join(names)}, found one of '{name}'")


def find_embedding(settings: TrainSettings) -> tuple[Manifest, bytes]:
    """Return the manifest and the int8 file of the embedding that a run's network begins as.

    Raises
    ------
    ModelError
        If there is none.
    SettingsError
        If it was made for another spectrogram or level than the run's.
    """
    file = find_model(settings.embedding) if settings.embedding else find_folder() / f"{EMBEDDING}.json"
    manifest = read_manifest(file)
    for name in ("frontend", "level"):
        if getattr(manifest, name) != getattr(settings, name):
            raise SettingsError(
                f"expected the settings '{name}' that the embedding {file} was made with, found others: leave them out"
            )
    return manifest, file.with_suffix(".tflite").read_bytes()


def describe_training(run: Run, settings: TrainSettings, items: Sequence[Item]) -> dict[str, Any]:
    """Return what a manifest says of a training; nothing of the machine's own paths.

    Raises
    ------
    SettingsError
        If the run does not say what trained it, or its epochs cannot be read.
    """
    folders = (*settings.data, *settings.synthetic, *settings.noise, *settings.speech)
    names = name_folders(folders)
    recipe = msgspec.to_builtins(settings)
    for key in FOLDERS:
        recipe[key] = [names[folder] for folder in recipe[key]]
    if settings.embedding is not None:
        recipe["embedding"] = Path(settings.embedding).name
    return {
        "sessions": run.read_sessions(),
        "data": {
            names[folder]: {
                "licence": settings.licences.get(names[folder], "not stated"),
                **_fingerprint(_root(folder), [item for item in items if item.folder == folder]),
            }
            for folder in folders
        },
        "cautions": find_cautions(settings, items),
        "settings": recipe,
        **({"embedding": find_embedding(settings)[0].sha256} if settings.architecture == EMBEDDING else {}),
        "epochs": run.read_history(),
    }


def _root(folder: str) -> Path:
    """Return the folder that recordings are named from: that of a table, where they are named by one."""
    return Path(folder).parent if folder.lower().endswith(".csv") else Path(folder)


def _fingerprint(folder: Path, items: Sequence[Item]) -> dict[str, Any]:
    """Return the number of recordings on the training side and a SHA-256 over their names and contents."""
    trained = sorted((item for item in items if item.split == Split.TRAINING), key=lambda item: item.path)
    whole = hashlib.sha256()
    for item, content in zip(trained, digest(trained), strict=True):
        whole.update(f"{os.path.relpath(item.path, folder)}\n".encode("utf-8", "surrogateescape"))
        whole.update(content)
    return {"n_recordings": len(trained), "sha256": whole.hexdigest()}


def _backend_distribution(backend: str) -> str:
    if backend != "tensorflow":
        return backend
    installed = {distribution.name.replace("_", "-") for distribution in importlib.metadata.distributions()}
    return "tensorflow" if "tensorflow" in installed else "tensorflow-cpu"


def _commit() -> str:
    """Return the commit of the checkout that trained, marked when it had changes; "unknown" outside of one."""
    git = ["git", "-C", str(Path(__file__).resolve().parent)]
    try:
        head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True, timeout=10)
        changes = subprocess.run(
            [*git, "status", "--porcelain", "--untracked-files=no"],
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return head.stdout.strip() + (" with changes" if changes.stdout.strip() else "")
