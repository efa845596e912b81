"""`keyword-trainer evaluate-stream`."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from detector.cli.arguments import print_json, print_lines
from training.verbs.arguments import (
    add_cache,
    add_channel,
    add_noise,
    add_seed,
    add_split,
    add_threshold,
    open_recordings,
    print_report,
)

NAME = "evaluate-stream"
SUMMARY = "misses, false accepts per hour and delay on a recording with known truth"

log = logging.getLogger(__name__)


def add_options(verb: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    verb.add_argument("model", help="name or path of a model")
    verb.add_argument("--recording", type=Path, required=True, metavar="WAV")
    verb.add_argument(
        "--truth",
        type=Path,
        required=True,
        metavar="JSON",
        help='{"words": [{"word", "start_s", "end_s"}], "hours": H}',
    )
    add_threshold(verb, "instead of the manifest's")
    verb.add_argument(
        "--condition",
        action="append",
        default=[],
        metavar="NAME",
        help="put the recording under a condition first, and print a table: clean, snr-20, snr-10, snr-5, snr-0 (dB, "
        "with --noise), near, reverberant, gain-10, gain-20, gain-30 (dB), rate-8000, rate-44100, rate-48000 (Hz), "
        "lost-1 (%% of the samples), or all; repeatable",
    )
    add_noise(verb)
    add_split(verb)
    add_seed(verb)
    add_cache(verb)
    add_channel(verb)
    verb.add_argument("--json", action="store_true", help="print JSON")


def run(options: argparse.Namespace) -> None:
    """Measure misses, false accepts and delay on a recording, perhaps under several conditions."""
    import numpy as np

    from detector.core.detector import Detector
    from training.data.decode import read_recording
    from training.evaluate.conditions import CONDITIONS, apply, detect_passages, table
    from training.evaluate.judge import judge
    from training.evaluate.streams import read_truth, untrained_noises

    listener = Detector.load(options.model, thresholds=dict(options.threshold))
    rate_hz = listener.model.manifest.frontend.sample_rate_hz
    samples = read_recording(str(options.recording), rate_hz, channel=options.channel)
    truth = read_truth(options.truth, len(samples) / rate_hz)
    conditions = CONDITIONS if "all" in options.condition else tuple(options.condition) or ("clean",)
    noises = []
    if options.noise:
        collection = open_recordings(options, rate_hz)
        noises = untrained_noises(collection)
    reports = {}
    for condition in conditions:
        if len(conditions) > 1:
            log.info("%s", condition)
        passages = apply(
            condition,
            samples,
            truth,
            sample_rate_hz=rate_hz,
            noises=noises,
            rng=np.random.default_rng(options.seed),
        )
        listener.reset()
        detections = detect_passages(listener, passages)
        reports[condition] = judge(detections, truth, listener.words)
    if not options.condition:
        print_report(reports["clean"], as_json=options.json)
    else:
        print_json(reports) if options.json else print_lines(table(reports))
