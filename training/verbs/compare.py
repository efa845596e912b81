"""`keyword-trainer compare`."""

from __future__ import annotations

import argparse
from pathlib import Path

from detector.errors import SettingsError
from training.verbs.arguments import add_channel, add_seed, print_report

NAME = "compare"
SUMMARY = "decide whether one model is better than another on a recording, by a paired bootstrap"


def add_options(verb: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    verb.add_argument("first", help="name or path of a model")
    verb.add_argument("second", help="the model whose gain or loss is reported")
    verb.add_argument("--recording", type=Path, required=True, metavar="WAV")
    verb.add_argument("--truth", type=Path, required=True, metavar="JSON")
    add_seed(verb, "of the resamples")
    add_channel(verb)
    verb.add_argument("--json", action="store_true", help="print JSON")


def run(options: argparse.Namespace) -> None:
    """Compare two models on one recording."""
    from detector.core.detector import Detector
    from training.data.decode import read_recording
    from training.evaluate.compare import compare
    from training.evaluate.conditions import detect_stream
    from training.evaluate.streams import read_truth

    listeners = [Detector.load(name) for name in (options.first, options.second)]
    if set(listeners[0].words) != set(listeners[1].words):
        raise SettingsError(
            f"expected two models of the same words, found {', '.join(listeners[0].words)} and "
            f"{', '.join(listeners[1].words)}"
        )
    detections = []
    for listener in listeners:
        rate_hz = listener.model.manifest.frontend.sample_rate_hz
        samples = read_recording(str(options.recording), rate_hz, channel=options.channel)
        truth = read_truth(options.truth, len(samples) / rate_hz)
        detections.append(detect_stream(listener, samples))
    report = compare(detections[0], detections[1], truth, listeners[0].words, seed=options.seed)
    print_report(report, as_json=options.json)
