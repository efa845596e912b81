"""Who is trained on and who is measured on, where no list says so."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

import msgspec

from training.data.items import Item, Kind, Split

FEWEST_SPEAKERS = 2
RECORDERS = frozenset(
    (
        *("audio", "clip", "file", "memo", "mic", "msg", "new", "rec", "record", "recording", "recordings", "sample"),
        *("sound", "take", "track", "untitled", "voice", "wav", "whatsapp", "word", "aufnahme", "enregistrement"),
    )
)
"""What recorders and people write into the names of files, beside numbers."""
NOBODY = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4,}"  # a UUID
    r"|(?<![a-z\d])[0-9a-f]{16,}"  # many hexadecimal digits
    r"|^common_voice_|^(ptt|aud)-\d{8}"  # Common Voice, WhatsApp
    r"|^\d{4}-?\d\d-?\d\d[t _]\d[\d.:-]*z?$",  # a date and a time
    re.IGNORECASE,
)
"""Names that machines give."""


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


def set_aside(items: Sequence[Item]) -> list[Item]:
    """Set speakers of the training aside for validation, where folders or lists name none: one in ten of each word.

    At least one of each word that several people speak, by the lowest hash; few words first, whose other speakers then
    stay.
    """
    if any(item.split == Split.VALIDATION for item in items):
        return list(items)
    speakers: dict[str, set[str]] = {}
    for item in items:
        if item.split == Split.TRAINING:
            speakers.setdefault(item.word, set()).add(item.speaker)
    aside, kept = set[str](), set[str]()
    for of_word in sorted(speakers.values(), key=lambda names: (len(names), sorted(names))):
        free = sorted(of_word - kept - aside, key=lambda name: hashlib.sha256(name.encode()).digest())
        if not of_word & aside and len(of_word) >= FEWEST_SPEAKERS:
            aside.update(free[: max(1, len(of_word) // 10)])
        kept |= of_word - aside
    return [
        msgspec.structs.replace(item, split=Split.VALIDATION)
        if item.split == Split.TRAINING and item.speaker in aside
        else item
        for item in items
    ]


def keep_apart(items: Sequence[Item]) -> list[Item]:
    """Set a speaker aside in every folder who is set aside in another; within a folder its own lists count.

    Validation counts, where a speaker is tested in one and validated in another. Of clips whose names say nothing of
    who speaks nobody can be kept apart.
    """
    aside: dict[str, dict[str, set[Split]]] = {}
    for item in items:
        if item.speaker and item.is_speaker_known and item.split in (Split.TESTING, Split.VALIDATION):
            aside.setdefault(item.speaker, {}).setdefault(item.folder, set()).add(item.split)

    def place(item: Item) -> Split:
        of_speaker = aside.get(item.speaker, {}) if item.is_speaker_known else {}
        if of_speaker.keys() <= {item.folder}:
            return item.split
        return Split.VALIDATION if Split.VALIDATION in set[Split]().union(*of_speaker.values()) else Split.TESTING

    return [msgspec.structs.replace(item, split=place(item)) for item in items]


def speaker_of(stem: str) -> str:
    """Return who spoke a clip, by its name: what stands before `_nohash_`, or else before the last number."""
    if "_nohash_" in stem:
        return re.sub(r"_nohash_.*$", "", stem)
    return re.sub(r"[-_ .]*\d+$", "", stem) or stem


def identify_speaker(stem: str, word: str) -> tuple[str, bool]:
    """Return who spoke a clip of a word, by its name, and whether that is known.

    Numbers, dates, random identifiers, the word itself and what recorders write (`Recording 3`) are nobody's name. Such
    a clip stands alone where nothing but words is left of it.
    """
    speaker = speaker_of(stem)
    if "_nohash_" in stem:
        return speaker, True
    parts = re.findall(r"[^\W\d_]+", stem.casefold())
    of_word = re.findall(r"[^\W\d_]+", word.casefold())
    is_named = any(part not in RECORDERS and part not in of_word for part in parts) and "".join(parts) != "".join(
        of_word
    )
    if is_named and not NOBODY.search(stem):
        return speaker, True
    return (speaker if re.search(r"\d", speaker) else stem), False
