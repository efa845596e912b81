"""What the verbs that learn share: the folders, a lesson that is kept, and what is said of it."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from detector.core import folders
from detector.core.manifest import read_manifest
from detector.core.model import Model
from detector.errors import DetectorError, SettingsError
from detector.learn.again import Counts, Figure, count, find_worse, read_figures, read_veto, show
from detector.learn.learn import Lesson
from detector.learn.learn import learn as learn_from
from detector.learn.material import Index, Material
from detector.learn.resources import Resources
from detector.learn.say import say_takes
from detector.learn.takes import Take, find_repeated
from detector.learn.voice import N_OTHERS, group_voices
from detector.learn.words import KeptWord

log = logging.getLogger(__name__)

BESIDE = "yes-no"


def choose_folder(folder: Path | None) -> Path:
    """Return the folder to keep a word in.

    Raises
    ------
    SettingsError
        If none is named, and the user has no home.
    """
    if folder is None and folders.USER_FOLDER is None:
        raise SettingsError(
            f"expected a home folder to keep learnt words in, found none: name one, --folder {folders.SERVICE_FOLDER}"
        )
    return folder or folders.USER_FOLDER or folders.SERVICE_FOLDER


def list_folders(folder: Path | None) -> list[Path]:
    """Return the folders in which learnt words are looked for."""
    return [folder] if folder is not None else list(filter(None, [folders.USER_FOLDER, folders.SERVICE_FOLDER]))


class Outcome(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a lesson made of a word, as `--json` prints it."""

    word: str
    path: str
    """Of the manifest."""
    report: dict[str, Any]
    n_false_alarms: int
    counts: Counts
    """On all that is kept of the word, now,"""
    counts_before: Counts | None = None
    """and with the model before."""
    worse: list[str] = []
    reloaded: int | None = None
    """The process that took the word over."""


def teach(
    kept: KeptWord,
    more: Material,
    *,
    resources: Resources,
    false_accepts_per_hour: float | None,
    only_me: str | None = None,
    again: Callable[[Material, Sequence[str]], Material | None] | None = None,
) -> Outcome:
    """Learn a word from all that is kept of it and more, keep that, and report what became worse; in a locked folder.

    Where takes are unlike the others, `again` is given what is new and a line on each, and may return other material.
    With `only_me` other voices are refused, such as those of that language; none are if it is empty; None is as before.

    Raises
    ------
    DetectorError
        If it cannot be learnt or kept; nothing is kept then.
    """
    index = kept.read_index() if kept.is_learnt else None
    rate = false_accepts_per_hour or (index.false_accepts_per_hour if index else 0.5)
    known = kept.read() if index else Material()
    for line in find_repeated(known.takes, more.takes):
        log.warning("%s", line)
    if only_me is None:
        only_me = index.only_me if index else ""
    if only_me:
        group_voices((known + more).takes)  # too few of one shall be reported before others are asked, which takes long
    others = _ask_others(kept.word, only_me) if only_me else []
    lesson = _study(kept.word, known + more, others, resources, rate)
    other = again(more, lesson.unlike) if again is not None and lesson.unlike else None
    if other is not None:
        more = other
        lesson = _study(kept.word, known + more, others, resources, rate)
    material = known + more
    counts = count(Model(lesson.manifest, lesson.flatbuffer), material)
    report = msgspec.to_builtins(lesson.report)
    before, worse = None, []
    if index is not None:
        try:
            before = count(kept.load(), material)
            worse = find_worse(before, counts, index.report, report)
        except DetectorError as exc:
            log.warning("what was learnt before cannot be compared with: %s", exc)
    for line in worse:
        log.warning("%s", line)
    kept.keep(lesson.manifest, lesson.flatbuffer, more, report=report, false_accepts_per_hour=rate, only_me=only_me)
    return Outcome(
        word=kept.word,
        path=str(kept.manifest_file),
        report=report,
        n_false_alarms=len(material.false_alarms),
        counts=counts,
        counts_before=before,
        worse=worse,
    )


def _ask_others(word: str, language: str) -> list[Take]:
    """Have others say a word: voices that are installed, since nobody else is there."""
    log.info("having '%s' said by other voices", word)
    return say_takes(word, n=N_OTHERS, language=language)


