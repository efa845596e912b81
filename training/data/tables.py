"""Words as a table lists them: parts of recordings."""

from __future__ import annotations

import csv
from pathlib import Path

from detector.errors import SettingsError
from training.data.folders import compose_text, find_path
from training.data.items import Item, Kind, choose_split
from training.data.splits import divide_few, identify_speaker

COLUMNS = ("file", "start", "end", "word")


def index_table(file: Path) -> list[Item]:
    """Find the words that a table lists.

    Raises
    ------
    SettingsError
        If it cannot be read, lacks a column, or names a file that is missing; the message has the line.
    """
    try:
        with open(file, newline="", encoding="utf-8-sig") as opened:
            reader = csv.DictReader(opened, skipinitialspace=True)
            missing = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
            if missing:
                raise SettingsError(
                    f"expected the columns {', '.join(COLUMNS)}, with commas, in the first line of {file}, "
                    f"found no {missing[0]} in '{','.join(reader.fieldnames or ())}'"
                )
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as exc:
        raise SettingsError(f"expected a table of words in {file}, found: {exc}") from exc
    if not rows:
        raise SettingsError(f"expected rows in {file}, found none")
    items: list[Item] = []
    for line, row in enumerate(rows, start=2):
        path = find_path(file.parent / (row["file"] or ""))
        word = compose_text((row["word"] or "").strip())
        by_name = identify_speaker(compose_text(path.stem), word)
        speaker, is_known = (
            ((row.get("speaker") or "").strip(), True) if (row.get("speaker") or "").strip() else by_name
        )
        if not path.is_file():
            raise SettingsError(f"expected a file that is there in line {line} of {file}, found '{row['file'] or ''}'")
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
