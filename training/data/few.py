"""Keywords that few people speak: whose recordings are trained on, and whose are measured on.

The official rule sets one speaker in ten aside for validation and one in ten for testing, by a hash. Of three people it
may leave one to train on. So where few speak a keyword, none of its recordings is unused: one speaker in ten, at least
one, is measured on, and the others are trained on. What one person alone speaks is divided by recordings.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec

from training.data.items import Item, Kind, Split
from training.data.splits import FEWEST_SPEAKERS

FEW_SPEAKERS = 20
"""Where a keyword has fewer, the rule's shares are a matter of chance."""
MEASURED_SHARE = 5
"""Of one person's recordings one in so many, and at least one, is measured on."""
VOICES = ("espeak-", "flite-", "piper-")
"""How the names of speakers begin that are synthetic voices."""


def is_voice(speaker: str) -> bool:
    """Return whether a speaker is a synthetic voice, as `keyword-trainer synthesize` names them."""
    return speaker.startswith(VOICES)


def use_all(items: Sequence[Item], words: Sequence[str]) -> list[Item]:
    """Divide the recordings of keywords that few people speak; of the others nothing changes.

    Nor of keywords whose folders or lists say who is measured on. Where people speak a keyword, synthetic voices are
    not measured on: figures rest on people.
    """
    found = {word: [item for item in items if item.kind == Kind.WORD and item.word == word] for word in words}
    found = {word: clips for word, clips in found.items() if clips and not any(clip.is_split_given for clip in clips)}
    people = {word: [clip for clip in clips if not is_voice(clip.speaker)] or clips for word, clips in found.items()}
    few = {word: clips for word, clips in people.items() if _are_few(clips)}
    fixed = {item.speaker for item in items if item.is_split_given and item.split != Split.TRAINING}
    aside, trained, alone = _choose(few, fixed)
    measured = _choose_clips([item for item in items if item.kind == Kind.WORD and item.speaker in alone])

    def place(item: Item) -> Split:
        if item.kind != Kind.WORD or item.is_split_given:
            return item.split
        if is_voice(item.speaker) and not all(map(_is_spoken_by_voice, people.get(item.word, [item]))):
            return Split.TRAINING
        if item.speaker in alone:
            return Split.VALIDATION if _name(item) in measured else Split.TRAINING
        if item.speaker in aside:
            return Split.VALIDATION
        return Split.TRAINING if item.speaker in trained else item.split

    return [msgspec.structs.replace(item, split=place(item)) for item in items]


def find_voiced(words: Sequence[str], items: Sequence[Item], split: Split = Split.VALIDATION) -> list[str]:
    """Return the keywords that synthetic voices alone speak in a split: how often people are missed is not known."""
    return [
        word
        for word in words
        if (speakers := {item.speaker for item in items if item.word == word and item.split == split})
        and all(map(is_voice, speakers))
    ]


def describe_measured(words: Sequence[str], items: Sequence[Item], split: Split = Split.VALIDATION) -> dict[str, str]:
    """Return what the figures of keywords rest on, where that is not people whom nothing was fitted to, by word."""
    rests_on = dict.fromkeys(
        find_voiced(words, items, split), "synthetic voices alone: how often people are missed is not known"
    )
    for word in words:
        clips = [item for item in items if item.kind == Kind.WORD and item.word == word and item.is_speaker_known]
        measured = {item.speaker for item in clips if item.split == split} - {""}
        trained = {item.speaker for item in clips if item.split == Split.TRAINING}
        if word not in rests_on and measured and measured <= trained:
            who = "a speaker" if len(measured) == 1 else f"{len(measured)} speakers"
            rests_on[word] = f"other recordings of {who} it was trained on: how often others are missed is not known"
    return rests_on


def _is_spoken_by_voice(item: Item) -> bool:
    return is_voice(item.speaker)


def _are_few(clips: Sequence[Item]) -> bool:
    if not any(clip.is_speaker_known for clip in clips):
        return True  # names that say nothing are no reason to leave any unused
    is_divided = {Split.TRAINING, Split.VALIDATION} <= {clip.split for clip in clips}
    return not is_divided or len({clip.speaker for clip in clips}) < FEW_SPEAKERS


def _choose(few: dict[str, list[Item]], fixed: set[str]) -> tuple[set[str], set[str], set[str]]:
    """Return who is measured on, who is trained on, and who is divided by recordings.

    Of each keyword those are measured on who speak it least, by hash where they are equal; the keyword of fewest
    speakers comes first, whose other speakers are then trained on.
    """
    aside, trained, alone = set[str](), set[str](), set[str]()
    counts = {word: Counter(clip.speaker for clip in clips) for word, clips in few.items()}
    for _, of_word in sorted(counts.items(), key=lambda entry: (len(entry[1]), entry[0])):
        speakers = of_word.keys() - fixed
        free = sorted(speakers - trained - alone - aside, key=lambda name: (of_word[name], _hash(name)))
        if len(of_word) < FEWEST_SPEAKERS:
            alone |= speakers - trained - aside
        elif not of_word.keys() & aside:
            aside.update(free[: max(1, len(of_word) // 10)])
        trained |= speakers - aside - alone
    return aside, trained, alone


def _choose_clips(clips: Sequence[Item]) -> set[str]:
    """Return the names of the recordings that are measured on, of each person's of each word."""
    groups: dict[tuple[str, str], list[str]] = {}
    for clip in clips:
        groups.setdefault((clip.speaker, clip.word), []).append(_name(clip))
    chosen = set[str]()
    for names in groups.values():
        n_measured = max(1, len(names) // MEASURED_SHARE) if len(names) > 1 else 0
        chosen.update(sorted(names, key=_hash)[:n_measured])
    return chosen


def _name(item: Item) -> str:
    """Return what tells a recording from the others, wherever its folder lies."""
    return f"{item.word}/{Path(item.path).name} {item.span_s}"


def _hash(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()
