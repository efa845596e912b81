"""Who is trained on and who is measured on, where no list says so."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

import msgspec

from training.data.items import Item, Kind, Split

FEWEST_SPEAKERS = 2


def divide_few(items: Sequence[Item]) -> list[Item]:
    """Divide the speakers of a small collection, where the rule leaves nobody to train on or nobody to measure on.

    One in ten, at least one, is set aside for validation: those with the lowest hash, so that order plays no part.
    """
    words = [item for item in items if item.kind == Kind.WORD]
    if {Split.TRAINING, Split.VALIDATION} <= {item.split for item in words}:
        return list(items)
    speakers = sorted({item.speaker for item in words}, key=lambda name: hashlib.sha256(name.encode()).digest())
    if len(speakers) < FEWEST_SPEAKERS:
        return list(items)
    set_aside = set(speakers[: max(1, len(speakers) // 10)])
    return [
        msgspec.structs.replace(item, split=Split.VALIDATION if item.speaker in set_aside else Split.TRAINING)
        for item in items
    ]


def keep_apart(items: Sequence[Item]) -> list[Item]:
    """Set a speaker aside everywhere who is set aside in one of several folders."""
    aside: dict[str, Split] = {}
    for split in (Split.TESTING, Split.VALIDATION):  # the later one counts, where a speaker is in both
        aside |= {item.speaker: split for item in items if item.split == split}
    aside.pop("", None)  # nobody knows who it is
    return [msgspec.structs.replace(item, split=aside.get(item.speaker, item.split)) for item in items]


def speaker_of(stem: str) -> str:
    """Return who spoke a clip, by its name: what stands before `_nohash_`, or else before the last number."""
    if "_nohash_" in stem:
        return re.sub(r"_nohash_.*$", "", stem)
    return re.sub(r"[-_ .]*\d+$", "", stem) or stem
