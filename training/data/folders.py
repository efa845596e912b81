"""What lies below a folder: its recordings, and what else there is."""

from __future__ import annotations

import functools
import os
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from detector.audio.files import EXTENSIONS
from detector.errors import SettingsError
from training.data.notes import Notes
from training.data.texts import compose_text

HEADERLESS = ".raw"
LEFT_BY_MACOS = "__MACOSX"
DEEPEST = 64
"""Folders within folders."""


@dataclass(frozen=True)
class Folder:
    """A folder as it was read: recordings, other files and folders in it, each sorted by name."""

    path: Path
    recordings: list[Path] = field(default_factory=list)
    others: list[Path] = field(default_factory=list)
    folders: list[Folder] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Its own name, composed: as people write it."""
        return compose_text(self.path.name)

    @functools.cached_property
    def all_recordings(self) -> list[Path]:
        """Every recording below it, sorted."""
        return sorted(path for folder in self.walk() for path in folder.recordings)

    @property
    def all_others(self) -> list[Path]:
        """Every other file below it, sorted."""
        return sorted(path for folder in self.walk() for path in folder.others)

    def walk(self) -> Iterator[Folder]:
        """Yield it and every folder below it."""
        yield self
        for folder in self.folders:
            yield from folder.walk()


def read_folder(name: str, notes: Notes | None = None) -> Folder:
    """Read what lies below a folder; links are followed, and hidden files left out.

    Raises
    ------
    SettingsError
        If there is no such folder, or one below it cannot be read.
    """
    return _read(find_path(check_folder(name)), notes or Notes(), ())


def _read(path: Path, notes: Notes, above: tuple[tuple[int, int], ...]) -> Folder:
    folder = Folder(path)
    try:
        status = path.stat()
        with os.scandir(path) as listed:
            entries = sorted(listed, key=lambda entry: entry.name)
    except OSError as exc:
        raise SettingsError(f"expected a folder that can be read, found {path} ({exc.strerror})") from exc
    if len(above) > DEEPEST:
        raise SettingsError(f"expected folders at most {DEEPEST} deep, found {path}")
    here = (status.st_dev, status.st_ino)
    if here in above:  # a link to a folder that it lies in
        notes.leave_out("links to a folder that they lie in", path)
        return folder
    for entry in entries:
        if entry.name.startswith(".") or entry.name == LEFT_BY_MACOS:
            continue
        file = Path(entry.path)
        known = file if entry.is_symlink() else entry  # an entry's kind costs nothing, and a link in a circle no error
        if known.is_dir():
            folder.folders.append(_read(file, notes, (*above, here)))
        elif not known.is_file():
            notes.leave_out("links to nothing, pipes and the like", file)
        elif file.suffix.lower() == HEADERLESS:
            notes.leave_out("files without a header, whose rate nothing says", file)
        else:
            (folder.recordings if file.suffix.lower() in EXTENSIONS else folder.others).append(file)
    return folder


def find_recordings(folder: Path) -> list[Path]:
    """Return the audio files below a folder, sorted."""
    return read_folder(str(folder)).all_recordings


def find_path(path: Path) -> Path:
    """Return a path, or the one of the same name in another Unicode form where only that is there."""
    if path.exists():
        return path
    forms = (Path(unicodedata.normalize(form, str(path))) for form in ("NFC", "NFD"))
    return next((other for other in forms if other.exists()), path)


def check_folder(name: str) -> Path:
    """Return the folder of a name.

    Raises
    ------
    SettingsError
        If there is none.
    """
    folder = find_path(Path(name))
    if not folder.is_dir():
        raise SettingsError(f"expected a folder of recordings, found no folder {folder}")
    return folder


def read_some_recordings(name: str, notes: Notes | None = None) -> Folder:
    """Read a folder that has to hold recordings.

    Raises
    ------
    SettingsError
        If there is no such folder, or no recording below it.
    """
    folder = read_folder(name, notes)
    if not folder.all_recordings:
        raise SettingsError(f"expected recordings below {name}, found none")
    return folder
