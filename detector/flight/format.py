"""What stands in the JSON file beside a kept recording."""

from __future__ import annotations

import contextlib
import platform
from importlib import metadata

import msgspec

from detector.core.detector import DetectorState
from detector.core.head import HeadSettings
from detector.core.level import LevelSettings
from detector.events import Detection, Gap, Scored
from detector.types import Count, PositiveInt

FORMAT = 1


class Change(msgspec.Struct, frozen=True):
    """The detector was changed between two samples."""

    at_sample: Count
    """Of the stream, skipped samples included: those before it were scored before the change."""
    n_skipped: Count | None = None
    """Samples that were lost, at a gap; 0 where nobody knows how many."""
    stride_factor: PositiveInt | None = None


class Flight(msgspec.Struct, frozen=True):
    """What was around a detection."""

    format: int
    reason: str
    saved_at: str
    model: str
    model_sha256: str
    words: list[str]
    thresholds: dict[str, float]
    state: DetectorState
    """At the first sample of the recording."""
    changes: list[Change]
    gaps: list[Gap]
    windows: list[Scored]
    detections: list[Detection]
    made_with: dict[str, str]
    """Machine and package versions: scores are equal to the bit on the same."""
    level: LevelSettings | None = None
    """The model's level rule; none: it had none then, and the recording is replayed without."""
    heads: dict[str, HeadSettings] = {}
    """Of models with learnt words, by the models' names: what was learnt since does not change a replay."""

    def find_sample(self, time_s: float, sample_rate_hz: int) -> int:
        """Return the sample of the recording at a time of the stream; samples that were lost are not in it."""
        at = round(time_s * sample_rate_hz)
        n_lost = sum(change.n_skipped or 0 for change in self.changes if change.at_sample < at)
        return at - self.state.n_samples - n_lost


def describe_machine() -> dict[str, str]:
    """Return what scores may depend on: machine and package versions."""
    versions = {"machine": platform.machine(), "python": platform.python_version()}
    for package in ("numpy", "ai-edge-litert", "tflite-runtime", "tensorflow"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[package] = metadata.version(package)
    return versions
