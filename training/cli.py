"""The command line of `keyword-trainer`: its verbs, and errors as one line with the right exit code."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType

import detector
from detector.cli.arguments import Parser
from detector.errors import EXIT_INTERNAL, EXIT_OK, DetectorError, SettingsError
from detector.process.log import log_to_stderr
from detector.text import printable
from training.network.backends import INSTALL
from training.verbs import VERBS

log = logging.getLogger(__name__)

DESCRIPTION = "Trains the models of keyword-detector: recordings in, an int8 .tflite and its manifest out."

EXAMPLES = """\
a whole training, on Speech Commands as it is downloaded:
  keyword-trainer train --data speech_commands_v0.02 --words yes,no --speech LibriSpeech/train-clean-5 \\
      --skip-words know,knows --out runs/yes-no
  keyword-trainer export runs/yes-no --name my-yes-no
  keyword-detector listen --model models/my-yes-no.json
"""


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of all verbs."""
    parser = Parser(
        "keyword-trainer",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"keyword-trainer {detector.__version__}")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB", parser_class=Parser)

    for verb in VERBS:
        command = verbs.add_parser(verb.NAME, help=verb.SUMMARY, description=verb.SUMMARY.capitalize() + ".")
        verb.add_options(command)
        command.set_defaults(run_verb=verb.run)
    return parser


def run(arguments: Sequence[str]) -> int:
    """Run one verb; return the exit code."""
    options = build_parser().parse_args(arguments)
    log_to_stderr("%(message)s")
    signal.signal(signal.SIGTERM, _on_terminate)
    try:
        options.run_verb(options)
    except DetectorError as exc:
        _report(str(exc))
        return exc.exit_code
    except ModuleNotFoundError as exc:
        _report(f"expected the package {exc.name}, found none: {INSTALL}")
        return SettingsError.exit_code
    except KeyboardInterrupt:
        _report("interrupted")
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as exc:
        _report(f"expected to read and write files, found: {exc}")
        return EXIT_INTERNAL
    except Exception:
        log.exception("internal failure; please report it with the lines below")
        return EXIT_INTERNAL
    return EXIT_OK


def _report(error: str) -> None:
    """Write a known error: one line."""
    sys.stderr.write(f"keyword-trainer: {printable(error)}\n")


def _on_terminate(_number: int, _frame: FrameType | None) -> None:
    """End as Ctrl-C does: worker processes are stopped on the way out."""
    raise KeyboardInterrupt
