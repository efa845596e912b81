"""A model's manifest, NAME.json: everything the detector knows of NAME.tflite.

The front end, the decision and the labels come from here and from nowhere else, so that a model always runs the way
it was trained and measured.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec

from detector.core.frontend import FrontendSettings
from detector.core.golden import GoldenVector
from detector.core.head import HeadSettings
from detector.core.level import LevelSettings
from detector.errors import ModelFormatError, ModelNotFoundError
from detector.files import read_file
from detector.text import is_printable
from detector.types import NotNegative, Positive, PositiveInt, Probability, Text

FORMAT_VERSION = 1
MOST_BYTES = 2**25
"""Of a manifest; the shipped ones take less than 100 kB."""

Seconds = Annotated[float, msgspec.Meta(gt=0, le=60)]
SmoothingWindows = Annotated[int, msgspec.Meta(ge=1, le=100)]
RefractorySeconds = Annotated[float, msgspec.Meta(ge=0, le=60)]


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of the manifest's parts: immutable, and strict about keys."""


class WordDecision(_Part, frozen=True, omit_defaults=True):
    """When a word is reported; what is None is as for all words of the model."""

    threshold: Annotated[float, msgspec.Meta(gt=0, le=1)]
    """Smoothed score at or above which the word is reported."""
    rearm: Annotated[float, msgspec.Meta(gt=0, lt=1)]
    """Smoothed score below which the word can be reported again; lower than the threshold (hysteresis)."""
    duration_s: Seconds
    """Median length of the word in the training recordings, for the estimate of its start."""
    smoothing_windows: SmoothingWindows | None = None
    refractory_s: RefractorySeconds | None = None
    model: Text | None = None
    """The model that the word is from, where several were combined."""

    def __post_init__(self) -> None:
        """Reject a re-arm level that is not below the threshold."""
        if self.rearm >= self.threshold:
            raise ValueError(f"rearm must be below the threshold {self.threshold:g}, found {self.rearm:g}")


class DecisionSettings(_Part, frozen=True):
    """How scores of consecutive windows become detections."""

    smoothing_windows: SmoothingWindows
    """Scores are averaged over this many consecutive windows."""
    refractory_s: RefractorySeconds
    """A word is not reported again for this long."""
    words: dict[str, WordDecision]

    @property
    def longest_smoothing(self) -> int:
        """The most scores that any word's average takes in."""
        return max(map(self.smoothing_of, self.words))

    def smoothing_of(self, word: str) -> int:
        """Return how many scores of a word are averaged."""
        return self.words[word].smoothing_windows or self.smoothing_windows

    def refractory_of(self, word: str) -> float:
        """Return for how long a word is not reported again, in seconds."""
        own = self.words[word].refractory_s
        return self.refractory_s if own is None else own


class OperatingPoint(_Part, frozen=True):
    """What one threshold costs; each rate with its 95 % interval."""

    threshold: Probability
    false_accepts_per_hour: NotNegative
    false_accepts_per_hour_interval: tuple[NotNegative, float]
    miss_rate: Probability
    miss_rate_interval: tuple[Probability, Probability]


class OperatingCurve(_Part, frozen=True):
    """Thresholds and what they cost, per word, once a model is calibrated."""

    measured_on: Text
    hours: Positive
    words: dict[str, list[OperatingPoint]]


class ClipAccuracy(_Part, frozen=True):
    """Share of clips given the right label, the mean over the labels."""

    accuracy: Probability
    interval: tuple[Probability, Probability]
    n_clips: PositiveInt
    measured_on: Text


