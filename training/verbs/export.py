"""`keyword-trainer export`."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from detector.cli.arguments import print_lines
from training.verbs.arguments import add_threshold

NAME = "export"
SUMMARY = "copy the model of a finished run to a folder of models, under a name"


log = logging.getLogger(__name__)


def add_options(verb: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    verb.add_argument("run", type=Path, metavar="RUN", help="folder of the run")
    verb.add_argument("--name", required=True, help="name of the model")
    verb.add_argument("--to", type=Path, default=Path("models"), metavar="DIR", help="folder (default: %(default)s)")
    add_threshold(verb, "score from which on a word is reported")
    verb.add_argument("--smoothing-windows", type=int, metavar="N", help="windows that scores are averaged over")
    verb.add_argument("--stride-s", type=float, metavar="S", help="from one window to the next, in seconds")
    verb.add_argument("--refractory-s", type=float, metavar="S", help="how long a word is not reported again")
    verb.add_argument("--force", action="store_true", help="replace another model of that name")


def run(options: argparse.Namespace) -> None:
    """Write the pair of a finished run."""
    from training.export.export import export
    from training.run.run import Run

    pair = export(
        Run(options.run),
        name=options.name,
        folder=options.to,
        thresholds=dict(options.threshold),
        smoothing_windows=options.smoothing_windows,
        stride_s=options.stride_s,
        refractory_s=options.refractory_s,
        is_replaced=options.force,
    )
    print_lines([str(file) for file in pair])
    log.info("next: keyword-detector listen --model %s", pair[1])
