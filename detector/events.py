"""Whatever happens while the detector listens, as values: an event is a noun that encodes itself.

Whoever acts on events is a `Listener`, with one method. The order of one turn: what was lost (`Gap`), then what was
found in the samples (`Scored` for each window, `Detection`), then `Progress` with the samples themselves.

Times in an event are samples of the stream, skipped ones included: the wall clock is the output's business.
"""

from __future__ import annotations

import enum
from datetime import datetime
from typing import Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from detector.text import encode_json


class Event(msgspec.Struct, frozen=True):
    """Base of all events: immutable, safe between threads."""

    def encode(self, stream: Opened, at: datetime | None = None) -> str:
        """Return the event as one line of JSON, without its end.

        Parameters
        ----------
        stream : Opened
            The stream that it is of: model, source and sample rate.
        at : datetime, optional
            Wall clock, with its time zone; None where the time of day means nothing (recordings).
        """
        fields = self.describe(stream)
        fields["at"] = None if at is None else at.isoformat(timespec="milliseconds")
        fields["model"], fields["source"] = self.model_in(stream), stream.source
        if stream.source_id is not None:
            fields["source_id"] = stream.source_id
        return encode_json(fields)

    def describe(self, stream: Opened) -> dict[str, Any]:
        """Return the event's own keys and values: times in seconds of the stream."""
        raise NotImplementedError

    def model_in(self, stream: Opened) -> str:
        """Return the name of the model that it is of."""
        return stream.model


class Opened(Event, frozen=True):
    """A source is open, or another has taken its place, or the settings of the detector have changed."""

    source: str
    """What a person calls it: a path, a device."""
    is_live: bool
    """Sound is handed over as it happens, so that the time of day means something."""
    model: str
    runtime: str
    """The TFLite runtime that computes the scores."""
    sample_rate_hz: int
    thresholds: dict[str, float]
    """The words listened for, and the score from which on each is reported."""
    source_id: str | None = None
    """Name of the detector, where a user has given it one, to tell several apart."""
    models: dict[str, str] = {}
    """The model that a word is from, where several listen as one."""
    labels: tuple[str, ...] = ()
    """What each score of a window is of."""
    checksums: dict[str, str] = {}
    """SHA-256 of the network of each model, in hexadecimal, by the model's name."""

    def describe(self, stream: Opened) -> dict[str, Any]:
        """Return words and their thresholds, runtime and rate."""
        del stream
        fields = {"event": "opened", "thresholds": self.thresholds, "runtime": self.runtime}
        return fields | {"sample_rate_hz": self.sample_rate_hz}


class Scored(Event, frozen=True, array_like=True):
    """The network has scored a window."""

    end_sample: int
    """Where the window ends."""
    scores: list[float]
    """In [0, 1], in the order of the model's labels."""

    def describe(self, stream: Opened) -> dict[str, Any]:
        """Return the window's end and its scores."""
        return {
            "event": "scored",
            "time_s": round(self.end_sample / stream.sample_rate_hz, 6),
            "scores": [round(score, 4) for score in self.scores],
        }


class Detection(Event, frozen=True):
    """A keyword was detected."""

    keyword: str
    score: float
    """Average score of the windows that decided, 0 to 1."""
    time_s: float
    """Seconds from the first sample of the stream to the end of the window in which the decision stood."""
    start_s: float
    """Estimated start of the word, in seconds from the first sample: when a window first held the whole word, minus
    the word's usual length."""

    def describe(self, stream: Opened) -> dict[str, Any]:
        """Return the detection as the contract has it: no key "event"."""
        del stream
        return {
            "keyword": self.keyword,
            "score": round(self.score, 4),
            "time_s": round(self.time_s, 6),
            "start_s": round(self.start_s, 6),
        }

    def model_in(self, stream: Opened) -> str:
        """Return the name of the model that the keyword is from."""
        return stream.models.get(self.keyword, stream.model)


class GapCause(enum.Enum):
    """Why audio is missing."""

    OVERFLOW = "overflow"
    """Nobody fetched samples in time, and they were dropped."""
    SKIP = "skip"
    """The detector was too late and skipped samples that had arrived."""
    RECONNECT = "reconnect"
    """The source was lost and came back."""
    DRIFT = "drift"
    """Fewer or more samples came than the clock says should have, and nothing reported a loss."""


class Gap(Event, frozen=True):
    """A discontinuity: what precedes a sample in the stream is not what preceded it in the world.

    Reported before the detector skips to `at_sample`.
    """

    at_sample: int
    """Position of the first sample after it, counted from the first of the source, skipped ones included."""
    cause: GapCause
    lost_s: float | None = None

    def describe(self, stream: Opened) -> dict[str, Any]:
        """Return cause, place and length."""
        return {
            "event": "gap",
            "cause": self.cause.value,
            "time_s": round(self.at_sample / stream.sample_rate_hz, 6),
            "at_sample": self.at_sample,
            "lost_s": None if self.lost_s is None else round(self.lost_s, 3),
        }


