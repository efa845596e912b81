"""`keyword-detector learn`: a word of one's own, from recordings or the microphone."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from detector.audio.files import find_recordings
from detector.audio.recordings import Recording
from detector.cli.arguments import print_json, print_lines
from detector.cli.asking import ask, ask_again
from detector.cli.learnt import forget, list_learnt, undo
from detector.cli.lessons import (
    choose_folder,
    describe,
    describe_use,
    teach,
)
from detector.cli.reloading import describe_reload
from detector.cli.sources import check_source
from detector.core import folders
from detector.errors import EXIT_OK, AudioFileError, DetectorError, SettingsError
from detector.learn.choir import find_choir
from detector.learn.dialogue import N_TAKES
from detector.learn.learn import FEWEST_TAKES
from detector.learn.material import Material, Sound
from detector.learn.naming import check_word
from detector.learn.resources import Resources, open_resources
from detector.learn.say import say_takes
from detector.learn.speakers import find_speaker
from detector.learn.speech import RATE_HZ
from detector.learn.spelling import check_spelling, guess_language
from detector.learn.store import locked
from detector.learn.takes import Take, read_takes
from detector.learn.words import KeptWord, list_words
from detector.settings import Settings

log = logging.getLogger(__name__)

MOST_TAKES, MOST_ROOM_S = 50, 600.0
LOCALES = ("LC_ALL", "LC_MESSAGES", "LANG")
VOICES = "voices"
BACKGROUNDS = ("_background_noise_", "background", "noise", "silence")
"""Folders of a tree that hold no word."""


@dataclass(frozen=True)
class LearnOptions:
    """What the command line asks for."""

    word: str | None
    recordings: Sequence[Path]
    tree: Path | None
    folder: Path | None
    speaker: str | None
    only_me: bool | None
    background: Sequence[Path]
    takes: int | None
    room_s: float | None
    say: bool
    language: str | None
    voices: Path | None
    add: bool
    forget: bool
    undo: bool
    rate: float | None


def learn(settings: Settings, options: LearnOptions) -> int:
    """Do what is asked for, and print it.

    Raises
    ------
    DetectorError
        If a word cannot be learnt, forgotten or undone.
    """
    _check(options)
    _check_ranges(options)
    if options.word is None and options.tree is None:
        return list_learnt(settings, options.folder)
    folder = choose_folder(options.folder)
    if options.forget or options.undo:
        assert options.word is not None
        return (forget if options.forget else undo)(settings, folder, options.word)
    if options.tree is None:
        assert options.word is not None
        kept = _find_place(folder, options.word, options)
        files = _find_takes(options.recordings)
        resources = open_resources()
        room = _read_rooms(options.background)
        return _learn(settings, kept, files, room, resources, options)
    return _learn_tree(settings, folder, options.tree, options)


def _check(options: LearnOptions) -> None:
    """Refuse options that contradict each other."""
    if options.tree is not None and (options.word is not None or options.forget or options.undo):
        raise SettingsError("expected --from alone, whose folders are the words, found a word, --forget or --undo too")
    if options.word is None and options.tree is None:
        given = [
            f"--{name.replace('_', '-')}" for name in ("add", "forget", "undo", "only_me") if getattr(options, name)
        ]
        if given:
            raise SettingsError(f"expected the word that {given[0]} is meant for, found none")
    if options.forget and (options.add or options.undo or options.recordings or options.only_me is not None):
        raise SettingsError("expected --forget and a word alone, found more")
    if options.undo and (options.add or options.recordings or options.only_me is not None):
        raise SettingsError("expected --undo and a word alone, found more")
    if not (options.say or (options.only_me and not options.voices)) and (options.language or options.voices):
        raise SettingsError("expected --language and --voices with --say, found them alone")
    is_microphone = not (options.recordings or options.tree or options.say)
    if not is_microphone and (options.takes is not None or options.room_s is not None):
        raise SettingsError("expected --takes and --room-s for takes at the microphone, found others")


def _check_ranges(options: LearnOptions) -> None:
    """Refuse numbers that are out of range."""
    if options.rate is not None and not 0.0 < options.rate <= 1000.0:
        raise SettingsError(f"expected false accepts an hour above 0, found {options.rate:g}")
    least = 1 if options.add else FEWEST_TAKES
    if options.takes is not None and not least <= options.takes <= MOST_TAKES:
        raise SettingsError(f"expected {least} to {MOST_TAKES} takes to ask for, found {options.takes}")
    if options.room_s is not None and not 0.0 <= options.room_s <= MOST_ROOM_S:
        raise SettingsError(f"expected 0 to {MOST_ROOM_S:g} s of the room, found {options.room_s:g}")


def _find_place(folder: Path, text: str, options: LearnOptions) -> KeptWord:
    """Return where a word is to be kept, if it can be."""
    kept = KeptWord(folder, check_word(text))
    if kept.is_learnt and not options.add and not _is_change(options):
        raise SettingsError(
            f"expected a word that is not learnt yet, found '{kept.word}' in {folder}: --add learns it from more "
            "takes, --forget removes it"
        )
    if options.add and not kept.is_learnt:
        raise SettingsError(
            f"expected a learnt word to add takes to, found no '{kept.word}' in {folder}: leave --add out"
        )
    if not kept.is_learnt and kept.is_taken:
        raise SettingsError(
            f"expected a name that no model in {folder} has, found '{kept.name}': choose another spelling"
        )
    return kept


def _is_change(options: LearnOptions) -> bool:
    """Return whether a learnt word is to be learnt again from what is kept of it, for other voices than before."""
    return options.only_me is not None and not (options.add or options.recordings or options.say)


def _learn(
    settings: Settings,
    kept: KeptWord,
    files: Mapping[Path, str | None],
    room: tuple[Sound, ...],
    resources: Resources,
    options: LearnOptions,
) -> int:
    again, only_me = None, None if options.only_me is None else ""
    if options.only_me:
        only_me = _choose_language(kept.word, options)
        check_spelling(kept.word, only_me)
        find_choir(only_me, None)  # who has said all takes shall not learn then that there are no other voices
    if kept.is_learnt and _is_change(options):
        more = Material(room=room)
    elif files or options.say:
        more = Material(tuple(_read(kept.word, files, settings, options)), room=room)
    else:
        room_s = 60.0 if options.room_s is None else options.room_s
        asked = ask(kept.word, settings, n_takes=options.takes or N_TAKES, room_s=room_s, speaker=options.speaker)
        if asked is None:
            log.warning("nothing was learnt")
            return EXIT_OK
        more = asked + Material(room=room)
        again = partial(ask_again, kept.word, settings)
    with locked(kept.folder):
        rate = options.rate
        outcome = teach(kept, more, resources=resources, false_accepts_per_hour=rate, only_me=only_me, again=again)
        if settings.json:
            print_json(outcome)
            return EXIT_OK
        others = [other for other, _ in list_words([kept.folder])]
        print_lines([*describe(outcome), *describe_use(kept, others), *describe_reload(kept)])
    return EXIT_OK


def _learn_tree(settings: Settings, folder: Path, tree: Path, options: LearnOptions) -> int:
    """Learn the words of a tree, each for itself: one that cannot be learnt keeps no other from being learnt."""
    try:
        found = sorted(entry for entry in tree.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    except OSError as exc:
        raise AudioFileError(f"expected a folder of words, found {tree}: {exc.strerror}") from exc
    words = [entry for entry in found if entry.name not in BACKGROUNDS]
    if not words:
        raise AudioFileError(f"expected a folder for each word, with its takes, found {tree} with none in it")
    resources = open_resources()
    room = _read_rooms([*options.background, *_find_takes([entry for entry in found if entry.name in BACKGROUNDS])])
    code = EXIT_OK
    for entry in words:
        try:
            kept = _find_place(folder, entry.name, options)
            code = max(code, _learn(settings, kept, _find_takes([entry]), room, resources, options))
        except DetectorError as exc:
            log.error("%s: %s", entry.name, exc)  # noqa: TRY400 - a known error is one line
            code = max(code, exc.exit_code)
    return code


def _read(word: str, files: Mapping[Path, str | None], settings: Settings, options: LearnOptions) -> list[Take]:
    """Return the takes in recordings, of which some tell who speaks, and log what is wrong with the others.

    Raises
    ------
    DetectorError
        If there are too few.
    """
    speakers = {str(file): speaker for file, speaker in files.items() if speaker is not None}
    takes, refusals = read_takes(list(files), channel=settings.channel, speaker=options.speaker, speakers=speakers)
    spoken = _say(word, options) if options.say else []
    least = 1 if options.add else FEWEST_TAKES
    is_enough = len(takes) + len(spoken) >= least
    for refusal in refusals:
        log.log(logging.WARNING if is_enough else logging.ERROR, "%s", refusal.text)
    for take in takes:
        for warning in take.warnings:
            log.warning("%s", warning)
    if not is_enough:
        error = AudioFileError if not takes and all(refusal.fault is None for refusal in refusals) else SettingsError
        refused = f", and {len(refusals)} that cannot be learnt from" if refusals else ""
        raise error(f"expected {least} takes of '{word}' or more, found {len(takes)}{refused}")
    return [*takes, *spoken]


def _say(word: str, options: LearnOptions) -> list[Take]:
    """Have a word said by the voices that are installed."""
    voices = options.voices
    if voices is None and folders.USER_FOLDER is not None and folders.USER_FOLDER.with_name(VOICES).is_dir():
        voices = folders.USER_FOLDER.with_name(VOICES)
    return say_takes(word, language=_choose_language(word, options), voices_folder=voices, progress=log.info)


def _choose_language(word: str, options: LearnOptions) -> str:
    """Return the language of the voices that say a word: by its letters and the locale unless it is given."""
    locale = next((value for name in LOCALES if (value := os.environ.get(name))), "")
    return options.language or guess_language(word, locale)


def _find_takes(names: Sequence[Path]) -> dict[Path, str | None]:
    """Return files as they are, of folders the recordings in them and below, and who speaks where that can be known.

    Raises
    ------
    AudioFileError
        If a folder cannot be read, or holds none; or with what was meant by a name that is no file.
    """
    takes: dict[Path, str | None] = {}
    for name in names:
        if not name.is_dir():
            check_source(str(name))
            takes[name] = find_speaker(name)
            continue
        found = list(find_recordings(name, is_recursive=True))
        if not found:
            raise AudioFileError(f"expected recordings, found the folder {name} with none in it")
        for file in found:
            if isinstance(file, AudioFileError):
                raise file
            takes[file] = find_speaker(file, name)
    return takes


def _read_rooms(files: Sequence[Path]) -> tuple[Sound, ...]:
    """Return background, of `MOST_ROOM_S` in all at most."""
    sounds, n_left = [], round(MOST_ROOM_S * RATE_HZ)
    for file in files:
        blocks = [np.empty(0, dtype=np.int16)]
        with Recording(file, sample_rate_hz=RATE_HZ, block_s=4.0) as source:
            while n_left > 0 and (block := source.read()) is not None:
                blocks.append(block.samples[:n_left])
                n_left -= len(blocks[-1])
        sounds.append(Sound(np.concatenate(blocks), str(file)))
    if n_left <= 0:
        log.warning("of the background only the first %g s are learnt from", MOST_ROOM_S)
    return tuple(sound for sound in sounds if len(sound.samples))
