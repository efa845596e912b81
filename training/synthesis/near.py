"""What sounds nearly like a keyword: words of a dictionary of pronunciations, and spellings made up in any language."""

from __future__ import annotations

import heapq
import logging
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from detector.errors import SettingsError
from detector.learn.alike import count_changes
from detector.learn.neighbours import find_neighbours
from detector.learn.voices import Phonemes

log = logging.getLogger(__name__)

MOST_CHANGED = 3
"""A word of so many phones has one that may differ, one of twice as many two."""
ENTRY = re.compile(r"([a-z]+(?:'[a-z]+)*)(?:\(\d+\))?\s+([A-Z][A-Z0-9 ]*)", re.IGNORECASE)
"""A line of CMUdict: a word, perhaps the number of its pronunciation, phones that bear digits of stress."""


def read_dictionary(file: Path) -> list[tuple[str, Phonemes]]:
    """Return the words of a dictionary in CMUdict's format and their phones, without stress, in its order.

    Raises
    ------
    SettingsError
        If it cannot be read, or is none.
    """
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as exc:
        raise SettingsError(f"expected a dictionary in {file}, found that it cannot be read ({exc.strerror})") from exc
    found = [match for line in lines if (match := ENTRY.fullmatch(line.partition("#")[0].strip()))]
    if not found:
        raise SettingsError(f"expected lines as 'CAT  K AE1 T' in {file}, as CMUdict has them, found none")
    return [(match[1].lower(), tuple(re.sub(r"\d", "", match[2].upper()).split())) for match in found]


def find_near_words(dictionary: Path, keywords: Sequence[str], n: int) -> list[str]:
    """Return at most n words whose phones are nearly those of a keyword, the nearest first.

    At most a third of a keyword's phones are changed, left out or added; a word that holds all of them in a row
    ("computers") is none. A keyword of several words has the phones of all. One that the dictionary lacks has no
    neighbours in it.

    Raises
    ------
    SettingsError
        If the dictionary cannot be read.
    """
    entries = read_dictionary(dictionary)
    first: dict[str, Phonemes] = {}
    for word, phones in entries:
        first.setdefault(word, phones)
    # A character for each phone, so that words are texts.
    symbols = {phone: chr(0x4E00 + k) for k, phone in enumerate(sorted({p for _, phones in entries for p in phones}))}
    texts = [(word, "".join(symbols[phone] for phone in phones)) for word, phones in entries]
    distances: dict[str, int] = {}
    same = set(map(str.lower, keywords))
    for keyword in keywords:
        parts = re.split("[ -]", keyword.lower())
        if lacking := [part for part in parts if part not in first]:
            log.info("%s has no '%s': what sounds nearly like it is made up alone", dictionary.name, lacking[0])
            continue
        target = "".join(symbols[phone] for part in parts for phone in first[part])
        most = max(1, len(target) // MOST_CHANGED)
        for word, text in texts:
            if target in text:
                same.add(word)
            elif abs(len(text) - len(target)) <= most and (distance := count_changes(text, target)) <= most:
                distances[word] = min(distance, distances.get(word, distance))
    return heapq.nsmallest(n, distances.keys() - same, key=lambda word: (distances[word], word))


def make_up_words(keywords: Sequence[str], n: int, accents: Sequence[str], seed: int) -> list[str]:
    """Return at most n spellings for each keyword that sound nearly like it in one accent and like it in none."""
    found = dict[str, None]()
    for keyword in keywords:
        spellings, _ = find_neighbours(keyword, n, accents, np.random.default_rng([seed, n])) if n else ([], 0)
        found |= dict.fromkeys(spellings)
    return [spelling for spelling in found if spelling not in keywords]