class Manifest(_Part, frozen=True, omit_defaults=True):
    """NAME.json. What is at its default is not written, so that older detectors read what has none of the new parts."""

    format_version: int
    name: Text
    words: Annotated[tuple[Text, ...], msgspec.Meta(min_length=1)]
    labels: tuple[Text, ...]
    frontend: FrontendSettings
    window_s: Seconds
    stride_s: Seconds
    decision: DecisionSettings
    sha256: Text
    """Checksum of NAME.tflite, in hexadecimal."""
    golden: Annotated[tuple[GoldenVector, ...], msgspec.Meta(min_length=1)]
    level: LevelSettings | None = None
    """How quiet sound is raised before the network; none: it is not."""
    head: HeadSettings | None = None
    """How the words' scores follow from the network's outputs; none: the outputs are the scores of the labels."""
    clip_accuracy: ClipAccuracy | None = None
    operating_curve: OperatingCurve | None = None
    training: dict[str, Any] = {}
    """Provenance: data sets with licences and checksums, seed, commit, versions, settings."""

    def __post_init__(self) -> None:
        """Reject a manifest that contradicts itself.

        Raises
        ------
        ValueError
            If a field does not fit; the message names it.
        """
        if self.format_version != FORMAT_VERSION:
            raise ValueError(f"format_version must be {FORMAT_VERSION}, found {self.format_version}")
        if len(set(self.labels)) != len(self.labels):
            raise ValueError("labels must differ")
        for text in (self.name, *self.labels, *self.words, *map(self.model_of, self.decision.words)):
            if not is_printable(text):
                raise ValueError(f"expected a name, labels and words without control characters, found {text!r}")
        for word in self.words:
            if word not in self.labels:
                raise ValueError(f"every word must be a label, '{word}' is none")
        if set(self.decision.words) != set(self.words):
            raise ValueError("decision.words must name exactly the words of the model")
        if self.head is not None:
            self._check_head(self.head)
        check_timing(self.frontend, window_s=self.window_s, stride_s=self.stride_s)

    def _check_head(self, head: HeadSettings) -> None:
        if self.labels != self.words:
            raise ValueError(f"with a head the labels must be the words, found {', '.join(self.labels)}")
        if set(head.words) != set(self.words):
            raise ValueError("head.words must name exactly the words of the model")
        if any(vector.label for vector in self.golden):
            raise ValueError("with a head golden vectors are of an embedding and have no label, found one that has")

    def model_of(self, word: str) -> str:
        """Return the name of the model that a word is from: this one's, unless several were combined."""
        return self.decision.words[word].model or self.name

    @property
    def cautions(self) -> tuple[str, ...]:
        """What its training could not know of it, a line each, for people."""
        noted = self.training.get("cautions")
        return tuple(caution for caution in noted if isinstance(caution, str)) if isinstance(noted, list) else ()

    @property
    def window_samples(self) -> int:
        """Samples in one window."""
        return round(self.window_s * self.frontend.sample_rate_hz)

    @property
    def stride_samples(self) -> int:
        """Samples from the end of one window to the end of the next."""
        return round(self.stride_s * self.frontend.sample_rate_hz)

    @property
    def n_frames(self) -> int:
        """Frames in one window."""
        return self.frontend.count_frames(self.window_samples)


def check_timing(frontend: FrontendSettings, *, window_s: float, stride_s: float) -> None:
    """Reject a window without a frame, and a stride that is not a whole number of hops.

    Raises
    ------
    ValueError
        If one does not fit; the message names it.
    """
    stride_samples = round(stride_s * frontend.sample_rate_hz)
    if stride_samples < 1 or stride_samples % frontend.hop_samples:
        raise ValueError(f"stride_s must be a multiple of the hop {frontend.hop_s:g}, found {stride_s:g}")
    if frontend.count_frames(round(window_s * frontend.sample_rate_hz)) < 1:
        raise ValueError(f"window_s must hold at least one frame, found {window_s:g}")


def read_manifest(file: Path) -> Manifest:
    """Read and validate a manifest.

    Raises
    ------
    ModelNotFoundError
        If there is no such file.
    ModelFormatError
        If it is not a manifest of this version; the message names the field.
    """
    try:
        return msgspec.json.decode(read_file(file, MOST_BYTES), type=Manifest)
    except FileNotFoundError as exc:
        raise ModelNotFoundError(f"expected a manifest beside the model, found no {file}") from exc
    except OSError as exc:
        raise ModelFormatError(f"expected a manifest in {file}, found that it cannot be read ({exc.strerror})") from exc
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise ModelFormatError(f"expected a manifest in {file}, found: {exc}") from exc


def encode_manifest(manifest: Manifest) -> bytes:
    """Return the content of a manifest's file, indented for people to read."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"
