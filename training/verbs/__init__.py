"""The verbs of `keyword-trainer`, a module each: name, one line of help, options, and what it does.

Answers go to stdout, progress and notes to stderr. A verb imports TensorFlow, SciPy and pictures only when it runs,
so that `--help` answers at once.
"""

from __future__ import annotations

from training.verbs import (
    align,
    calibrate,
    compare,
    compose,
    distil,
    download,
    evaluate,
    evaluate_stream,
    export,
    inspect,
    report,
    synthesize,
    train,
    tutorial,
    word,
)

VERBS = (
    download,
    word,
    train,
    evaluate,
    synthesize,
    align,
    compose,
    distil,
    evaluate_stream,
    compare,
    calibrate,
    inspect,
    report,
    export,
    tutorial,
)
"""In the order in which `--help` lists them."""