class Condition(enum.Enum):
    """How hearing stands."""

    STARTING = "starting"
    """No window was scored yet."""
    LISTENING = "listening"
    SILENT = "silent"
    """Digital silence, or a level below any microphone's own noise: muted?"""
    QUIET = "quiet"
    """The loudest sound is faint: a microphone without a level control, or one that is turned down."""
    CLIPPING = "clipping"
    """The level is too high: loud sound is cut off."""
    DEAF = "deaf"
    """No samples arrive, and nothing says why; or so few of them that no window can be scored."""
    RECOVERING = "recovering"
    """The microphone is lost and waited for."""


class State(Event, frozen=True):
    """How hearing stands has changed."""

    condition: Condition
    stride_factor: int = 1
    """Windows are this many of the model's strides apart."""
    before: Condition | None = None
    """The condition that ended; None where only the stride has changed."""
    detail: str = ""
    """What a person may want to know of the condition: numbers, as far as there are any."""

    def describe(self, stream: Opened) -> dict[str, Any]:
        """Return condition, the one before, stride and, where there is one, the detail."""
        del stream
        before = None if self.before is None else self.before.value
        fields = {"event": "state", "state": self.condition.value, "before": before}
        return fields | {"stride_factor": self.stride_factor} | ({"detail": self.detail} if self.detail else {})


class StatusReport(Event, frozen=True, kw_only=True):
    """What a running daemon has done since its start, or since the report before where that is stated."""

    condition: Condition
    uptime_s: float
    processed_s: float
    """Of audio."""
    decisions_per_s: float
    """Since the report before."""
    n_windows_dropped: int
    """Windows' worth of audio that a late detector has skipped."""
    n_widened: int
    """How often windows were set further apart, because the machine was too slow for the moment."""
    gaps: dict[str, int]
    """How many of each cause."""
    lost_s: float
    n_lines_dropped: int
    """Lines of output that nobody took."""
    detections: dict[str, int]
    """Of each word."""
    cpu_percent: float
    """Of one core, since the report before."""
    memory_mb: float
    """Resident, in 10^6 bytes."""
    outputs: dict[str, dict[str, int]] = {}
    """What each output beside the console has done, failed at and dropped, by its name."""

    def describe(self, stream: Opened) -> dict[str, Any]:
        """Return all of it; outputs where there are any."""
        del stream
        fields = {
            "event": "status",
            "state": self.condition.value,
            "uptime_s": round(self.uptime_s, 1),
            "processed_s": round(self.processed_s, 1),
            "decisions_per_s": round(self.decisions_per_s, 2),
            "windows_dropped": self.n_windows_dropped,
            "windows_widened": self.n_widened,
            "gaps": self.gaps,
            "lost_s": round(self.lost_s, 3),
            "lines_dropped": self.n_lines_dropped,
            "detections": self.detections,
            "cpu_percent": round(self.cpu_percent, 2),
            "memory_mb": round(self.memory_mb, 1),
        }
        return fields | ({"outputs": self.outputs} if self.outputs else {})


class Progress(Event, frozen=True, eq=False):
    """A turn of the listening loop is over: several times a second, whether samples came or not."""

    samples: NDArray[np.int16]
    """What the detector was fed in this turn, shape (n,)."""
    n_captured: int
    """Samples that the source has delivered so far."""
    n_waiting: int
    """Those of them that were waiting when `samples` were taken, these included."""
    n_skipped: int
    """Samples that were skipped so far, because the detector was late."""

    def describe(self, stream: Opened) -> dict[str, Any]:
        """Return what was captured, waits and was skipped, in seconds, without the samples."""
        rate_hz = stream.sample_rate_hz
        return {
            "event": "progress",
            "captured_s": round(self.n_captured / rate_hz, 3),
            "waiting_s": round(self.n_waiting / rate_hz, 3),
            "skipped_s": round(self.n_skipped / rate_hz, 3),
        }


class Asked(Event, frozen=True):
    """Somebody asks for what is around this moment to be kept."""

    reason: str

    def describe(self, stream: Opened) -> dict[str, Any]:
        """Return the reason."""
        del stream
        return {"event": "asked", "reason": self.reason}


class Closed(Event, frozen=True):
    """Nothing more will happen in this stream."""

    n_samples: int
    """Of the stream, skipped ones included."""
    was_stopped: bool = False
    """Somebody asked for the end, before the source had one."""

    def describe(self, stream: Opened) -> dict[str, Any]:
        """Return the stream's length."""
        return {"event": "closed", "time_s": round(self.n_samples / stream.sample_rate_hz, 6)}


class Listener(Protocol):
    """Acts on events."""

    def hear(self, event: Event) -> None:
        """Take an event; whatever does not concern the listener is ignored."""
