"""The table of what was understood of some folders, for people to look at before anything is trained or measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from training.data.collection import Collection
from training.data.items import Item, Kind, Split, describe_items
from training.data.notes import Notes

MOST_WORDS = 24
"""Words that have a line of their own beside the keywords, if there are not more."""
COLUMNS = (Split.TRAINING, Split.VALIDATION, Split.TESTING, Split.ALL)


def describe_collection(
    collection: Collection, *, sample_rate_hz: int, notes: Notes, keywords: Sequence[str] = ()
) -> list[str]:
    """Return a line for each word and kind (recordings by split, speakers, seconds), and what was left out, and why.

    The number of speakers is marked with a question mark where names do not say who speaks.
    """
    rows: dict[str, list[int]] = {}
    words = {item.word for item in collection.items if item.kind == Kind.WORD}
    others = words - set(keywords)
    together = f"{len(others)} other words" if len(others) > MOST_WORDS else ""
    for position, item in enumerate(collection.items):
        rows.setdefault(_name(item, keywords, together), []).append(position)
    order = [*keywords, *sorted(others), together, *(_KINDS[kind] for kind in (Kind.SPEECH, Kind.NOISE))]
    columns = [split for split in COLUMNS if any(item.split == split for item in collection.items)]
    table = [["", *columns, "speakers", "seconds"]]
    named = [name for name in dict.fromkeys(order) if name in rows]
    table += [[name, *_count(collection, rows[name], columns, sample_rate_hz)] for name in named]
    widths = [max(len(row[k]) for row in table) for k in range(len(table[0]))]
    lines = [
        "  ".join(
            [f"{row[0]:{widths[0]}}", *(f"{cell:>{width}}" for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in table
    ]
    for reason, names in collection.left_out.items():
        notes.leave_out(reason, *names)
    inaudible = collection.find_inaudible()
    notes.leave_out("recordings of digital silence", *(item.path for item in inaudible))
    return [*lines, *describe_items(collection.items), *notes.lines()]


_KINDS: Mapping[Kind, str] = {Kind.SPEECH: "(running speech)", Kind.NOISE: "(noise)"}


def _name(item: Item, keywords: Sequence[str], together: str) -> str:
    if item.kind != Kind.WORD:
        return _KINDS[item.kind]
    return item.word if item.word in keywords or not together else together


def _count(
    collection: Collection, positions: Sequence[int], columns: Sequence[Split], sample_rate_hz: int
) -> list[str]:
    """Return the cells of a row."""
    items = [collection.items[position] for position in positions]
    counts = [sum(item.split == split for item in items) for split in columns]
    n_speakers = len({item.speaker for item in items if item.kind != Kind.NOISE} - {""})
    mark = "" if all(item.is_speaker_known for item in items) else "?"
    seconds = sum(len(collection[position]) for position in positions) / sample_rate_hz
    return [*map(str, counts), f"{n_speakers or ''}{mark}", f"{seconds:.0f}"]
