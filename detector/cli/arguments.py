"""What the command lines of the detector and the trainer share."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn

from detector.errors import EXIT_USAGE
from detector.process.stdout import encode
from detector.text import encode_json, printable


class Once(argparse._StoreAction):  # noqa: SLF001 - argparse has no public name for it
    """Stores the value of an option, which is given at most once: of two values one would be lost in silence."""

    _taken_in: argparse.Namespace | None = None

    def __call__(self, _parser: Any, namespace: argparse.Namespace, value: Any, option: str | None = None) -> None:
        """Store the value."""
        if option is not None and self._taken_in is namespace:
            shown = ",".join(value) if isinstance(value, tuple) else value
            raise argparse.ArgumentError(self, f"expected once, found it again with '{shown}'")
        self._taken_in = namespace
        setattr(namespace, self.dest, value)


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, knows flags by their full names only, and takes a value of each at most once."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **{"allow_abbrev": False, **options})
        for name in (None, "store"):
            self.register("action", name, Once)

    def parse_known_args(self, *arguments: Any, **options: Any) -> Any:
        """Parse, and refuse what is unknown here: the parser of a verb knows its help, the one above it does not."""
        namespace, unknown = super().parse_known_args(*arguments, **options)
        if unknown and not any(text.startswith("-") for text in unknown):
            unknown = self._take_rest(namespace, unknown)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return namespace, unknown

    def _take_rest(self, namespace: argparse.Namespace, rest: list[str]) -> list[str]:
        """Add what stands behind an option to what stands before it: `detect a.wav --json b.wav`; return what is left.

        argparse looks for all of it in one place.
        """
        lists = [action for action in self._get_positional_actions() if action.nargs in ("*", "+")]
        if not lists:
            return rest
        try:
            values = self._get_values(lists[-1], rest)
        except argparse.ArgumentError as exc:
            self.error(str(exc))
        setattr(namespace, lists[-1].dest, [*getattr(namespace, lists[-1].dest), *values])
        return []

    def error(self, message: str) -> NoReturn:
        """End the command with one line and the code for a command line that cannot be parsed."""
        sys.stderr.write(printable(f"{self.prog}: {message}; try '{self.prog} --help'") + "\n")
        raise SystemExit(EXIT_USAGE)


def parse_path(text: str) -> Path:
    """Return a path.

    Raises
    ------
    ArgumentTypeError
        If nothing is named, as by a variable of a shell that is not set: that would be the current folder.
    """
    if not text:
        raise argparse.ArgumentTypeError("expected a path, found ''")
    return Path(text)


def parse_channel(text: str) -> int | str:
    """Return a channel's number, or a word; whether there is such a channel, or word, is found out later."""
    return int(text) if text.isdecimal() else text


def parse_words(text: str) -> tuple[str, ...]:
    """Return the words of a list such as `yes,no`."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def print_lines(lines: Iterable[str]) -> None:
    """Print the answer of a verb, for people."""
    sys.stdout.write("".join(f"{printable(line)}\n" for line in lines))
    sys.stdout.flush()


def print_json(answer: Any) -> None:
    """Print the answer of a verb as a line of JSON, which is UTF-8 whatever a terminal takes."""
    encode(sys.stdout, "utf-8")
    sys.stdout.write(f"{encode_json(answer)}\n")
    sys.stdout.flush()
