"""Where models are that can be named: a user's own, the service's, and those that are shipped."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

from detector.errors import ModelNotFoundError

log = logging.getLogger(__name__)

PLACE = "keyword-detector/models"
SERVICE_FOLDER = Path("/var/lib") / PLACE
"""Of the system's service, which has no home folder."""
_PACKAGE = Path(__file__).resolve().parent.parent
SHIPPED_FOLDERS = (_PACKAGE / "models", _PACKAGE.parent / "models")
"""Inside an installed package, or in the checkout beside it."""
SUFFIXES = (".json", ".tflite")


def find_user_folder(environ: Mapping[str, str]) -> Path | None:
    """Return the folder of a user's own models, which need not exist; None for a user without a home.

    It is the one that the XDG base directory specification gives; a relative XDG_DATA_HOME is no folder there.
    """
    data, home = Path(environ.get("XDG_DATA_HOME", "")), Path(environ.get("HOME", ""))
    if data.is_absolute():
        return data / PLACE
    return home / ".local/share" / PLACE if home.is_absolute() else None


USER_FOLDER = find_user_folder(os.environ)
FOLDERS = (*filter(None, [USER_FOLDER]), SERVICE_FOLDER, *SHIPPED_FOLDERS)
"""Where a name is looked up, in order."""


def is_own(manifest: Path) -> bool:
    """Return whether a model is in the folder of a user or of the service, and not one that is shipped."""
    return manifest.parent in FOLDERS and manifest.parent not in SHIPPED_FOLDERS


def list_models() -> list[Path]:
    """Return the manifests of the models that can be chosen by name, sorted by name; of two, the one that is chosen."""
    found: dict[str, Path] = {}
    for manifest in _list_all():
        found.setdefault(manifest.stem, manifest)
    return [found[name] for name in sorted(found)]


def find_models(names: str | Sequence[str]) -> list[Path]:
    """Return the manifests of several models: a list of names and paths, or a text with commas between them.

    A path may hold a comma, where there is such a file.

    Raises
    ------
    ModelNotFoundError
        If there is none of a name, or none is named.
    """
    texts = [names] if isinstance(names, str) else names
    named = [name for text in texts for name in _split(text)]
    if not named:
        raise ModelNotFoundError("expected the name of a model or a path, found none")
    return [find_model(name) for name in named]


def find_model(name_or_path: str) -> Path:
    """Return the manifest of a model given by name, or by the path of either of its files.

    Raises
    ------
    ModelNotFoundError
        If there is none.
    """
    path = Path(name_or_path)
    if path.suffix in SUFFIXES or len(path.parts) > 1:
        return _find_pair(path)
    found = [manifest for manifest in _list_all() if manifest.stem == name_or_path]
    if found:
        if len(found) > 1 and is_own(found[0]):
            _log_choice(name_or_path, found[0].parent, found[1].parent)
        return found[0]
    hint = ""
    if os.path.isfile(f"models/{name_or_path}.json"):  # noqa: PTH113 - False, too, for a path that cannot be accessed
        hint = f"; models/{name_or_path} is a path"
    names = ", ".join(manifest.stem for manifest in list_models()) or "none at all"
    raise ModelNotFoundError(f"expected the name of a model ({names}) or a path, found '{name_or_path}'{hint}")


@cache
def _log_choice(name: str, taken: Path, other: Path) -> None:
    """Log once which of two models of a name is taken."""
    log.warning("the model '%s' is that of %s, not that of %s", name, taken, other)


def _find_pair(path: Path) -> Path:
    stem = path.with_suffix("") if path.suffix in SUFFIXES else path
    for suffix in (".tflite", ".json"):
        file = stem.with_name(stem.name + suffix)
        if not os.path.isfile(file):  # noqa: PTH113 - as above
            raise ModelNotFoundError(f"expected a model of two files, {stem.name}.tflite and .json, found no {file}")
    return stem.with_name(f"{stem.name}.json")


def _split(text: str) -> list[str]:
    """Return the names in a text with commas between, unless a model is called that, commas and all."""
    if "," not in text or any(os.path.isfile(text.removesuffix(suffix) + suffix) for suffix in SUFFIXES):  # noqa: PTH113
        return [text]
    return [name.strip() for name in text.split(",")]


def _list_all() -> Iterator[Path]:
    """Yield the manifests of all folders, in the order of the folders."""
    for folder in FOLDERS:
        try:
            files = sorted(folder.iterdir())
        except OSError as exc:  # most machines lack most of them, and the service's is closed to others
            log.debug("no models in %s: %s", folder, exc.strerror)
            continue
        yield from (file for file in files if file.suffix == ".json" and not file.name.startswith("."))
