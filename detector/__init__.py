"""keyword-detector: detects spoken keywords in a stream of audio.

The public names: `Detector` with its `feed` and the `Detection` it returns; `detect_file` and `scores` for whole
recordings; `Model` and `load_model`; `DetectorError`, which every error of the package inherits from. They are imported
when first used, so that a command starts quickly.
"""

from __future__ import annotations

import importlib

TYPE_CHECKING = False  # as in typing, whose import takes longer than all else before a signal is looked after
if TYPE_CHECKING:
    from typing import Any

    from detector.batch import Scores, detect_file, scores
    from detector.core.detector import Detector
    from detector.core.model import Model, load_model
    from detector.errors import DetectorError
    from detector.events import Detection

__version__ = "0.2.0"

DISTRIBUTION = "keyword-detector"
"""What this package was installed with: the commands look whether another's stands in its place."""

__all__ = [
    "Detection",
    "Detector",
    "DetectorError",
    "Model",
    "Scores",
    "__version__",
    "detect_file",
    "load_model",
    "scores",
]

_HOMES = {
    "Detection": "detector.events",
    "Detector": "detector.core.detector",
    "DetectorError": "detector.errors",
    "Model": "detector.core.model",
    "Scores": "detector.batch",
    "detect_file": "detector.batch",
    "load_model": "detector.core.model",
    "scores": "detector.batch",
}


if not TYPE_CHECKING:  # a type checker would take any name for one of the package's

    def __getattr__(name: str) -> Any:
        if name in _HOMES:
            return getattr(importlib.import_module(_HOMES[name]), name)
        raise AttributeError(f"module 'detector' has no attribute '{name}'")
