"""What the command lines of the detector and the trainer share."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from typing import Any, NoReturn

from detector.errors import EXIT_USAGE


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, and knows flags by their full names only."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **{"allow_abbrev": False, **options})

    def error(self, message: str) -> NoReturn:
        """End the command with one line and the code for a command line that cannot be parsed."""
        sys.stderr.write(f"{self.prog}: {message}; try '{self.prog} --help'\n")
        raise SystemExit(EXIT_USAGE)


def parse_words(text: str) -> tuple[str, ...]:
    """Return the words of a list such as `yes,no`."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def print_lines(lines: Iterable[str]) -> None:
    """Print the answer of a verb."""
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()
