"""Files that are written whole or not at all: a full disk or a kill leaves what was there before."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def write_whole(contents: Mapping[Path, bytes]) -> None:
    """Write files that belong together: first all of them under other names, then each under its own.

    Raises
    ------
    OSError
        If one cannot be written; then none is.
    """
    partial = {file: file.with_name(f"partial-{file.name}") for file in contents}
    try:
        for file, content in contents.items():
            partial[file].write_bytes(content)
    except OSError:
        for written in partial.values():
            written.unlink(missing_ok=True)
        raise
    for file, written in partial.items():
        written.replace(file)
