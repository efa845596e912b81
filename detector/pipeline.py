"""From a source to an output, by way of the detector: as it happens, or as fast as the machine can."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from detector.audio.capture import Capture
from detector.audio.ring import RingBuffer
from detector.audio.sources import AudioSource
from detector.detector import Detection, Detector
from detector.stopping import StopFlag

log = logging.getLogger(__name__)

RING_S = 10.0
"""Seconds that the ring holds: how late the detector may be before audio is lost."""
WAIT_S = 0.2
"""How long the listening thread sleeps at most before it looks whether it should stop."""
WARN_EVERY_S = 60.0
"""Gaps are logged at most this often, in seconds of audio; all are counted."""

Emit = Callable[[Detection], None]


@dataclass(frozen=True, slots=True)
class Heard:
    """What a detector has listened to."""

    n_samples: int
    """Samples that were listened to."""
    n_skipped: int
    """Samples that were lost because the detector was more than a ring late."""
    n_gaps: int
    """Places where samples were lost, there or on the way in."""


def listen(
    source: AudioSource,
    detector: Detector,
    emit: Emit,
    *,
    stop: StopFlag,
    on_open: Callable[[], None] = lambda: None,
    ring_s: float = RING_S,
) -> Heard:
    """Detect in a source as its audio arrives, until it ends or `stop` is set.

    Raises
    ------
    DetectorError
        What the source raised; or `ThreadStuckError`, if its thread does not stop.
    """
    rate_hz = detector.model.manifest.frontend.sample_rate_hz
    ring = RingBuffer(round(ring_s * rate_hz))
    n_skipped = n_gaps = 0
    warned_at_s = -WARN_EVERY_S
    with Capture(source, ring) as capture:
        while not capture.wait_until_open(WAIT_S):
            if stop.is_set():
                return Heard(0, 0, 0)
        if not stop.is_set() and not capture.has_failed:
            on_open()
        while not stop.is_set():
            taken = ring.take(rate_hz, WAIT_S, min_samples=detector.n_samples_to_next_window)
            if taken.is_after_gap:
                detector.skip(taken.n_skipped)
                n_skipped += taken.n_skipped
                n_gaps += 1
                if detector.n_samples / rate_hz - warned_at_s >= WARN_EVERY_S:
                    warned_at_s = detector.n_samples / rate_hz
                    log.warning(
                        "audio was lost, this machine is too busy: gap %d, %.2f s skipped", n_gaps, n_skipped / rate_hz
                    )
            for detection in detector.feed(taken.samples):
                emit(detection)
            if taken.is_end:
                capture.raise_failure()
                break
        heard = Heard(detector.n_samples - n_skipped, n_skipped, n_gaps)
        if not stop.is_set():
            _drain(detector, emit)
    return heard


def detect(source: AudioSource, detector: Detector, emit: Emit) -> None:
    """Detect in an open source to its end, as fast as it can be read.

    Raises
    ------
    DetectorError
        What the source raised.
    """
    while (block := source.read()) is not None:
        if block.is_after_gap:
            detector.skip(0)
        for detection in detector.feed(block.samples):
            emit(detection)
    _drain(detector, emit)


def _drain(detector: Detector, emit: Emit) -> None:
    """Feed a second of silence after the end, so that a last word is reported, if there were any samples."""
    if detector.n_samples == 0:
        return
    for detection in detector.feed(np.zeros(detector.model.manifest.frontend.sample_rate_hz, dtype=np.int16)):
        emit(detection)
