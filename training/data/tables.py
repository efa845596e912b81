"""Words as a table lists them: parts of recordings."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from detector.errors import SettingsError
from training.data.folders import find_path
from training.data.items import Item, Kind, choose_split
from training.data.splits import divide_few, identify_speaker
from training.data.texts import compose_text, read_text

COLUMNS = ("file", "start", "end", "word")
WITH_UNITS = {"start_s": "start", "end_s": "end"}
"""Columns as `keyword-trainer align` names them."""


def index_table(file: Path) -> list[Item]:
    """Find the words that a table lists.

    Raises
    ------
    SettingsError
        If it cannot be read, lacks a column, or names a file that is missing; the message has the line.
    """
    try:
        reader = csv.DictReader(io.StringIO(read_text(file), newline=""), skipinitialspace=True)
        reader.fieldnames = [WITH_UNITS.get(name, name) for name in reader.fieldnames or ()]
        missing = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
        if missing:
            raise SettingsError(
                f"expected the columns {', '.join(COLUMNS)}, with commas, in the first line of {file}, "
                f"found no {missing[0]} in '{','.join(reader.fieldnames or ())}'"
            )
        rows = list(reader)
    except (OSError, csv.Error) as exc:
        raise SettingsError(f"expected a table of words in {file}, found: {exc}") from exc
    if not rows:
        raise SettingsError(f"expected rows in {file}, found none")
    paths = [_find_file(file.parent, row["file"] or "") for row in rows]
    absent = [k for k, path in enumerate(paths) if not path.is_file()]
    if absent:
        more = f", and {len(absent) - 1} more of {len(rows)} rows that name none" if len(absent) > 1 else ""
        raise SettingsError(
            f"expected a file that is there in line {absent[0] + 2} of {file}, found '{rows[absent[0]]['file'] or ''}'"
            f"{more}"
        )
    items: list[Item] = []
    for line, (row, path) in enumerate(zip(rows, paths, strict=True), start=2):
        word = compose_text((row["word"] or "").strip())
        speaker, is_known = compose_text((row.get("speaker") or "").strip()), True
        if not speaker:
            speaker, is_known = identify_speaker(compose_text(path.stem), word)
        if not word or word.startswith(".") or "/" in word:
            raise SettingsError(f"expected a word in line {line} of {file}, found '{word}'")
        items.append(
            Item(
                path=str(path),
                kind=Kind.WORD,
                split=choose_split(speaker),
                word=word,
                speaker=speaker,
                is_speaker_known=is_known,
                span_s=_parse_span(row["start"], row["end"], f"line {line} of {file}"),
            )
        )
    return divide_few(items)


def _find_file(folder: Path, name: str) -> Path:
    """Return the file that a row names, also as Windows writes it."""
    path = find_path(folder / name)
    return path if path.exists() or "\\" not in name else find_path(folder / name.replace("\\", "/"))


def _parse_span(start: str | None, end: str | None, place: str) -> tuple[float, float] | None:
    if not start and not end:
        return None
    try:
        span_s = float(start or 0.0), float(end or "inf")
    except ValueError:
        span_s = (0.0, 0.0)
    if not 0.0 <= span_s[0] < span_s[1]:
        raise SettingsError(
            f"expected start and end in seconds, the end later, in {place}, found '{start}' and '{end}'"
        )
    return span_s
