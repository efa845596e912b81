"""`keyword-trainer synthesize`."""

from __future__ import annotations

import argparse
from pathlib import Path

from detector.cli.arguments import print_lines
from detector.cli.options import add_option, take_given
from detector.errors import SettingsError
from training.run.settings import convert_settings
from training.synthesis.settings import SynthesisSettings
from training.verbs.arguments import not_negative, parse_count

NAME = "synthesize"
SUMMARY = "speak words with espeak-ng, and flite where installed: negatives of the whole dictionary"


def add_options(verb: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    verb.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder of the clips, in the Speech Commands layout"
    )
    add_option(verb, SynthesisSettings, "words", required=True)
    for name in ("vocabulary", "skip_speakers", "also", "language", "voices", "natural_share", "dictionary"):
        add_option(verb, SynthesisSettings, name)
    for name in ("n_near", "n_words", "clips_per_keyword", "clips_per_neighbour", "clips_per_word"):
        add_option(verb, SynthesisSettings, name, type=parse_count)
    add_option(verb, SynthesisSettings, "n_made_up", "--made-up", type=not_negative(int))
    add_option(verb, SynthesisSettings, "seed", type=not_negative(int))


def run(options: argparse.Namespace) -> None:
    """Speak words with speech synthesisers."""
    from training.synthesis.synthesize import synthesize

    given = take_given(vars(options), SynthesisSettings)
    if not any(given.get(name) for name in ("vocabulary", "also", "dictionary", "n_made_up")):
        raise SettingsError("expected --vocabulary TEXT or --also go,down: without other words there are no negatives")
    settings = convert_settings(SynthesisSettings, given)
    print_lines(synthesize(settings, options.out))
