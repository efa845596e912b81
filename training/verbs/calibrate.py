"""`keyword-trainer calibrate`."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from detector.cli.arguments import parse_words, print_json
from detector.errors import SettingsError
from training.run.settings import DecisionRecipe
from training.verbs.arguments import (
    add_cache,
    add_channel,
    add_seed,
    add_speech,
    add_split,
    open_recordings,
    parse_rate,
)

NAME = "calibrate"
SUMMARY = "measure a model's operating curve, write it and the default thresholds into the manifest"

log = logging.getLogger(__name__)


def add_options(verb: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    verb.add_argument("model", help="name or path of a model")
    verb.add_argument(
        "--words-data",
        dest="data",
        action="append",
        required=True,
        metavar="DIR",
        help="word clips in the Speech Commands layout, for the misses; repeatable",
    )
    add_speech(verb)
    verb.add_argument(
        "--skip-words",
        type=parse_words,
        default=(),
        metavar="know,knows",
        help="words that sound like a keyword: running speech that holds one is left out, as with the keywords",
    )
    add_split(verb)
    verb.add_argument(
        "--false-accepts-per-hour",
        type=parse_rate,
        default=DecisionRecipe().false_accepts_per_hour,
        metavar="X",
        help="the default thresholds are those of fewest misses within this rate (default: %(default)g)",
    )
    add_seed(verb, "of the words' order")
    verb.add_argument("--picture", type=Path, metavar="PNG", help="draw the curve, too")
    verb.add_argument("--json", action="store_true", help="print the curve as JSON")
    verb.add_argument("--dry-run", action="store_true", help="measure, but leave the manifest as it is")
    add_cache(verb)
    add_channel(verb)


def run(options: argparse.Namespace) -> None:
    """Measure the operating curve and write it into the manifest."""
    from detector.core.folders import find_models
    from detector.core.manifest import encode_manifest, read_manifest
    from detector.core.model import Model
    from detector.core.operating import describe_points, pick_points
    from training.evaluate.curve import calibrate, with_points
    from training.run.files import write_whole

    file, *more = find_models(options.model)
    if more:
        raise SettingsError(f"expected one model to calibrate, found {options.model}: each has a curve of its own")
    manifest = read_manifest(file)
    model = Model(manifest, file.with_suffix(".tflite").read_bytes())
    if not options.speech:
        raise SettingsError("expected --speech: false accepts are counted in running speech")
    collection = open_recordings(options, manifest.frontend.sample_rate_hz, manifest.words)
    curve = calibrate(
        model,
        collection,
        split=options.split,
        skip_words=options.skip_words,
        seed=options.seed,
    )
    points = pick_points(curve, manifest.words, options.false_accepts_per_hour)
    for line in describe_points(curve, points, options.false_accepts_per_hour):
        log.info(line)
    if not options.dry_run:
        write_whole({file: encode_manifest(with_points(manifest, curve, points))})
        log.info("wrote %s", file)
    if options.picture:
        from training.report.figures import draw_curve

        draw_curve(curve, points, options.picture, title=manifest.name)
    if options.json:
        print_json(curve)
