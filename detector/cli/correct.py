"""`keyword-detector wrong` and `missed`: a learnt word, and a detector that runs, learn from a kept recording."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from detector.cli.arguments import print_json, print_lines
from detector.cli.lessons import (
    describe,
    describe_undone,
    list_folders,
    teach,
    to_json,
)
from detector.cli.reloading import how_to_reload
from detector.errors import EXIT_OK, AudioFileError, DetectorError, SettingsError
from detector.flight.folder import find_newest
from detector.flight.format import Flight
from detector.flight.replay import read_flight, read_samples
from detector.learn.flights import cut_false_alarm, cut_missed, find_detections
from detector.learn.material import Material
from detector.learn.naming import check_word
from detector.learn.resources import open_resources
from detector.learn.speech import RATE_HZ
from detector.learn.store import locked
from detector.learn.takes import Refusal
from detector.learn.words import KeptWord, list_words
from detector.process.daemons import find_holder, request_keep, request_reload
from detector.settings import Settings

log = logging.getLogger(__name__)

KEPT_WITHIN_S = 60.0
"""A detector keeps what was around a moment some seconds after it."""


@dataclass(frozen=True)
class CorrectOptions:
    """What the command line asks for."""

    is_missed: bool
    flight: Path | None
    word: str | None
    folder: Path | None
    undo: bool
    all: bool = False
    last: float | None = None


def correct(settings: Settings, options: CorrectOptions) -> int:
    """Learn from a recording, or undo what was learnt, have a running detector take it over, and print it.

    Raises
    ------
    DetectorError
        If there is no such recording, or it cannot be learnt from.
    """
    if options.last is not None and not options.last > 0.0:
        raise SettingsError(f"expected the last seconds to be above 0, found {options.last:g}")
    words = [kept for kept, _ in list_words(list_folders(options.folder))]
    if options.word is not None:
        word = check_word(options.word)
        words = [kept for kept in words if kept.word == word]
    if not words:
        wanted = f"no '{options.word}'" if options.word else "none"
        sudo = "" if os.geteuid() == 0 else "; those of the system's service need sudo"
        raise SettingsError(f"expected a learnt word, found {wanted}: 'keyword-detector learn WORD' learns one{sudo}")
    if options.undo:
        return _undo(settings, words, options)
    file, last_s = _find_flight(settings, options)
    flight = read_flight(file)
    samples = read_samples(file, RATE_HZ)
    kept = _choose(words, flight, options)
    resources = open_resources()
    with locked(kept.folder):
        if options.is_missed:
            take = cut_missed(file, flight, samples, kept.load(), kept.word, last_s=last_s)
            if isinstance(take, Refusal):
                raise SettingsError(take.text)
            for warning in take.warnings:
                log.warning("%s", warning)
            more = Material(takes=(take,))
            sources = [take.source]
        else:
            found = find_detections(flight, [kept.word])
            sounds = [cut_false_alarm(file, flight, samples, one) for one in (found if options.all else found[-1:])]
            more = Material(false_alarms=tuple(sounds))
            sources = [sound.source for sound in sounds]
        _refuse_known(kept, sources)
        outcome = teach(kept, more, resources=resources, false_accepts_per_hour=None)
    if outcome.counts.n_fired:
        log.warning("it is detected in some false alarms still: more takes tell it apart better")
    reloaded, line = _reload(file.parent)
    if settings.json:
        print_json(msgspec.structs.replace(outcome, reloaded=reloaded))
    else:
        what = "with" if options.is_missed else "without"
        first, *rest = describe(outcome)
        print_lines([first, *(f"{what:13}  {source}" for source in sources), *rest, line])
    return EXIT_OK


def _find_flight(settings: Settings, options: CorrectOptions) -> tuple[Path, float | None]:
    """Return the recording that is meant, and how many of its last seconds."""
    named = options.flight or _find_folder(settings)
    if not named.is_dir():
        return named, options.last
    daemon = None if options.last is None else find_holder(named)
    if options.last is None or daemon is None:
        return find_newest(named), options.last
    before, asked_s = set(named.iterdir()), time.monotonic()
    if not request_keep(daemon):
        raise DetectorError(f"expected process {daemon.pid} to keep what was said, found that it takes no request")
    log.info("the detector keeps what was said; that takes some seconds more")
    while time.monotonic() - asked_s < KEPT_WITHIN_S:
        time.sleep(0.1)
        with contextlib.suppress(AudioFileError):
            newest = find_newest(named)
            if newest not in before:
                return newest, options.last + time.monotonic() - asked_s
    raise DetectorError(f"expected a recording in {named} within {KEPT_WITHIN_S:g} s, found none: look into the log")


def _find_folder(settings: Settings) -> Path:
    """Return the folder that is recorded into."""
    if settings.record.folder is None:
        raise SettingsError(
            "expected a recording of the flight recorder, found none named and no folder in the settings: name one, or "
            "its folder, or --config FILE with a 'record'"
        )
    return Path(settings.record.folder)


def _choose(words: Sequence[KeptWord], flight: Flight, options: CorrectOptions) -> KeptWord:
    """Return the word that is meant: of those that are known the one detected last, or the only one listened for."""
    by_name = {kept.word: kept for kept in reversed(words)}
    if not options.is_missed:
        return by_name[find_detections(flight, list(by_name))[-1].keyword]
    known = [word for word in by_name if word in flight.words] or list(by_name)
    if len(known) > 1:
        raise SettingsError(f"expected one learnt word, found {', '.join(known)}: choose one with --word")
    return by_name[known[0]]


def _refuse_known(kept: KeptWord, sources: Sequence[str]) -> None:
    """Refuse what was learnt from already: twice the same weighs twice, and tells nothing new."""
    index = kept.read_index()
    known = {take.source for take in index.takes} | {sound.source for sound in index.false_alarms}
    for source in sources:
        if source in known:
            raise SettingsError(f"expected something new, found that '{kept.word}' was learnt from {source} already")


def _reload(folder: Path) -> tuple[int | None, str]:
    """Have the detector that records into a folder take over what was learnt; return its process, and a line."""
    daemon = find_holder(folder)
    if daemon is None:
        how = "'systemctl reload', or kill -HUP, has one take it over"
        return None, f"reload         no detector records into {folder} now: {how}"
    if request_reload(daemon):
        return daemon.pid, f"reloaded       the detector that records into {folder}, process {daemon.pid}"
    return None, f"reload         {how_to_reload(daemon)}: the detector that records into {folder}"


def _undo(settings: Settings, words: Sequence[KeptWord], options: CorrectOptions) -> int:
    """Go back a step, of the word that was learnt last."""
    kept = max(words, key=lambda kept: kept.changed_ns)
    with locked(kept.folder):
        index = kept.undo()
    line = None
    try:
        named = options.flight or _find_folder(settings)
        _, line = _reload(named if named.is_dir() else named.parent)
    except SettingsError as exc:
        log.warning("a detector that runs has to be reloaded by hand: %s", exc)
    if settings.json:
        print_json(to_json(kept, index))
    else:
        print_lines([*describe_undone(index), *([line] if line else [])])
    return EXIT_OK
