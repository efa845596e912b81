"""`keyword-trainer tutorial`."""

from __future__ import annotations

import argparse
from pathlib import Path

from detector.cli.options import add_option, take_given
from training.data.texts import compose_text
from training.network.backends import import_keras
from training.run.settings import TutorialSettings, convert_settings
from training.verbs.arguments import add_cache, not_negative, print_report

NAME = "tutorial"
SUMMARY = "train the network of beginners' tutorials, on pictures of the keywords alone, to compare with"


def add_options(verb: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    add_option(verb, TutorialSettings, "data", required=True)
    add_option(verb, TutorialSettings, "words", required=True)
    verb.add_argument("--out", type=Path, required=True, metavar="RUN", help="new folder of the run")
    for name in ("epochs", "batch_size", "split_by"):
        add_option(verb, TutorialSettings, name)
    add_option(verb, TutorialSettings, "seed", type=not_negative(int))
    add_cache(verb)


def run(options: argparse.Namespace) -> None:
    """Train the network, measure it, and print what it is worth."""
    given = take_given(vars(options), TutorialSettings)
    given["data"] = [str(Path(folder).resolve()) for folder in given["data"]]
    given["words"] = [compose_text(word) for word in given["words"]]
    settings = convert_settings(TutorialSettings, given)
    import_keras()
    from training.learn.tutorial import train_tutorial
    from training.run.run import Run

    report = train_tutorial(Run(options.out), settings, cache=options.cache)
    print_report(report, as_json=False)
