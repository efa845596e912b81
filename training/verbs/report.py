"""`keyword-trainer report`."""

from __future__ import annotations

import argparse
from pathlib import Path

from detector.cli.arguments import print_lines
from training.verbs.arguments import add_cache

NAME = "report"
SUMMARY = "write one HTML page on a finished run: curves, figures, mistakes to listen to"


def add_options(verb: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    verb.add_argument("run", type=Path, metavar="RUN", help="folder of the run")
    verb.add_argument("--out", type=Path, metavar="HTML", help="the page (default: RUN/report.html)")
    add_cache(verb)


def run(options: argparse.Namespace) -> None:
    """Write the page on a run."""
    from training.report.report import write_report
    from training.run.run import Run

    file = options.out or options.run / "report.html"
    write_report(Run(options.run), file, cache=options.cache)
    print_lines([str(file)])
