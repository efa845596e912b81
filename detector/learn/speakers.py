"""Who says which take, as far as folders and names of files tell."""

from __future__ import annotations

import re
from pathlib import Path

_SPEECH_COMMANDS = re.compile(r"(?P<speaker>.+)_nohash_\d+")
"""How Speech Commands names its recordings (Warden 2018)."""


def find_speaker(file: Path, folder: Path | None = None) -> str | None:
    """Return who speaks in a recording; None where neither its name nor where it lies tells.

    A name as in Speech Commands tells it, or else the folder of the recording that lies in `folder` itself, the one
    that was named: FOLDER/anna/1.wav, and FOLDER/anna/monday/1.wav, too, are anna's.
    """
    named = _SPEECH_COMMANDS.fullmatch(file.stem)
    if named is not None:
        return named["speaker"]
    if folder is None:
        return None
    first, *rest = file.relative_to(folder).parts
    return first if rest else None