def _study(
    word: str, material: Material, others: Sequence[Take], resources: Resources, false_accepts_per_hour: float
) -> Lesson:
    lesson = learn_from(
        word,
        material.takes,
        resources=resources,
        false_alarms=[sound.samples for sound in material.false_alarms],
        room=[sound.samples for sound in material.room],
        others=others,
        false_accepts_per_hour=false_accepts_per_hour,
        progress=log.info,
    )
    for line in lesson.unlike:
        log.warning("%s", line)
    return lesson


def describe(outcome: Outcome) -> list[str]:
    """Return what a lesson made of a word, for people to read."""
    report, counts, before = outcome.report, outcome.counts, outcome.counts_before
    takes = _count(counts.n_takes, "take")
    takes += f" in {report['n_speakers']} voices" if report.get("n_speakers", 1) > 1 else ""
    alarms = f" and {_count(outcome.n_false_alarms, 'false alarm')}" if outcome.n_false_alarms else ""
    lines = [f"learnt         '{outcome.word}' from {takes}{alarms}", *describe_figures(report)]
    if before is not None:
        lines += [f"of its takes   {counts.n_detected} of {counts.n_takes} detected, {before.n_detected} before"]
        if counts.n_false_alarms:
            lines += [f"false alarms   {counts.n_fired} of {counts.n_false_alarms} fire, {before.n_fired} before"]
    return [*lines, f"model          {outcome.path}"]


def describe_figures(report: Mapping[str, Any]) -> list[str]:
    """Return what is expected of a word, for people to read."""
    misses, accepts = read_figures(report)
    lines = [
        f"misses         {_describe(misses, 100.0, ' %')}",
        f"false accepts  {_describe(accepts, 1.0, ' an hour')}",
    ]
    if veto := report.get("veto"):
        costs, refused = read_veto(veto)
        lines += [
            f"only me costs  {_describe(costs, 100.0, ' % more misses')}",
            f"and refuses    {_describe(refused, 100.0, ' % of synthetic voices')}",
        ]
    return lines


def describe_undone(index: Index) -> list[str]:
    """Return what a word is again after a step back, for people to read."""
    takes, alarms = _count(len(index.takes), "take"), _count(len(index.false_alarms), "false alarm")
    return [f"undone         '{index.word}' is as it was, from {takes} and {alarms}", *describe_figures(index.report)]


def to_json(kept: KeptWord, index: Index) -> dict[str, Any]:
    """Return what is known of a word, as `--json` prints it."""
    return {
        "word": index.word,
        "path": str(kept.manifest_file),
        "report": index.report,
        "n_takes": len(index.takes),
        "n_false_alarms": len(index.false_alarms),
        "false_accepts_per_hour": index.false_accepts_per_hour,
        "only_me": bool(index.only_me),
        "can_undo": kept.changed_ns > 0,
    }


def describe_use(kept: KeptWord, others: Sequence[KeptWord] = ()) -> list[str]:
    """Return the lines that run a word, alone and beside others."""
    name = _name(kept)
    lines = [f"listen         keyword-detector listen --model {shlex.quote(name)}"]
    others = [other for other in others if other.name != kept.name]
    beside = [BESIDE] if _can_stand_beside([kept, *others]) else []
    beside += map(_name, others)
    if beside:
        lines.append(f"beside others  keyword-detector listen --model {shlex.quote(','.join([*beside, name]))}")
    return lines


def _describe(figure: Figure, factor: float, unit: str) -> str:
    if figure.rate is None:
        return f"not known: {figure.basis.removeprefix('not known: ')}".removesuffix(": ")
    low, high = figure.interval or (figure.rate, figure.rate)
    return f"{show(factor * figure.rate)}{unit} ({show(factor * low)}-{show(factor * high)}): {figure.basis}"


def _can_stand_beside(kept: Sequence[KeptWord]) -> bool:
    """Return whether the shipped model has none of these words: models that share one do not listen together."""
    try:
        shipped = read_manifest(folders.find_model(BESIDE)).words
        return not any(one.word in shipped for one in kept)
    except DetectorError:
        return False


def _name(kept: KeptWord) -> str:
    """Return what `--model` takes for a word: its name where that is looked up, else its path."""
    return kept.name if folders.is_own(kept.manifest_file) else str(kept.manifest_file.absolute().with_suffix(""))


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}{'' if n == 1 else 's'}"
