"""The spelling of a word: whether voices can say it, and of which language it is."""

from __future__ import annotations

import unicodedata

from detector.errors import SettingsError
from detector.learn.voices import ENGLISH, find_accents, pronounce

LATIN = "LATIN"
LANGUAGES_OF = {
    "ARABIC": ("ar", "fa", "ur", "ug", "sd", "ku"),
    "ARMENIAN": ("hy", "hyw"),
    "BENGALI": ("bn", "as", "bpy"),
    "CHEROKEE": ("chr",),
    "CJK": ("cmn", "zh", "yue", "hak", "ja"),
    "CYRILLIC": ("ru", "uk", "be", "bg", "mk", "sr", "kk", "ky", "tt", "ba", "cv", "nog"),
    "DEVANAGARI": ("hi", "mr", "ne", "kok"),
    "ETHIOPIC": ("am", "ti"),
    "GEORGIAN": ("ka",),
    "GREEK": ("el", "grc"),
    "GUJARATI": ("gu",),
    "GURMUKHI": ("pa",),
    "HANGUL": ("ko",),
    "HEBREW": ("he",),
    "HIRAGANA": ("ja",),
    "KANNADA": ("kn",),
    "KATAKANA": ("ja",),
    "MALAYALAM": ("ml",),
    "MYANMAR": ("my", "shn"),
    "ORIYA": ("or",),
    "SINHALA": ("si",),
    "TAMIL": ("ta",),
    "TELUGU": ("te",),
    "THAI": ("th",),
}
"""Languages that are written in the letters of a script, the one that is guessed first. In Latin letters all may be."""
BETWEEN_LETTERS = " '\u2019-"
OTHER_VOICE = "(en)"
"""Stands in espeak-ng's phonemes where English takes over, as it does to name letters that a language does not have."""


def guess_language(word: str, locale: str = "") -> str:
    """Return the language that a word is probably of, by its letters and the locale of who wrote it.

    Parameters
    ----------
    word : str
    locale : str
        As LC_ALL, LC_MESSAGES or LANG have it: "de_DE.UTF-8". In letters that its language is not written in, or
        without one ("", "C"), the letters decide; Latin ones are then English.
    """
    region = locale.partition(".")[0].partition("@")[0].replace("_", "-").lower()
    language = region.partition("-")[0]
    script = find_script(word)
    if script in LANGUAGES_OF:
        return region if language in LANGUAGES_OF[script] else LANGUAGES_OF[script][0]
    is_latin = language not in {"", "c", "posix"} and not any(language in some for some in LANGUAGES_OF.values())
    return region if is_latin and language != ENGLISH else ENGLISH


def find_script(word: str) -> str:
    """Return the script of a word's first letter that is not Latin, as Unicode names it; of others, "LATIN"."""
    for character in word:
        if character.isalpha():
            script = unicodedata.name(character, LATIN).partition(" ")[0]
            if script != LATIN:
                return script
    return LATIN


def check_spelling(word: str, language: str) -> None:
    """Refuse a word that the voices of a language cannot say.

    Raises
    ------
    SettingsError
        If it is not of letters, or of letters that the language is not written in; if espeak-ng is not there, does not
        speak the language or cannot read the word.
    """
    if not any(character.isalpha() for character in word) or not all(
        unicodedata.category(character)[0] in "LMN" or character in BETWEEN_LETTERS for character in word
    ):
        raise SettingsError(f"expected a word of letters to speak, such as computer or hey computer, found '{word}'")
    accent = find_accents(language)[0]
    script = find_script(word)
    base = language.lower().replace("_", "-").partition("-")[0]
    if script in LANGUAGES_OF and base not in LANGUAGES_OF[script]:
        raise SettingsError(
            f"expected '{word}' in letters of the language {language}, found {script.title()} ones: name the language "
            f"with --language {LANGUAGES_OF[script][0]}"
        )
    (phonemes,) = pronounce([word], accent) or [()]
    if script != LATIN and any(phoneme.startswith(OTHER_VOICE) for phoneme in phonemes):
        raise SettingsError(
            f"expected a word that espeak-ng can read in the language {language}, found '{word}', whose letters it "
            "names one by one: name another language with --language, write it as it sounds (in kana, in Latin "
            "letters), or record it"
        )
