"""`keyword-trainer train`."""

from __future__ import annotations

import argparse
import importlib.util
import logging
import os
import subprocess
import sys
from pathlib import Path

from detector.cli.arguments import parse_words
from detector.errors import DetectorError, SettingsError
from training.arguments import (
    add_cache,
    add_data,
    add_noise,
    add_speech,
    not_negative,
    parse_assignment,
    parse_count,
    print_lines,
)
from training.backends import BACKENDS, import_keras
from training.recipe import new_settings

NAME = "train"
SUMMARY = "train a network, quantise it to int8, measure it; a run of its own folder, resumable"

log = logging.getLogger(__name__)

TUTORIAL_CNN = "tutorial-cnn"
"""What `keyword-trainer tutorial` trains was once an architecture of this verb."""

RUN_OPTIONS = (
    "data",
    "words",
    "synthetic",
    "noise",
    "speech",
    "validation_speakers",
    "skip_words",
    "confusable",
    "left_out",
    "architecture",
    "epochs",
    "steps_per_epoch",
    "batch_size",
    "learning_rate",
    "distinct_windows",
    "precision",
    "strategy",
    "seed",
    "licence",
    "recipe",
)
"""Options of `train` that belong to a run for good."""


def add_options(verb: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    verb.add_argument(
        "--recipe", type=Path, metavar="TOML", help="settings of a run, as models/recipes/ has them; flags beat it"
    )
    verb.add_argument(
        "--root",
        type=Path,
        default=Path(),
        metavar="DIR",
        help="where the recipe's folders of recordings lie (default: here)",
    )
    add_data(verb, required=False)
    add_noise(verb)
    add_cache(verb)
    add_speech(verb)
    verb.add_argument(
        "--synthetic",
        action="append",
        default=[],
        metavar="DIR",
        help="words of `keyword-trainer synthesize`: trained on, never measured on; repeatable",
    )
    verb.add_argument("--words", type=parse_words, metavar="yes,no", help="the keywords; every other word is 'unknown'")
    verb.add_argument(
        "--skip-words",
        type=parse_words,
        metavar="know,knows",
        help="words that sound like a keyword: running speech that holds one is not trained on",
    )
    verb.add_argument(
        "--confusable",
        type=parse_words,
        metavar="now,go",
        help="words that nearly sound like a keyword: trained on as any other, but running speech that holds one is "
        "left out when false accepts are measured",
    )
    verb.add_argument(
        "--left-out",
        type=parse_words,
        metavar="go,down",
        help="words whose clips are not trained on, to see whether the network fires on words it has never met",
    )
    verb.add_argument("--out", type=Path, required=True, metavar="RUN", help="folder of the run")
    verb.add_argument(
        "--resume", action="store_true", help="go on with the run in RUN, with the settings it began with"
    )
    verb.add_argument(
        "--architecture",
        metavar="NAME",
        help="network: ds-cnn or ts-resnet, either also -tiny or -wide, cnn or tc-resnet (default: ts-resnet)",
    )
    verb.add_argument("--split-by", help=argparse.SUPPRESS)  # stood in command lines of TUTORIAL_CNN
    verb.add_argument("--epochs", type=int, metavar="N", help="epochs (default: 40)")
    verb.add_argument("--steps-per-epoch", type=int, metavar="N", help="batches an epoch (default: 1000)")
    verb.add_argument("--batch-size", type=int, metavar="N", help="windows a batch (default: 256)")
    verb.add_argument("--learning-rate", type=float, metavar="X", help="peak learning rate (default: 0.003)")
    verb.add_argument(
        "--distinct-windows",
        type=int,
        metavar="N",
        help="windows composed before training, about 2 kB each in the cache; each is seen several times "
        "(default: 1000000)",
    )
    verb.add_argument(
        "--precision", metavar="NAME", help="auto, float32, mixed_float16 or mixed_bfloat16 (default: auto)"
    )
    verb.add_argument(
        "--strategy",
        metavar="NAME",
        help="auto, one (device) or mirrored (over all GPUs that TensorFlow sees) (default: auto, mirrored when there "
        "are several GPUs)",
    )
    verb.add_argument(
        "--backend",
        choices=BACKENDS,
        default=BACKENDS[0],
        help="framework that trains; TensorFlow exports what any of them trained (default: %(default)s)",
    )
    verb.add_argument("--seed", type=not_negative(int), metavar="N", help="seed of all randomness (default: 0)")
    verb.add_argument(
        "--licence",
        type=parse_assignment,
        action="append",
        default=[],
        metavar="FOLDER=TEXT",
        help="licence of a data folder, for the manifest; repeatable",
    )
    verb.add_argument(
        "--workers",
        type=parse_count,
        default=os.cpu_count() or 1,
        metavar="N",
        help="processes that compose windows (default: %(default)s)",
    )


def run(options: argparse.Namespace) -> None:
    """Train, or go on with a run; then quantise and measure."""
    given = {name: value for name in RUN_OPTIONS if (value := getattr(options, name)) not in (None, [])}
    if options.resume and given:
        flag = next(iter(given)).replace("_", "-")
        raise SettingsError(f"expected no --{flag} with --resume: a run goes on with the settings it began with")
    if options.architecture == TUTORIAL_CNN or options.split_by is not None:
        raise SettingsError(
            f"expected an architecture that becomes a model, found {TUTORIAL_CNN} or --split-by, which have a verb of "
            "their own: keyword-trainer tutorial"
        )
    settings = None if options.resume else new_settings(given, options.root)
    import_keras(options.backend)
    from training.provenance import check_licences
    from training.train import train

    if settings is not None:
        check_licences(settings.licences, (*settings.data, *settings.synthetic, *settings.noise, *settings.speech))
    train(settings, options.out, cache=options.cache, n_workers=options.workers)
    if options.backend != "tensorflow":
        _finish_elsewhere(options)
        return
    from training.export import finish

    evaluation = finish(options.out, cache=options.cache, n_workers=options.workers)
    print_lines(evaluation.int8.lines())
    print_lines([f"before quantisation: {evaluation.float32.accuracy.percent()}"])
    log.info("next: keyword-trainer export %s --name NAME", options.out)


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
