"""From a source to an output, by way of the detector: as it happens, or as fast as the machine can."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from detector.audio.capture import Capture
from detector.audio.gaps import Gap, GapCause
from detector.audio.ring import RingBuffer, Taken
from detector.audio.sources import AudioSource
from detector.core.detector import Detection, Detector
from detector.process.signals import StopFlag

RING_S = 1.0
"""Seconds that the ring holds: how late the detector may be before it passes over what it is late for."""
WAIT_S = 0.2
"""How long the listening thread sleeps at most before it looks whether it should stop."""

Emit = Callable[[Detection], None]


class Listener(Protocol):
    """Who is told what happens while a detector listens, in the thread that listens."""

    def on_open(self) -> None:
        """Take note that the source is open."""

    def on_audio(self, samples: NDArray[np.int16], gaps: Sequence[Gap], n_skipped: int) -> None:
        """Take note of what the detector is about to be told: of gaps, then of samples, shape (n,)."""

    def on_detection(self, detection: Detection) -> None:
        """Take a detection."""

    def on_gap(self, gap: Gap) -> None:
        """Take note of lost audio."""

    def on_progress(self, progress: Progress) -> None:
        """Look around: several times a second, whether samples came or not."""


@dataclass(frozen=True, slots=True)
class Progress:
    """What has come about since the last."""

    samples: NDArray[np.int16]
    """Shape (n,)."""
    n_captured: int
    """Samples that the source has delivered so far."""
    n_waited: int
    """Those of them that were waiting to be heard when `samples` were taken, these included."""
    n_skipped: int
    """Those of them that were passed over so far."""


def listen(
    source: AudioSource, detector: Detector, listener: Listener, *, stop: StopFlag, ring_s: float = RING_S
) -> None:
    """Detect in a source as its audio arrives, until it ends or `stop` is set.

    Raises
    ------
    DetectorError
        What the source raised; or `ThreadStuckError`, if its thread does not stop.
    """
    rate_hz = detector.model.manifest.frontend.sample_rate_hz
    ring = RingBuffer(round(ring_s * rate_hz))
    n_skipped, is_open = 0, False
    with Capture(source, ring) as capture:
        while not stop.is_set():
            # One window a turn, so that lateness, stop and signs of life are looked at between any two.
            n_samples = detector.n_samples_to_next_window
            taken = ring.take(n_samples, WAIT_S, min_samples=n_samples)
            if not is_open and capture.is_open and not source.is_waiting:
                is_open = True
                listener.on_open()
            if source.is_live:
                capture.check(time.monotonic())
            gaps = _find_gaps(taken, detector)
            listener.on_audio(taken.samples, gaps, taken.n_skipped)
            if gaps:
                detector.skip(taken.n_skipped)
                n_skipped += taken.n_skipped
            for gap in gaps:
                listener.on_gap(gap)
            for detection in detector.feed(taken.samples):
                listener.on_detection(detection)
            listener.on_progress(Progress(taken.samples, ring.end, taken.n_waiting, n_skipped))
            if taken.is_end:
                capture.raise_failure()
                break
        if not stop.is_set():
            silence = _silence_after(detector)
            listener.on_audio(silence, [], 0)
            for detection in detector.feed(silence):
                listener.on_detection(detection)


def _find_gaps(taken: Taken, detector: Detector) -> list[Gap]:
    """Return what was lost before these samples."""
    gaps = list(taken.gaps)
    if taken.n_skipped:
        position = detector.n_samples + taken.n_skipped
        gaps.append(Gap(position, GapCause.SKIP, taken.n_skipped / detector.model.manifest.frontend.sample_rate_hz))
    return gaps


def detect(source: AudioSource, detector: Detector, emit: Emit) -> int:
    """Detect in an open source to its end, as fast as it can be read; return how many detections there were.

    Raises
    ------
    DetectorError
        What the source raised.
    """
    n_detections = 0
    while (block := source.read()) is not None:
        if block.loss is not None:
            detector.skip(0)
        for detection in detector.feed(block.samples):
            emit(detection)
            n_detections += 1
    for detection in detector.feed(_silence_after(detector)):
        emit(detection)
        n_detections += 1
    return n_detections


def _silence_after(detector: Detector) -> NDArray[np.int16]:
    """Return what is heard after the end, so that a last word is reported: a second, if there were any samples."""
    n_samples = detector.model.manifest.frontend.sample_rate_hz if detector.n_samples else 0
    return np.zeros(n_samples, dtype=np.int16)
