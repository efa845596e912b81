r"""Lists of splits, as Speech Commands has them: `validation_list.txt`, `testing_list.txt`, a clip on each line.

People write them anew on other systems. A line names a clip by its word and its file, whatever stands before
(`./yes/a.wav`, `train\yes\a.wav`, `/data/yes/a.wav`), in any case, encoding and Unicode form.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Sequence
from pathlib import Path

from detector.audio.files import EXTENSIONS
from detector.errors import SettingsError
from training.data.folders import Folder
from training.data.items import SPLIT_NAMES, Split
from training.data.notes import Notes
from training.data.texts import compose_text, read_text

log = logging.getLogger(__name__)

Key = tuple[str, ...]
"""A clip's word, the folders below it, and its name without ending; folded, so that spellings are equal."""


def key_of(path: str) -> Key:
    """Return the parts of a path, folded."""
    parts = [part for part in re.split(r"[\\/]", path.strip().strip("\"'")) if part not in ("", ".")]
    *folders, name = parts or [""]
    stem, dot, ending = name.rpartition(".")
    if f".{ending.lower()}" in EXTENSIONS and dot:
        name = stem
    return tuple(compose_text(part.strip().casefold()) for part in (*folders, name))


def find_lists(folder: Folder) -> dict[Path, Split]:
    """Return the lists in a folder and the split that each is of."""
    found = {}
    for file in folder.others:
        match = re.fullmatch(r"(.+)_list\.txt", file.name.lower())
        if match and match[1] in SPLIT_NAMES:
            found[file] = SPLIT_NAMES[match[1]]
    return found


def read_lists(lists: dict[Path, Split], clips: Collection[Key], root: Path, notes: Notes) -> dict[Key, Split]:
    """Return the splits of the clips that some lists name.

    Raises
    ------
    SettingsError
        If no line names a clip.
    """
    words, splits = {key[0] for key in clips}, dict[Key, Split]()
    n_lines, missing, of_other_words = 0, list[str](), list[str]()
    for file, split in lists.items():
        for line in read_lines(file):
            n_lines += 1
            parts = key_of(line)
            key = next((parts[k:] for k in range(len(parts) - 1) if parts[k:] in clips), None)
            if key is not None:
                splits[key] = split
            else:
                (of_other_words if words.isdisjoint(parts[:-1]) else missing).append(line)
    names = name_lists([*lists])
    if n_lines and not splits:
        raise SettingsError(
            f"expected a clip WORD/FILE below {root} on each line of {names}, found that {n_lines} of {n_lines} lines "
            f"name no clip, the first is '{(missing or of_other_words)[0]}': correct the lists, or remove them"
        )
    if missing:
        log.warning(
            "%d of %d lines of %s in %s name no clip, the first is '%s': clips that no line names are trained on",
            len(missing),
            n_lines,
            names,
            root,
            missing[0],
        )
    notes.leave_out(f"lines of {names} that name clips of words that are not here", *of_other_words)
    return splits


def read_lines(file: Path) -> list[str]:
    """Return the lines of a text that are not empty.

    Raises
    ------
    SettingsError
        If it cannot be read.
    """
    try:
        text = read_text(file)
    except OSError as exc:
        raise SettingsError(f"expected a list of clips, found that {file} cannot be read ({exc.strerror})") from exc
    return [line.strip() for line in text.splitlines() if line.strip()]


def name_lists(lists: Sequence[Path]) -> str:
    """Return the names of lists for people."""
    return " and ".join(file.name for file in lists)
