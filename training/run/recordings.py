"""The recordings of a run: what it needs, and what cannot be known of a model that is trained on them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from detector.errors import SettingsError
from training.data.collection import Collection
from training.data.decode import find_word
from training.data.few import describe_measured
from training.data.items import Item, Kind, Split
from training.data.layouts import index_folders
from training.data.notes import Notes
from training.data.summary import describe_collection
from training.data.trees import is_noise_folder
from training.run.settings import TrainSettings

MOST_NAMED = 40
"""Words that a message names."""
FEW_CLIPS, FEW_SPEAKERS = 10, 2
"""Fewer of a word on the side that is measured on are warned of: of ten clips that are right, 3 in 10 may be wrong."""


def find_recordings(settings: TrainSettings, notes: Notes | None = None) -> list[Item]:
    """Find all recordings in the folders of a run.

    Raises
    ------
    SettingsError
        If a folder is missing or not of its kind.
    """
    return index_folders(
        data=settings.data,
        noise=settings.noise,
        speech=settings.speech,
        validation_speakers=settings.validation_speakers,
        synthetic=settings.synthetic,
        words=settings.words,
        notes=notes,
    )


def index(settings: TrainSettings, notes: Notes | None = None) -> list[Item]:
    """Find all recordings of a run, and that they are what a training needs.

    Raises
    ------
    SettingsError
        If a folder is missing, a keyword has no clips on one of both sides, or nothing says what is no keyword.
    """
    items = find_recordings(settings, notes)
    for word in settings.words:
        if not any(item.word == word for item in items if item.kind == Kind.WORD):
            raise SettingsError(
                f"expected clips of '{word}' in the training split, found none ({_describe_words(items)}"
                f"{_explain_absence(word, items)})"
            )
    _check_negatives(settings, items)
    for word in settings.words:
        clips = [item for item in items if item.kind == Kind.WORD and item.word == word]
        for split in (Split.TRAINING, Split.VALIDATION):
            if not any(item.split == split for item in clips):
                raise SettingsError(f"expected clips of '{word}' in the {split} split, found none: {_explain(clips)}")
    return items


def _describe_words(items: Sequence[Item]) -> str:
    words = sorted({item.word for item in items if item.word})
    more = f", and {len(words) - MOST_NAMED} more" if len(words) > MOST_NAMED else ""
    return f"words: {', '.join(words[:MOST_NAMED])}{more}"


def _explain_absence(word: str, items: Sequence[Item]) -> str:
    """Return a hint at a folder of the word's name that was taken for something else, if there is one."""
    if is_noise_folder(word):
        return f"; a folder '{word}' is read as noise"
    below = (os.path.relpath(item.path, Path(item.folder).parent) for item in items)
    if any(word in Path(path).parts for path in below):
        return f"; folders in '{word}' were taken for words: name its files {word}/SPEAKER-NUMBER"
    return ""


def _explain(clips: Sequence[Item]) -> str:
    """Return why the clips of a word are not on both sides, and what to do."""
    if len(clips) == 1:
        return "it has one recording alone, which cannot be both trained on and measured on: record more"
    speakers = sorted({item.speaker for item in clips})
    names = f"{', '.join(speakers[:3])}{', ...' if len(speakers) > 3 else ''}"
    parts = ", ".join(f"{count} {split}" for split, count in sorted(Counter(item.split for item in clips).items()))
    return (
        f"its {len(clips)} clips are {parts}, of {_count(len(speakers), 'speaker')} by their names ({names}); the "
        "splits go by lists or folders where there are some, else by speakers: --dry-run shows by which"
    )


def _negatives(settings: TrainSettings, items: Sequence[Item], split: Split | None = None) -> tuple[bool, bool]:
    """Return whether there are other words or running speech in a split or in any, and whether there is noise."""
    no_negatives = (*settings.words, *settings.left_out)
    of_split = [item for item in items if split in (None, item.split)]
    has_speech = any(
        item.kind == Kind.SPEECH or (item.kind == Kind.WORD and item.word not in no_negatives) for item in of_split
    )
    return has_speech, any(item.kind == Kind.NOISE for item in of_split)


def _check_negatives(settings: TrainSettings, items: Sequence[Item]) -> None:
    if not any(_negatives(settings, items)):
        raise SettingsError(
            f"expected something that is not {' or '.join(settings.words)} to train on, found no other word, running "
            "speech or noise: without negatives any sound is a keyword, and false accepts cannot be known; add "
            "--data with other words ('keyword-trainer download' fetches some), --synthetic, --speech or --noise"
        )


