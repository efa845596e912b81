"""How nearly two words sound alike, by espeak-ng's phonemes."""

from __future__ import annotations

import re
import unicodedata

from detector.learn.voices import Phonemes

TAKEN_FOR_ANOTHER = "tdɾʔʈɖ pbɓ kgɡɣ szʂʐ fvβʋ θð ʃʒɕʑç mnŋɲɳ lɫʎɭ rɹʁʀɻ hxχħɦ aæɑɒɔ eɛ iy oøœɵ uʉɯ"  # noqa: RUF001
"""Sounds that an accent, a faint voice or a fast one makes of each other: "writer" and "rider", "input" and "imput"."""
REDUCED = "əɐɪᵻʌɨɜɚɝʊ"
"""Vowels that are left out by who speaks fast."""
ALIKE = {sound: sounds[0] for sounds in TAKEN_FOR_ANOTHER.split() for sound in sounds} | dict.fromkeys(REDUCED, "")
AFFRICATES = re.compile("tʃ|dʒ|tɕ|dʑ|ts|dz")
SILENT_R = re.compile(f"[rɹʁʀɻ](?![aeiouyæɑɒɔɛøœɵʉɯ{REDUCED}])")  # noqa: RUF001
"""Is not spoken in half of all English, nor of German."""
NO_SOUND = re.compile(r"\([a-z-]+\)|[^\w]|[\d_]")
"""Names of voices that take over, accents, tones."""


def simplify(phonemes: Phonemes) -> str:
    """Return phonemes of IPA as a text of which each character is a sound.

    Those that are easily taken for each other are the same, and reduced vowels none: words of equal texts may be the
    same word.
    """
    text = NO_SOUND.sub("", "".join(unicodedata.normalize("NFD", phoneme) for phoneme in phonemes))
    text = "".join(sound for sound in text if unicodedata.category(sound) != "Lm")
    text = "".join(ALIKE.get(sound, sound) for sound in AFFRICATES.sub("C", SILENT_R.sub("", text)))
    return re.sub(r"(.)\1+", r"\1", text)


def count_changes(one: str, other: str) -> int:
    """Return how many characters are inserted, deleted or replaced between two texts (Levenshtein's distance)."""
    row = list(range(len(other) + 1))
    for k, character in enumerate(one):
        before, row[0] = row[0], k + 1
        for j, another in enumerate(other):
            before, row[j + 1] = row[j + 1], min(row[j + 1] + 1, row[j] + 1, before + (character != another))
    return row[-1]
