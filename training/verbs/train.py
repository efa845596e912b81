"""`keyword-trainer train`."""

from __future__ import annotations

import argparse
import importlib.util
import logging
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from detector.cli.arguments import parse_channel, print_lines
from detector.cli.options import add_option, take_given
from detector.errors import DetectorError, SettingsError
from training.network.backends import BACKENDS, import_keras
from training.run.recipe import new_settings
from training.run.settings import TrainSettings
from training.verbs.arguments import add_cache, add_workers, not_negative, parse_assignment

NAME = "train"
SUMMARY = "train a network, quantise it to int8, measure it; a run of its own folder, resumable"

if TYPE_CHECKING:
    from training.run.run import Evaluation, Run

log = logging.getLogger(__name__)

TUTORIAL_CNN = "tutorial-cnn"
"""What `keyword-trainer tutorial` trains was once an architecture of this verb."""


def add_options(verb: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    verb.add_argument(
        "--recipe",
        type=Path,
        default=argparse.SUPPRESS,
        metavar="TOML",
        help="settings of a run, as models/recipes/ has them; flags beat it",
    )
    verb.add_argument(
        "--root",
        type=Path,
        default=Path(),
        metavar="DIR",
        help="where the recipe's folders of recordings lie (default: here)",
    )
    verb.add_argument("--out", type=Path, required=True, metavar="RUN", help="folder of the run")
    verb.add_argument(
        "--resume", action="store_true", help="go on with the run in RUN, with the settings it began with"
    )
    verb.add_argument(
        "--dry-run",
        action="store_true",
        help="read and decode all recordings, print what was understood of them, and end: nothing is trained",
    )
    for name in ("data", "words", "noise", "speech", "validation_speakers", "synthetic"):
        add_option(verb, TrainSettings, name)
    for name in ("skip_words", "confusable", "left_out", "architecture", "embedding"):
        add_option(verb, TrainSettings, name)
    for name in ("epochs", "steps_per_epoch", "batch_size", "learning_rate", "distinct_windows"):
        add_option(verb, TrainSettings, name)
    add_option(verb, TrainSettings, "precision")
    add_option(verb, TrainSettings, "channel", type=parse_channel)
    add_option(verb, TrainSettings, "strategy")
    add_option(verb, TrainSettings, "seed", type=not_negative(int))
    add_option(verb, TrainSettings, "licences", "--licence", dest="licence", type=parse_assignment, action="append")
    verb.add_argument("--split-by", help=argparse.SUPPRESS)  # stood in command lines of TUTORIAL_CNN
    verb.add_argument(
        "--backend",
        choices=BACKENDS,
        default=BACKENDS[0],
        help="framework that trains; TensorFlow exports what any of them trained (default: %(default)s)",
    )
    add_workers(verb)
    add_cache(verb)


def run(options: argparse.Namespace) -> None:
    """Train, or go on with a run; then quantise and measure."""
    given = take_given(vars(options), TrainSettings)
    given |= {name: value for name, value in vars(options).items() if name in ("licence", "recipe")}
    if options.resume and given:
        flag = next(iter(given)).replace("_", "-")
        raise SettingsError(f"expected no --{flag} with --resume: a run goes on with the settings it began with")
    if given.get("architecture") == TUTORIAL_CNN or options.split_by is not None:
        raise SettingsError(
            f"expected an architecture that becomes a model, found {TUTORIAL_CNN} or --split-by, which have a verb of "
            "their own: keyword-trainer tutorial"
        )
    from training.data.notes import Notes
    from training.run.provenance import check_licences
    from training.run.recordings import describe_run, open_run
    from training.run.run import Run

    run = Run(options.out)
    if options.resume:
        settings = run.read_settings()
    else:
        settings = new_settings(given, options.root)
        if run.is_begun and not options.dry_run:
            raise SettingsError(f"expected a new folder, found a run in {run.folder}: add --resume or choose another")
        check_licences(settings.licences, (*settings.data, *settings.synthetic, *settings.noise, *settings.speech))
    if options.dry_run:
        notes = Notes()
        print_lines(describe_run(settings, open_run(settings, cache=options.cache, notes=notes), notes))
        return
    import_keras(options.backend)
    from training.network.train import train

    train(run, settings, cache=options.cache, n_workers=options.workers)
    if options.backend != "tensorflow":
        _finish_elsewhere(options)
        return
    from training.export.finish import finish

    print_finished(run, finish(run, cache=options.cache, n_workers=options.workers))


def print_finished(run: Run, evaluation: Evaluation) -> None:
    """Print what a finished run is worth, and what cannot be known of it."""
    manifest = run.read_manifest()
    if manifest.clip_accuracy is None:
        print_lines(["clip accuracy expected of people: not known; what follows is that of synthetic voices"])
    print_lines(evaluation.int8.lines())
    print_lines([f"before quantisation: {evaluation.float32.accuracy.percent()}"])
    print_lines(f"caution: {caution}" for caution in manifest.cautions)
    log.info("next: keyword-trainer export %s --name NAME", run.folder)


def _finish_elsewhere(options: argparse.Namespace) -> None:
    """Quantise and measure in a process of its own, as Keras cannot change its backend."""
    if importlib.util.find_spec("tensorflow") is None:
        log.info(
            "trained. TensorFlow exports it: where it is installed, keyword-trainer train --resume --out %s",
            options.out,
        )
        return
    command = [sys.executable, "-m", "training", "train", "--resume", "--out", str(options.out)]
    command += ["--cache", str(options.cache), "--workers", str(options.workers)]
    code = subprocess.run(command, check=False).returncode
    if code:
        raise DetectorError(f"expected TensorFlow to export the run, found that it ended with {code}")
