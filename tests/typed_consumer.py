"""A program of somebody else's, written with types: `mypy --strict` has to follow every public name.

`make lint` checks it against the checkout, the gate against the installed wheel. Each `assert_type` fails when what it
names becomes `Any`; the `type: ignore` is needed as long as wrong arguments are found.
"""

from __future__ import annotations

from typing import assert_type

import numpy as np
from numpy.typing import NDArray

import detector
from detector import Detection, Detector, DetectorError, Model, load_model
from training.__main__ import main as run_trainer


def hear(model_name: str, samples: NDArray[np.int16]) -> list[tuple[str, float, float]]:
    """Return keyword, score and time in seconds of each detection in samples, int16 at the model's rate."""
    model = assert_type(load_model(model_name), Model)
    listener = assert_type(Detector(model, words=["yes", "no"], thresholds={"yes": 0.5}), Detector)
    found = assert_type(listener.feed(samples), list[Detection])
    listener.reset()
    return [
        (assert_type(one.keyword, str), assert_type(one.score, float), assert_type(one.time_s, float)) for one in found
    ]


def explain(model_name: str) -> str:
    """Return why a model cannot be used, or what its words are."""
    try:
        model = load_model(model_name)
    except DetectorError as exc:
        return assert_type(str(exc), str)
    return ",".join(assert_type(model.manifest.words, tuple[str, ...]))


def make_mistakes() -> None:
    """Pass what fits no parameter."""
    load_model(42)  # type: ignore[arg-type]
    Detector("yes-no")  # type: ignore[arg-type]


def train() -> str:
    """Run the trainer's command line; return which version it was and how it ended."""
    return f"{assert_type(detector.__version__, str)}: {assert_type(run_trainer(), int)}"
