"""From a source to an output, by way of the detector: as it happens, or as fast as the machine can."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import numpy as np

from detector.audio.capture import Capture
from detector.audio.ring import RingBuffer
from detector.audio.sources import AudioSource
from detector.detector import Detection, Detector

log = logging.getLogger(__name__)

RING_S = 10.0
"""Seconds that the ring holds: how late the detector may be before audio is lost."""
WAIT_S = 0.2
"""How long the listening thread sleeps at most before it looks whether it should stop."""

Emit = Callable[[Detection], None]


def listen(
    source: AudioSource, detector: Detector, emit: Emit, *, stop: threading.Event, ring_s: float = RING_S
) -> int:
    """Detect in an open source as its audio arrives, until it ends or `stop` is set.

    Returns
    -------
    int
        Samples that were lost because the detector was more than a ring late.

    Raises
    ------
    DetectorError
        What the source raised; or `ThreadStuckError`, if its thread does not stop.
    """
    rate_hz = detector.model.manifest.frontend.sample_rate_hz
    ring = RingBuffer(round(ring_s * rate_hz))
    n_lost = 0
    with Capture(source, ring) as capture:
        while not stop.is_set():
            taken = ring.take(rate_hz, WAIT_S)
            if taken.n_skipped:
                n_lost += taken.n_skipped
                log.warning("this machine is too slow: %.2f s of audio were skipped", taken.n_skipped / rate_hz)
            if taken.is_after_gap:
                detector.skip(taken.n_skipped)
            for detection in detector.feed(taken.samples):
                emit(detection)
            if taken.is_end:
                capture.raise_failure()
                _drain(detector, emit)
                break
    return n_lost


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
