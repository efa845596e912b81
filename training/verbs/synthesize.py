"""`keyword-trainer synthesize`."""

from __future__ import annotations

import argparse
from pathlib import Path

from detector.cli.arguments import parse_words
from detector.errors import SettingsError
from training.arguments import add_seed, parse_count, print_lines
from training.settings import convert_settings

NAME = "synthesize"
SUMMARY = "speak words with espeak-ng, and flite where installed: negatives of the whole dictionary"


def add_options(verb: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    verb.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder of the clips, in the Speech Commands layout"
    )
    verb.add_argument("--words", type=parse_words, required=True, metavar="yes,no", help="the keywords")
    verb.add_argument(
        "--vocabulary",
        action="append",
        default=[],
        metavar="FILE|DIR",
        help="a text, a list of words, or transcripts in LibriSpeech's or LJ Speech's layout; repeatable",
    )
    verb.add_argument(
        "--skip-speakers", type=parse_words, default=(), metavar="ID,ID", help="speakers whose transcripts are not read"
    )
    verb.add_argument(
        "--also",
        type=parse_words,
        default=(),
        metavar="go,down",
        help="words that are said often (default: the words of the vocabulary that sound nearly like a keyword)",
    )
    for option, default, text in (
        ("--n-words", 4000, "words of the vocabulary, the most frequent first"),
        ("--clips-per-keyword", 300, "clips of each keyword"),
        ("--clips-per-neighbour", 60, "clips of each word that is said often"),
        ("--clips-per-word", 3, "clips of each other word"),
    ):
        verb.add_argument(option, type=parse_count, default=default, metavar="N", help=f"{text} (default: %(default)s)")
    add_seed(verb)


def run(options: argparse.Namespace) -> None:
    """Speak words with speech synthesisers."""
    from training.settings import SynthesisSettings
    from training.synthesize import synthesize

    if not options.vocabulary and not options.also:
        raise SettingsError("expected --vocabulary TEXT or --also go,down: without other words there are no negatives")
    fields = {name: getattr(options, name) for name in SynthesisSettings.__struct_fields__}
    settings = convert_settings(SynthesisSettings, fields)
    print_lines(synthesize(settings, options.out))
