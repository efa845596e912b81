"""One recording in, detections out, as fast as the machine can."""

from __future__ import annotations

from detector.assembly import describe_stream
from detector.audio.sources import AudioSource
from detector.core.detector import Detector
from detector.events import Closed, Detection, Listener


def detect(source: AudioSource, detector: Detector, listener: Listener) -> int:
    """Detect in an open source to its end; return how many detections there were.

    Raises
    ------
    DetectorError
        What the source raised.
    """
    listener.hear(describe_stream(detector, source.name, is_live=source.is_live))
    n_detections = 0
    is_end = False
    while not is_end:
        block = source.read()
        is_end = block is None
        if block is not None and block.loss is not None:
            detector.skip(0)
        for event in detector.events(detector.silence_after() if block is None else block.samples):
            listener.hear(event)
            n_detections += isinstance(event, Detection)
    listener.hear(Closed(detector.n_samples))
    return n_detections
