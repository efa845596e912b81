"""Commands as users write them: split as a shell splits them, with fields in braces that a detection fills in."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Formatter

from detector.errors import SettingsError
from detector.events import Detection, Opened
from detector.text import printable

FIELDS = ("keyword", "score", "time_s", "start_s", "model", "source")
"""What a command may have filled in, as JSON Lines have it; in its environment they stand in capitals."""
ANY_WORD = "*"


@dataclass(frozen=True, slots=True)
class Template:
    """A command that was checked."""

    word: str
    """The one that it is run at, or `ANY_WORD`."""
    program: str
    """Its absolute path."""
    arguments: tuple[str, ...]
    """The program's own name first."""

    def fill(self, fields: Mapping[str, str]) -> list[str]:
        """Return the arguments with fields filled in; none is split, whatever is in it."""
        return [argument.format_map(fields) for argument in self.arguments]


def read_templates(commands: Mapping[str, str], words: Sequence[str]) -> list[Template]:
    """Return the commands of settings, checked.

    Parameters
    ----------
    commands : mapping
        By word, or `ANY_WORD`.
    words : sequence of str
        Those of the model.

    Raises
    ------
    SettingsError
        If a word is unknown, a command cannot be split or filled in, or its program is not found.
    """
    check_words(commands, words)
    return [_read(word, command) for word, command in commands.items()]


def check_words(commands: Mapping[str, str], words: Sequence[str]) -> None:
    """Refuse commands of settings for other words than those of the model.

    Raises
    ------
    SettingsError
        With the first that is unknown.
    """
    for word in commands:
        if word not in words and word != ANY_WORD:
            raise SettingsError(f"expected a command for {', '.join(words)} or *, found one for '{word}'")


def _read(word: str, command: str) -> Template:
    wanted = f"expected a command for '{word}'"
    if "\0" in command:
        raise SettingsError(f"{wanted} without null bytes, found {command!r}")
    try:
        arguments = shlex.split(command)
    except ValueError as exc:
        raise SettingsError(f"{wanted} that can be split as a shell does, found {command!r}: {exc}") from exc
    if not arguments or not arguments[0]:
        raise SettingsError(f"{wanted}, found {command!r}, which names no program")
    for argument in arguments:
        for field in _find_fields(argument, wanted):
            if field not in FIELDS:
                known = ", ".join(f"{{{name}}}" for name in FIELDS)
                raise SettingsError(f"{wanted} with {known} alone, found {{{field}}}: braces are written {{{{ and }}}}")
    if any(_find_fields(arguments[0], wanted)):
        raise SettingsError(f"{wanted} to begin with the name of a program, found the field in '{arguments[0]}'")
    name = arguments[0].format_map({})
    program = shutil.which(name)
    if program is None:
        raise SettingsError(
            f"{wanted} whose program can be run, found none of the name '{name}'; no shell looks for it"
        )
    return Template(word, str(Path(program).absolute()), tuple(arguments))


def _find_fields(argument: str, wanted: str) -> Iterator[str]:
    """Yield what stands in the braces of an argument."""
    try:
        for _, field, form, conversion in Formatter().parse(argument):
            if field is not None:
                yield field + (f"!{conversion}" if conversion else "") + (f":{form}" if form else "")
    except ValueError as exc:  # a brace alone
        raise SettingsError(f"{wanted} whose braces belong together, found '{argument}': {exc}") from exc


def fields_of_detection(detection: Detection, stream: Opened) -> dict[str, str]:
    """Return what is filled in of a detection, by name; names from outside are one line without control characters."""
    values = detection.describe(stream) | {"model": detection.model_in(stream), "source": stream.source}
    return {name: printable(str(values[name])) for name in FIELDS}
