"""Which files of a folder are recordings."""

from __future__ import annotations

from pathlib import Path

from detector.audio.files import EXTENSIONS
from detector.errors import SettingsError


def find_recordings(folder: Path) -> list[Path]:
    """Return the audio files below a folder, sorted."""
    return sorted(path for path in folder.rglob("*") if is_recording(path))


def is_recording(path: Path) -> bool:
    """Return whether a path is a file of a kind that libsndfile reads, and not a hidden one."""
    return path.suffix.lower() in EXTENSIONS and not path.name.startswith(".") and path.is_file()


def check_folder(name: str) -> Path:
    """Return the folder of a name.

    Raises
    ------
    SettingsError
        If there is none.
    """
    folder = Path(name)
    if not folder.is_dir():
        raise SettingsError(f"expected a folder of recordings, found no folder {folder}")
    return folder


def find_some_recordings(name: str) -> list[Path]:
    """Return the audio files below a folder, sorted.

    Raises
    ------
    SettingsError
        If there is no such folder, or no recording below it.
    """
    paths = find_recordings(check_folder(name))
    if not paths:
        raise SettingsError(f"expected recordings below {name}, found none")
    return paths
