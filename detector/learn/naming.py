"""Words as they may be called, and the names of their files."""

from __future__ import annotations

import unicodedata
from pathlib import Path

from detector.audio.files import EXTENSIONS
from detector.core.folders import SHIPPED_FOLDERS, SUFFIXES
from detector.errors import SettingsError
from detector.text import is_printable, printable

LONGEST_WORD = 50
"""Characters: what takes longer to write takes longer to say than a word may."""


def check_word(text: str) -> str:
    """Return a word as it is reported: composed (NFC), with single spaces.

    Raises
    ------
    SettingsError
        If it cannot be the name of a word, or of a model.
    """
    word = " ".join(unicodedata.normalize("NFC", text).split())
    name = name_of(word)
    fault = ""
    if not word:
        fault = "nothing"
    elif not is_printable(word):
        fault = f"control characters in '{printable(word)}'"
    elif any(character in word for character in ",/\\"):
        fault = f"a comma or a slash in '{word}'"
    elif word.startswith((".", "-")) or word == "*":
        fault = f"'{word}', which begins as an option or a hidden file does" if word != "*" else "'*'"
    elif len(word) > LONGEST_WORD:
        fault = f"{len(word)} characters, more than {LONGEST_WORD}"
    elif Path(name).suffix.lower() in {*SUFFIXES, *EXTENSIONS}:
        fault = f"the file '{word}'"
    if fault:
        raise SettingsError(f"expected a word, or a few, to learn, found {fault}")
    if any((folder / f"{name}.json").is_file() for folder in SHIPPED_FOLDERS):
        raise SettingsError(
            f"expected a word that is not the name of a shipped model, found '{word}': choose another spelling"
        )
    return word


def name_of(word: str) -> str:
    """Return the name of a word's model: the word, with hyphens for spaces."""
    return word.replace(" ", "-")
