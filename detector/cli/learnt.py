"""`keyword-detector learn` of words that were learnt: the list of them, forgetting one, and one step back."""

from __future__ import annotations

import logging
from pathlib import Path

from detector.cli.arguments import print_json, print_lines
from detector.cli.lessons import describe_figures, describe_undone, list_folders, to_json
from detector.cli.reloading import describe_reload
from detector.errors import EXIT_OK, SettingsError
from detector.learn.naming import check_word
from detector.learn.store import locked
from detector.learn.words import KeptWord, list_words
from detector.settings import Settings

log = logging.getLogger(__name__)


def list_learnt(settings: Settings, folder: Path | None) -> int:
    """Print what was learnt, in a folder of models or in all that are looked into."""
    found = list(list_words(list_folders(folder)))
    if settings.json:
        print_json({"words": [to_json(kept, index) for kept, index in found]})
        return EXIT_OK
    lines = []
    for kept, index in found:
        what = f"{len(index.takes)} takes, {len(index.false_alarms)} false alarms, {len(index.room)} of the room"
        lines += [f"{kept.word}: {what}; {kept.manifest_file}"]
        lines += [f"  {line}" for line in describe_figures(index.report)]
    print_lines(lines)
    if not found:
        log.info("no word was learnt yet: 'keyword-detector learn WORD' asks for it at the microphone")
    return EXIT_OK


def forget(settings: Settings, folder: Path, word: str) -> int:
    """Remove a word, its model and its takes.

    Raises
    ------
    SettingsError
        If there is no such word, or it cannot be removed.
    """
    kept = _find_learnt(folder, word)
    with locked(folder):
        left = kept.forget()
    for file in left:
        log.warning("%s stays: it is not what was learnt", file)
    if settings.json:
        print_json({"word": kept.word, "forgotten": True, "left": [str(file) for file in left]})
    else:
        print_lines([f"forgotten      '{kept.word}', its model and its takes"])
    return EXIT_OK


def undo(settings: Settings, folder: Path, word: str) -> int:
    """Go back to what was before the last lesson of a word.

    Raises
    ------
    SettingsError
        If there is none.
    """
    kept = _find_learnt(folder, word)
    with locked(folder):
        index = kept.undo()
    if settings.json:
        print_json(to_json(kept, index))
    else:
        print_lines([*describe_undone(index), *describe_reload(kept)])
    return EXIT_OK


def _find_learnt(folder: Path, word: str) -> KeptWord:
    kept = KeptWord(folder, check_word(word))
    if not kept.is_learnt:
        raise SettingsError(
            f"expected a learnt word, found no '{kept.word}' in {folder}: 'keyword-detector learn' lists them"
        )
    return kept