def find_cautions(settings: TrainSettings, items: Sequence[Item]) -> list[str]:
    """Return what cannot be known of a model that is trained and measured on some recordings, a line each."""
    cautions = []
    if not _negatives(settings, items, Split.TRAINING)[0]:
        cautions.append("trained without other words or running speech: how often it fires on speech cannot be known")
    elif not _negatives(settings, items, Split.VALIDATION)[0]:
        cautions.append("no other words or running speech to measure on: how often it fires on them is not known")
    if not any(item.kind == Kind.NOISE for item in items):
        cautions.append("no recordings of noise: how often it fires on noise is not known")
    clips = [item for item in items if item.kind == Kind.WORD and item.word in settings.words]
    few = []
    for word in settings.words:
        measured = [item for item in clips if item.word == word and item.split == Split.VALIDATION]
        speakers = {item.speaker for item in measured}
        is_anonymous = "" in speakers  # TensorFlow Datasets keeps no speakers
        if len(measured) < FEW_CLIPS or (len(speakers) < FEW_SPEAKERS and not is_anonymous):
            by = "" if is_anonymous else f" of {_count(len(speakers), 'speaker')}"
            few.append(f"{word} ({_count(len(measured), 'clip')}{by})")
    if few:
        cautions.append(f"few recordings to measure on, so that figures may be far off: {', '.join(few)}")
    unnamed = [item for item in clips if not item.is_speaker_known]
    if unnamed:
        cautions.append(
            f"the names of {len(unnamed)} of {len(clips)} clips of keywords do not say who speaks: one voice may be "
            "both trained on and measured on, and figures then come out too good"
        )
    cautions += [f"{word} is measured on {what}" for word, what in describe_measured(settings.words, items).items()]
    trained = {item.speaker for item in clips if item.split == Split.TRAINING and item.is_speaker_known}
    given = [item for item in clips if item.is_split_given or item.split == Split.TESTING]
    both = {item.speaker for item in given if item.split != Split.TRAINING and item.speaker in trained} - {""}
    if both:
        cautions.append(
            f"{_count(len(both), 'speaker')} of keywords, by the folders or lists of splits, both trained on and "
            "measured on: figures come out too good"
        )
    return cautions


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def open_run(settings: TrainSettings, *, cache: Path, notes: Notes | None = None) -> Collection:
    """Find and decode all recordings of a run.

    Raises
    ------
    SettingsError
        As `index` does, or if all clips of a keyword on one side are damaged, digital silence or too long.
    AudioFileError
        If many cannot be decoded.
    """
    items = index(settings, notes)
    collection = open_recordings(settings, items, cache=cache)
    for split in (Split.TRAINING, Split.VALIDATION):
        audible = collection.words(split, settings.words)
        for word in settings.words:
            if word not in audible:
                paths = [item.path for item in items if item.word == word and item.split == split]
                reasons = [reason for reason, names in collection.left_out.items() if not set(paths).isdisjoint(names)]
                raise SettingsError(
                    f"expected sound in the clips of '{word}' in the {split} split, found "
                    f"{', '.join(reasons) or 'digital silence'} in all {len(paths)}, the first is {paths[0]}"
                )
    return collection


def open_recordings(settings: TrainSettings, items: Sequence[Item], *, cache: Path) -> Collection:
    """Decode recordings, and leave out the keywords in which the word seems longer than a window.

    There nobody knows which part of it is the word: noise before or after it, another word, or all of it.

    Raises
    ------
    AudioFileError
        If many cannot be decoded.
    """
    rate_hz, n_samples = settings.frontend.sample_rate_hz, settings.window_samples
    collection = Collection.open(items, cache=cache, sample_rate_hz=rate_hz, channel=settings.channel)
    long = []
    for positions in collection.words(only=settings.words).values():
        for position in positions:
            samples = collection[position]
            if len(samples) > n_samples:
                first, last = find_word(samples, rate_hz)
                long += [position] if last - first > n_samples else []
    return collection.without(
        long, f"recordings of keywords in which more than {settings.window_s:g} s sound, to be cut to the word"
    )


def describe_run(settings: TrainSettings, collection: Collection, notes: Notes) -> list[str]:
    """Return the table of what a run is trained and measured on, and what cannot be known of its model."""
    rate_hz = settings.frontend.sample_rate_hz
    table = describe_collection(collection, sample_rate_hz=rate_hz, notes=notes, keywords=settings.words)
    return table + [f"caution: {caution}" for caution in find_cautions(settings, collection.items)]
