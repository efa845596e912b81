"""`keyword-trainer tutorial`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import get_args

from detector.cli.arguments import parse_words
from training.arguments import add_cache, add_data, add_seed, print_report
from training.backends import import_keras
from training.settings import SplitBy, TutorialSettings, convert_settings

NAME = "tutorial"
SUMMARY = "train the network of beginners' tutorials, on pictures of the keywords alone, to compare with"


def add_options(verb: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    add_data(verb, required=True)
    verb.add_argument("--words", type=parse_words, required=True, metavar="yes,no", help="the words to distinguish")
    verb.add_argument("--out", type=Path, required=True, metavar="RUN", help="new folder of the run")
    verb.add_argument("--epochs", type=int, metavar="N", help="epochs (default: 40)")
    verb.add_argument("--batch-size", type=int, metavar="N", help="clips a batch (default: 256)")
    verb.add_argument(
        "--split-by",
        choices=get_args(SplitBy),
        help="divide clips by speaker (default), or at random, to see what that hides",
    )
    add_seed(verb)
    add_cache(verb)


def run(options: argparse.Namespace) -> None:
    """Train the network, measure it, and print what it is worth."""
    names = TutorialSettings.__struct_fields__
    given = {name: value for name in names if (value := getattr(options, name)) is not None}
    given["data"] = [str(Path(folder).resolve()) for folder in options.data]
    settings = convert_settings(TutorialSettings, given)
    import_keras()
    from training.tutorial import train_tutorial

    report = train_tutorial(settings, options.out, cache=options.cache)
    print_report(report, as_json=False)
