"""`keyword-trainer align`."""

from __future__ import annotations

import argparse
from pathlib import Path

from detector.cli.arguments import print_lines
from training.verbs.arguments import parse_count

NAME = "align"
SUMMARY = "where each word is said in running speech with transcripts, as a table"


def add_options(verb: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    verb.add_argument(
        "transcribed",
        nargs="+",
        metavar="TRANSCRIBED",
        help="folder of English speech in LibriSpeech's layout (*.trans.txt) or LJ Speech's (metadata.csv)",
    )
    verb.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="TABLE.csv",
        help="columns file, word, start_s, end_s, speaker; interrupted, the same command goes on",
    )
    verb.add_argument(
        "--workers", type=parse_count, default=2, metavar="N", help="processes that align (default: %(default)s)"
    )


def run(options: argparse.Namespace) -> None:
    """Align words and write their table."""
    from training.align.table import align

    print_lines(align(options.transcribed, options.out, n_workers=options.workers))
