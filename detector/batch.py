"""One recording in, detections out, as fast as the machine can."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from detector.assembly import describe_stream
from detector.audio.sources import AudioSource
from detector.core.detector import Detector
from detector.events import Closed, Detection, Listener


def detect(source: AudioSource, detector: Detector, listener: Listener, *, source_id: str | None = None) -> int:
    """Detect in an open source to its end; return how many detections there were.

    `source_id` names the detector where several run.

    Raises
    ------
    DetectorError
        What the source raised.
    """
    listener.hear(describe_stream(detector, source.name, is_live=source.is_live, source_id=source_id))
    n_detections = 0
    for samples in _read(source, detector):
        for event in detector.events(samples):
            listener.hear(event)
            n_detections += isinstance(event, Detection)
    listener.hear(Closed(detector.n_samples))
    return n_detections


def _read(source: AudioSource, detector: Detector) -> Iterator[NDArray[np.int16]]:
    """Yield what the detector is fed: the source's samples, with losses between them, and the silence after them."""
    while (block := source.read()) is not None:
        if block.loss is not None:
            detector.skip(0)
        yield block.samples
    yield detector.silence_after()
