"""Which words to speak beside the keywords: read from texts, minus what sounds like a keyword; and what nearly does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from detector.errors import SettingsError
from detector.learn.voices import Phonemes, pronounce
from training.data.speech import find_words, read_transcripts


class Vocabulary(msgspec.Struct, frozen=True):
    """The words of some texts, told apart by how they sound beside the keywords."""

    words: list[str]
    """Most frequent first, without keywords and their homophones."""
    homophones: dict[str, str]
    """Words that some accent speaks as a keyword, and that keyword."""
    neighbours: dict[str, str]
    """Words that are almost a keyword, or begin or end with one, and that keyword."""


def read_vocabulary(names: Sequence[str], skip_speakers: Sequence[str] = ()) -> list[str]:
    """Return the different words of some texts in lower case, most frequent first, then as they come.

    Parameters
    ----------
    names : sequence of str
        Text files and lists of words; folders in LibriSpeech's or LJ Speech's layout.
    skip_speakers : sequence of str
        Speakers whose transcripts are not read.

    Raises
    ------
    SettingsError
        If something cannot be read, a folder has no transcripts, or a speaker to skip is not there.
    """
    counts: Counter[str] = Counter()
    speakers: set[str] = set()
    for name in names:
        path = Path(name)
        files = [path]
        if path.is_dir():
            files = sorted([*path.rglob("*.trans.txt"), *path.glob("metadata.csv")])
            if not files:
                raise SettingsError(f"expected *.trans.txt or metadata.csv in {path}, found none: name a text file")
        for file in files:
            try:
                for speaker, text in _read_text(file):
                    speakers.add(speaker)
                    if speaker not in skip_speakers:
                        counts.update(word.lower().replace("\u2019", "'") for word in find_words(text))
            except (OSError, UnicodeDecodeError) as exc:
                raise SettingsError(f"expected a text in {file}, found that it cannot be read ({exc})") from exc
    for speaker in skip_speakers:
        if speaker not in speakers:
            raise SettingsError(f"expected speakers of the vocabulary to skip, found no transcript of '{speaker}'")
    return [word for word, _ in counts.most_common()]


def _read_text(file: Path) -> list[tuple[str, str]]:
    """Return speakers ("" for none) and what they say."""
    if file.name == "metadata.csv":
        return [(file.resolve().parent.name, text) for text in read_transcripts(file).values()]
    if file.name.endswith(".trans.txt"):
        return [(name.split("-")[0], text) for name, text in read_transcripts(file).items()]
    return [("", file.read_text(encoding="utf-8"))]


def sort_vocabulary(words: Sequence[str], keywords: Sequence[str], languages: Sequence[str]) -> Vocabulary:
    """Divide words into homophones of the keywords, their neighbours and the rest.

    A word is a homophone if its phonemes are a keyword's in one of the languages; it is a neighbour if one phoneme
    makes the difference, or if it begins or ends with the phonemes of a keyword.
    """
    others = [word for word in words if word not in {keyword.lower() for keyword in keywords}]
    homophones: dict[str, str] = {}
    neighbours: dict[str, str] = {}
    for language in languages:
        targets = dict(zip(keywords, pronounce(keywords, language), strict=True))
        for word, phonemes in zip(others, pronounce(others, language), strict=True):
            if (keyword := _find_equal(phonemes, targets)) is not None:
                homophones.setdefault(word, keyword)
            elif (keyword := _find_near(phonemes, targets)) is not None:
                neighbours.setdefault(word, keyword)
    return Vocabulary(
        words=[word for word in others if word not in homophones],
        homophones={word: homophones[word] for word in others if word in homophones},
        neighbours={word: neighbours[word] for word in others if word in neighbours and word not in homophones},
    )


def _find_equal(phonemes: Phonemes, targets: Mapping[str, Phonemes]) -> str | None:
    return next((word for word, target in targets.items() if phonemes == target), None)


def _find_near(phonemes: Phonemes, targets: Mapping[str, Phonemes]) -> str | None:
    for word, target in targets.items():
        n = len(target)
        if phonemes[:n] == target or phonemes[-n:] == target or differs_by_one(phonemes, target):
            return word
    return None


def differs_by_one(one: Sequence[str], other: Sequence[str]) -> bool:
    """Return whether at most one insertion, deletion or replacement makes one sequence the other."""
    shorter = min(len(one), len(other))
    n_first = next((k for k in range(shorter) if one[k] != other[k]), shorter)
    rest = shorter - n_first
    n_last = next((k for k in range(rest) if one[-1 - k] != other[-1 - k]), rest)
    return max(len(one), len(other)) - n_first - n_last <= 1
