"""From a source to an output, by way of the detector: as it happens, or as fast as the machine can."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from detector.audio.capture import Capture
from detector.audio.gaps import Gap, GapCause, GapLedger
from detector.audio.ring import RingBuffer, Taken
from detector.audio.sources import AudioSource
from detector.detector import Detection, Detector
from detector.stopping import StopFlag

log = logging.getLogger(__name__)

RING_S = 1.0
"""Seconds that the ring holds: how late the detector may be before it passes over what it is late for."""
WAIT_S = 0.2
"""How long the listening thread sleeps at most before it looks whether it should stop."""
WARN_EVERY_S = 60.0
"""Gaps are logged at most this often, in seconds of audio; all are counted."""

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


@dataclass(frozen=True, slots=True)
class Heard:
    """What a detector has listened to."""

    n_samples: int
    """Samples that were listened to."""
    gaps: GapLedger
    """What was lost."""


def listen(
    source: AudioSource, detector: Detector, listener: Listener, *, stop: StopFlag, ring_s: float = RING_S
) -> Heard:
    """Detect in a source as its audio arrives, until it ends or `stop` is set.

    Raises
    ------
    DetectorError
        What the source raised; or `ThreadStuckError`, if its thread does not stop.
    """
    rate_hz = detector.model.manifest.frontend.sample_rate_hz
    ring = RingBuffer(round(ring_s * rate_hz))
    losses = _Losses(detector, listener)
    is_open = False
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
            gaps = losses.find(taken)
            listener.on_audio(taken.samples, gaps, taken.n_skipped)
            losses.account(gaps, taken.n_skipped)
            for detection in detector.feed(taken.samples):
                listener.on_detection(detection)
            listener.on_progress(Progress(taken.samples, ring.end, taken.n_waiting, losses.n_skipped))
            if taken.is_end:
                capture.raise_failure()
                break
        heard = Heard(detector.n_samples - losses.n_skipped, losses.ledger)
        if not stop.is_set():
            silence = _silence_after(detector)
            listener.on_audio(silence, [], 0)
            for detection in detector.feed(silence):
                listener.on_detection(detection)
    return heard


class _Losses:
    """What a detector is told of lost audio, and who else."""

    def __init__(self, detector: Detector, listener: Listener) -> None:
        self.ledger = GapLedger()
        self.n_skipped = 0
        self._detector = detector
        self._listener = listener
        self._rate_hz = detector.model.manifest.frontend.sample_rate_hz
        self._warned_at_s = -WARN_EVERY_S

    def find(self, taken: Taken) -> list[Gap]:
        """Return what was lost before these samples."""
        gaps = list(taken.gaps)
        if taken.n_skipped:
            position = self._detector.n_samples + taken.n_skipped
            gaps.append(Gap(position, GapCause.SKIP, taken.n_skipped / self._rate_hz))
        return gaps

    def account(self, gaps: Sequence[Gap], n_skipped: int) -> None:
        """Tell the detector, and others, of gaps."""
        if not gaps:
            return
        self._detector.skip(n_skipped)
        self.n_skipped += n_skipped
        for gap in gaps:
            self.ledger.add(gap)
            self._listener.on_gap(gap)
        # A source that comes back says so itself.
        is_news = any(gap.cause is not GapCause.RECONNECT for gap in gaps)
        now_s = self._detector.n_samples / self._rate_hz
        if is_news and now_s - self._warned_at_s >= WARN_EVERY_S:
            self._warned_at_s = now_s
            log.warning("audio was lost, this machine may be too busy: %s so far", self.ledger.describe())


def detect(source: AudioSource, detector: Detector, emit: Emit) -> None:
    """Detect in an open source to its end, as fast as it can be read.

    Raises
    ------
    DetectorError
        What the source raised.
    """
    while (block := source.read()) is not None:
        if block.loss is not None:
            detector.skip(0)
        for detection in detector.feed(block.samples):
            emit(detection)
    for detection in detector.feed(_silence_after(detector)):
        emit(detection)


def _silence_after(detector: Detector) -> NDArray[np.int16]:
    """Return what is heard after the end, so that a last word is reported: a second, if there were any samples."""
    n_samples = detector.model.manifest.frontend.sample_rate_hz if detector.n_samples else 0
    return np.zeros(n_samples, dtype=np.int16)
