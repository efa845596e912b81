"""What the verbs of `keyword-trainer` share: kinds of arguments, groups of options, recordings that options name."""

from __future__ import annotations

import argparse
import logging
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from detector.cli.arguments import parse_channel, print_json, print_lines
from detector.cli.options import add_option
from training.data.items import Split
from training.run.settings import TrainSettings

if TYPE_CHECKING:
    from training.data.collection import Collection

log = logging.getLogger(__name__)


def parse_count(text: str) -> int:
    """Return a whole number of at least 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected at least 1, found {number}")
    return number


def parse_finite(text: str) -> float:
    """Return a number that is one."""
    number = float(text)
    if not math.isfinite(number):
        raise argparse.ArgumentTypeError(f"expected a finite number, found {text}")
    return number


def not_negative(kind: type[Any]) -> Callable[[str], Any]:
    """Return a parser of finite numbers of a kind (int, float) that are at least 0."""

    def parse(text: str) -> Any:
        number = kind(text)
        if not 0 <= number < math.inf:
            raise argparse.ArgumentTypeError(f"expected at least 0, found {text}")
        return number

    parse.__name__ = kind.__name__
    return parse


def parse_rate(text: str) -> float:
    """Return a finite number above 0."""
    number = float(text)
    if not 0.0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"expected a number above 0, found {text}")
    return number


def parse_assignment(text: str) -> tuple[str, str]:
    """Return name and value of `NAME=VALUE`."""
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE, found '{text}'")
    return name, value


def parse_split(text: str) -> Split:
    """Return a split by its name."""
    if text not in list(Split):
        raise argparse.ArgumentTypeError(f"invalid choice: '{text}' (choose from {', '.join(Split)})")
    return Split(text)


def parse_threshold(text: str) -> tuple[str, float]:
    """Return word and threshold of `WORD=X`."""
    word, value = parse_assignment(text)
    try:
        return word, float(value)
    except ValueError as exc:
        raise argparse.ArgumentTypeError(f"expected WORD=NUMBER, found '{text}'") from exc


def add_data(verb: argparse.ArgumentParser, *, required: bool) -> None:
    """Add the folders of single words."""
    add_option(verb, TrainSettings, "data", default=[], required=required)


def add_noise(verb: argparse.ArgumentParser) -> None:
    """Add the folders of noises."""
    add_option(verb, TrainSettings, "noise", default=[])


def add_speech(verb: argparse.ArgumentParser) -> None:
    """Add the folders of running speech, and which of its speakers are not trained on."""
    add_option(verb, TrainSettings, "speech", default=[])
    add_option(verb, TrainSettings, "validation_speakers", default=())


def add_workers(verb: argparse.ArgumentParser) -> None:
    """Add the option of how many processes compose windows."""
    verb.add_argument(
        "--workers",
        type=parse_count,
        default=os.cpu_count() or 1,
        metavar="N",
        help="processes that compose windows (default: %(default)s)",
    )


def add_cache(verb: argparse.ArgumentParser) -> None:
    """Add the folder that keeps between runs what was decoded and composed."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "keyword-trainer"
    verb.add_argument(
        "--cache",
        type=Path,
        default=folder,
        metavar="DIR",
        help="where decoded recordings and composed windows are kept (default: %(default)s)",
    )


def add_channel(verb: argparse.ArgumentParser) -> None:
    """Add which of a recording's channels are used."""
    add_option(verb, TrainSettings, "channel", type=parse_channel, default="auto")


def add_seed(verb: argparse.ArgumentParser, text: str = "of all randomness") -> None:
    """Add the seed."""
    verb.add_argument("--seed", type=not_negative(int), default=0, metavar="N", help=f"{text} (default: %(default)s)")


def add_split(verb: argparse.ArgumentParser) -> None:
    """Add the split of the speakers, and of the noises: those of the training split are never mixed in."""
    verb.add_argument(
        "--split",
        type=parse_split,
        default=Split.VALIDATION,
        metavar=f"{{{','.join(Split)}}}",
        help="speakers, and noises; all: of folders that nothing was trained on (default: %(default)s)",
    )


def add_threshold(verb: argparse.ArgumentParser, text: str) -> None:
    """Add thresholds of words."""
    verb.add_argument(
        "--threshold",
        type=parse_threshold,
        action="append",
        default=[],
        metavar="WORD=X",
        help=f"{text}; repeatable",
    )


def open_recordings(options: argparse.Namespace, sample_rate_hz: int, keywords: Sequence[str] = ()) -> Collection:
    """Return the recordings below the folders that options name, decoded; log what was understood of them."""
    from training.data.collection import Collection
    from training.data.few import describe_measured
    from training.data.layouts import index_folders
    from training.data.notes import Notes
    from training.data.summary import describe_collection

    notes = Notes()
    items = index_folders(
        data=getattr(options, "data", ()),
        noise=getattr(options, "noise", ()),
        speech=getattr(options, "speech", ()),
        validation_speakers=getattr(options, "validation_speakers", ()),
        words=keywords,
        notes=notes,
    )
    if getattr(options, "split", None) == Split.ALL:
        items = [msgspec.structs.replace(item, split=Split.ALL) for item in items]
    collection = Collection.open(
        items, cache=options.cache, sample_rate_hz=sample_rate_hz, channel=getattr(options, "channel", "auto")
    )
    for line in describe_collection(collection, sample_rate_hz=sample_rate_hz, notes=notes, keywords=keywords):
        log.info(line)
    for word, what in describe_measured(
        keywords, collection.items, getattr(options, "split", Split.VALIDATION)
    ).items():
        log.warning("caution: %s is measured on %s", word, what)
    return collection


def print_report(report: Any, *, as_json: bool) -> None:
    """Print a report as lines, or as JSON."""
    print_json(report) if as_json else print_lines(report.lines())
