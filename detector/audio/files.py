"""Which files are recordings, by their names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import soundfile

from detector.audio import ffmpeg
from detector.errors import AudioFileError

EXTENSIONS = (
    frozenset(f".{name.lower()}" for name in soundfile.available_formats())
    | {".opus", ".oga", ".aif", ".mp2"}
    | ffmpeg.EXTENSIONS
)
"""Of what libsndfile reads, and ffmpeg where it is installed."""


def find_recordings(folder: Path, *, is_recursive: bool) -> Iterator[Path | AudioFileError]:
    """Yield the recordings in a folder, sorted by name, and an error for each folder that cannot be read.

    Links are followed, each folder is read once, and hidden ones, as hidden files, are left out. So is what has no
    header (`.raw`): nothing says what it holds.

    Parameters
    ----------
    folder : Path
    is_recursive : bool
        Look into the folders in it, too.
    """
    return _walk(folder, is_recursive=is_recursive, visited=set())


def _walk(folder: Path, *, is_recursive: bool, visited: set[Path]) -> Iterator[Path | AudioFileError]:
    visited.add(folder.resolve())
    try:
        entries = sorted(folder.iterdir())
    except OSError as exc:
        yield AudioFileError(f"expected to read the folder {folder}, found: {exc.strerror}")
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        suffix = entry.suffix.lower()
        if entry.is_dir():
            if is_recursive and entry.resolve() not in visited:
                yield from _walk(entry, is_recursive=True, visited=visited)
        elif suffix in EXTENSIONS and suffix != ".raw" and (entry.is_file() or not entry.exists()):
            yield entry  # a link to nothing, too: whoever opens it reports that; not a pipe, which may never deliver
