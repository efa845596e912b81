"""`keyword-trainer word`."""

from __future__ import annotations

import argparse
from pathlib import Path

from detector.cli.arguments import parse_channel, print_lines
from detector.cli.options import add_option, find_field, take_given
from training.network.backends import import_keras
from training.run.settings import convert_settings
from training.verbs.arguments import add_cache, add_workers, not_negative, parse_count
from training.verbs.train import print_finished
from training.word.settings import WordSettings

NAME = "word"
SUMMARY = "train a word of one's own in full: from its spelling, and recordings where there are some, to a model"


def add_options(verb: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    verb.epilog = (
        "Voices say the word, what sounds nearly like it, and other words; the network begins as the embedding that "
        "words are learnt on. Everything is in RUN, recipe.toml too, which 'keyword-trainer train --recipe' takes. "
        "Interrupted, the same command goes on. 'keyword-detector learn' needs a minute instead of a quarter of an "
        "hour, and no TensorFlow."
    )
    verb.add_argument("word", metavar="WORD", help=find_field(WordSettings, "word").text)
    verb.add_argument("--out", type=Path, required=True, metavar="RUN", help="folder of the run")
    for name in ("recordings", "speaker", "language", "voices", "dictionary", "vocabulary"):
        add_option(verb, WordSettings, name)
    for name in ("data", "speech", "noise", "validation_speakers", "embedding"):
        add_option(verb, WordSettings, name)
    for name in ("clips", "epochs"):
        add_option(verb, WordSettings, name, type=parse_count)
    add_option(verb, WordSettings, "channel", type=parse_channel)
    add_option(verb, WordSettings, "seed", type=not_negative(int))
    add_workers(verb)
    add_cache(verb)


def run(options: argparse.Namespace) -> None:
    """Make what the word is trained on, train, quantise, measure, and write the page on it."""
    settings = convert_settings(WordSettings, take_given(vars(options), WordSettings))
    import_keras()
    from training.export.finish import finish
    from training.network.train import train
    from training.report.report import write_report
    from training.run.run import Run
    from training.word.plan import plan_word

    run = Run(options.out)
    planned = plan_word(settings, options.out)
    train(run, planned, cache=options.cache, n_workers=options.workers)
    evaluation = finish(run, cache=options.cache, n_workers=options.workers)
    print_finished(run, evaluation)
    page = options.out / "report.html"
    write_report(run, page, cache=options.cache)
    print_lines([f"page: {page}"])
