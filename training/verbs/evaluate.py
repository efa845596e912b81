"""`keyword-trainer evaluate`."""

from __future__ import annotations

import argparse

from detector.errors import SettingsError
from training.verbs.arguments import (
    add_cache,
    add_channel,
    add_data,
    add_noise,
    add_seed,
    add_split,
    open_recordings,
    parse_count,
    print_report,
)

NAME = "evaluate"
SUMMARY = "measure the accuracy of a model on clips, through the detector's own code"


def add_options(verb: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    verb.add_argument("model", help="name or path of a model")
    add_data(verb, required=True)
    add_noise(verb)
    add_cache(verb)
    add_channel(verb)
    add_split(verb)
    add_seed(verb, "chooses the clips")
    verb.add_argument("--json", action="store_true", help="print JSON")
    verb.add_argument(
        "--offsets",
        type=parse_count,
        metavar="N",
        help="measure instead how much scores depend on where windows fall: a word's spread over N shifts by a sample",
    )
    verb.add_argument(
        "--clips-per-word", type=parse_count, default=100, metavar="N", help="with --offsets (default: %(default)s)"
    )


def run(options: argparse.Namespace) -> None:
    """Measure clip accuracy, or how much scores depend on where windows fall."""
    from detector.core.model import load_model
    from training.evaluate.clips import evaluate_clips, gather_clips
    from training.evaluate.heard import evaluate_heard, is_of_one_window
    from training.evaluate.shifts import measure_spread

    model = load_model(options.model)
    collection = open_recordings(options, model.manifest.frontend.sample_rate_hz, model.manifest.words)
    if options.offsets:
        if model.readout.n_strides > 1:
            raise SettingsError(
                f"expected a model whose scores follow from one window for --offsets, found '{model.manifest.name}', "
                "a learnt word, which looks back further"
            )
        spread = measure_spread(
            model,
            collection,
            split=options.split,
            n_offsets=options.offsets,
            n_clips_per_word=options.clips_per_word,
            seed=options.seed,
        )
        print_report(spread, as_json=options.json)
        return
    if not is_of_one_window(model):
        print_report(evaluate_heard(model, collection, split=options.split, seed=options.seed), as_json=options.json)
        return
    features, truths = gather_clips(collection, model.manifest, split=options.split, seed=options.seed)
    report = evaluate_clips(model.score, features, truths, model.manifest, split=options.split)
    print_report(report, as_json=options.json)
