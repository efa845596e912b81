"""An operating point at which the model misses little, for tests of everything but the model."""

from __future__ import annotations

from detector import Detector, Model
from detector.core.operating import pick_points

FALSE_ACCEPTS_PER_HOUR = 6.0


def open_lenient_detector(model: Model) -> Detector:
    """Return a detector of a model at that point."""
    curve = model.manifest.operating_curve
    assert curve is not None
    points = pick_points(curve, model.manifest.words, FALSE_ACCEPTS_PER_HOUR)
    return Detector(model, thresholds={word: point.threshold for word, point in points.items()})
