"""What sounds nearly like a word and is none: its negatives that no recording of speech has enough of.

No list of words is needed: the word's own spelling is changed by a letter or two, or cut, and what espeak-ng makes of
that is compared with what it makes of the word. So they can be spoken by every voice, in any language.

They have their price. Heads on Google's speech embedding, fitted to 60 takes of voices, missed 12 to 35 points more of
120 recordings of people's "happy" and of "zero", at the same false accepts of other words, when they were fitted to 60
neighbours as much as to other negatives; at a third of that weight 4 to 15 points, at a tenth 2. So weigh them lightly.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detector.learn.alike import count_changes, simplify
from detector.learn.choir import find_choir, plan
from detector.learn.say import put_in_room
from detector.learn.speech import RATE_HZ
from detector.learn.spelling import LATIN, check_spelling, find_script
from detector.learn.voices import find_accents, pronounce
from detector.samples import to_float, to_int16

N_NEIGHBOURS = 60
TRIED = 8
"""Times as many spellings as neighbours are looked at."""
PARTS_SHARE = 0.25
"""Of the neighbours are parts of the word, at most."""
PART = (0.25, 0.8)
"""Of its sounds that a part of a word has."""
LATIN_LETTERS = "abcdefghijklmnopqrstuvwxyz"
VOWELS = frozenset("aeiouyаеёиоуыэюяіїєαεηιουω")  # noqa: RUF001
"""Of the scripts that have both: a vowel becomes another, a consonant another consonant, so that it can be said."""
IN_STREAM = 8
"""Neighbours that one stream holds, with pauses between them."""
PAUSE_S = (0.3, 0.8)
LEVEL_DBFS, PEAK = (-36.0, -16.0), 0.9


def say_neighbours(
    word: str,
    *,
    n: int = N_NEIGHBOURS,
    language: str = "en",
    voices_folder: Path | None = None,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> list[NDArray[np.int16]]:
    """Return streams of what sounds nearly like a word, said by the voices that say the word itself.

    In the same voices: otherwise it could be learnt that a synthetic voice says the word, whatever it says.

    Parameters
    ----------
    word, language, voices_folder, seed, progress
        As of `say_takes`.
    n : int
        Non-words in all. Each is said by another voice; where there are fewer, they are said again.

    Returns
    -------
    list of ndarray of int16, shape (n_samples,)
        At 16 kHz: in none of them is the word. Empty where no neighbour was found.

    Raises
    ------
    SettingsError, DetectorError
        As `say_takes` does.
    """
    say = progress or (lambda _text: None)
    check_spelling(word, language)
    choir = find_choir(language, voices_folder)
    rng = np.random.default_rng([seed, n])
    texts, n_alike = find_neighbours(word, n, find_accents(language), rng)
    if not texts:
        say(f"found nothing that sounds nearly like '{word}': learning without")
        return []
    say(f"having what sounds nearly like '{word}' said by voices")
    said = [sound for utterance in islice(plan(choir, texts, n, seed), n) if len(sound := utterance.speak())]
    say(
        f"{len(said)} times something said that is nearly '{word}' and must not be detected ({', '.join(texts[:6])}): "
        f"{len(texts)} parts of it and changes of a sound or two; {n_alike} more sounded too much like it"
    )
    return [_join(said[k : k + IN_STREAM], rng) for k in range(0, len(said), IN_STREAM)]


def find_neighbours(word: str, n: int, accents: Sequence[str], rng: np.random.Generator) -> tuple[list[str], int]:
    """Return at most n spellings that sound nearly like a word, and how many were left out that sound just like it.

    In none of the accents may one be the word, or have it as a part. No two sound alike.
    """
    folded = word.casefold()
    parts = _spell_parts(folded)
    changes = _spell_changes(folded, rng)
    spellings = list(dict.fromkeys((*parts, *(next(changes) for _ in range(TRIED * n)))))
    spellings = [spelling for spelling in spellings if spelling != folded and spelling[:1].isalpha()]
    target, *sounds = _sound([folded, *spellings], accents[0])
    most_changes = max(1, len(target) // 3)
    near_parts: dict[str, str] = {}
    near: dict[str, str] = {}
    n_alike = sum(target in sound for sound in sounds)
    for spelling, sound in zip(spellings, sounds, strict=True):
        if spelling in parts and PART[0] <= len(sound) / len(target) <= PART[1]:
            near_parts.setdefault(sound, spelling)
        elif sound and sound not in near_parts and target not in sound and count_changes(sound, target) <= most_changes:
            near.setdefault(sound, spelling)
    chosen = [*list(near_parts.values())[: round(PARTS_SHARE * n)], *near.values()]
    for accent in accents[1:]:
        target, *sounds = _sound([folded, *chosen], accent)
        n_alike += sum(target in sound for sound in sounds)
        chosen = [spelling for spelling, sound in zip(chosen, sounds, strict=True) if target not in sound]
    chosen = chosen[:n]
    return [chosen[k] for k in rng.permutation(len(chosen))], n_alike


def _sound(spellings: Sequence[str], accent: str) -> list[str]:
    return [simplify(phonemes) for phonemes in pronounce(spellings, accent)]


def _spell_parts(word: str) -> list[str]:
    """Return beginnings and ends of a word, the words of a phrase, and the phrase the other way round."""
    words = word.split()
    spellings = [*words, " ".join(reversed(words))] if len(words) > 1 else []
    for length in range(2, len(word)):
        spellings += [word[:length].strip(), word[-length:].strip()]
    return spellings


def _spell_changes(word: str, rng: np.random.Generator) -> Iterator[str]:
    """Yield, without end, a word with a letter or two replaced, left out, added or exchanged."""
    letters = _letters_like(word)
    kinds = [[letter for letter in letters if _is_vowel(letter) is is_vowel] for is_vowel in (False, True)]
    while True:
        spelling = list(word)
        for _ in range(rng.integers(1, 3)):
            places = [k for k, letter in enumerate(spelling) if letter.isalpha()]
            if not places:
                break
            at = places[rng.integers(len(places))]
            same = kinds[_is_vowel(spelling[at])] or letters
            other = same[rng.integers(len(same))]
            match rng.integers(6):
                case 0:
                    del spelling[at]
                case 1:
                    spelling.insert(at, letters[rng.integers(len(letters))])
                case 2 if at + 1 < len(spelling):
                    spelling[at], spelling[at + 1] = spelling[at + 1], spelling[at]
                case _:
                    spelling[at] = other
        yield " ".join("".join(spelling).split())


def _letters_like(word: str) -> list[str]:
    """Return the letters that may stand for another in a word: those of its script."""
    script = find_script(word)
    if script == LATIN:
        return list(LATIN_LETTERS)
    own = [letter for letter in word if letter.isalpha() and find_script(letter) == script]
    # A script's letters lie in blocks of 128; few of them are of another language, and voices name those.
    block = {chr(code) for letter in own for code in range(ord(letter) & ~127, (ord(letter) | 127) + 1)}
    kinds = {unicodedata.category(letter) for letter in own}
    return sorted(letter for letter in block if unicodedata.category(letter) in kinds and find_script(letter) == script)


def _is_vowel(letter: str) -> bool:
    return unicodedata.normalize("NFD", letter)[0] in VOWELS


def _join(said: Sequence[NDArray[np.int16]], rng: np.random.Generator) -> NDArray[np.int16]:
    """Return sounds one after the other, each at a level of its own, with pauses between them."""
    pieces = []
    for sound in said:
        heard = to_float(sound)
        rms, peak = float(np.sqrt(np.mean(heard[heard != 0.0] ** 2))), float(np.abs(heard).max())
        factor = min(10.0 ** (rng.uniform(*LEVEL_DBFS) / 20.0) / rms, PEAK / peak)
        pieces += [heard * np.float32(factor), np.zeros(round(rng.uniform(*PAUSE_S) * RATE_HZ), dtype=np.float32)]
    return put_in_room(to_int16(np.concatenate(pieces)))
