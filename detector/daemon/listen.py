"""The listening loop: from a source through ring and detector to a listener, as the audio arrives."""

from __future__ import annotations

import time

from detector.assembly import describe_stream
from detector.audio.capture import Capture
from detector.audio.ring import RingBuffer, Taken
from detector.audio.sources import AudioSource
from detector.core.detector import Detector
from detector.events import Closed, Gap, GapCause, Listener, Opened, Progress
from detector.process.signals import StopFlag

RING_S = 1.0
"""Seconds that the ring holds: a detector that is later than this skips samples."""
WAIT_S = 0.2
"""The listening thread waits for samples for at most this long before it checks whether it should stop."""


def listen(
    source: AudioSource,
    detector: Detector,
    listener: Listener,
    *,
    stop: StopFlag,
    ring_s: float = RING_S,
    source_id: str | None = None,
) -> None:
    """Detect in a source as its audio arrives, until it ends or `stop` is set.

    `source_id` names the detector where several run.

    Raises
    ------
    DetectorError
        What the source raised; or `ThreadStuckError`, if its thread does not stop.
    """
    ring = RingBuffer(round(ring_s * detector.model.manifest.frontend.sample_rate_hz))
    opened: Opened | None = None
    n_skipped = 0
    try:
        with Capture(source, ring) as capture:
            while not stop.is_set():
                # One window an iteration, so that lateness, stop and watchdog are checked between any two.
                n_samples = detector.n_samples_to_next_window
                taken = ring.take(n_samples, WAIT_S, min_samples=n_samples)
                is_there = capture.is_open and not source.is_waiting
                is_first = opened is None and (is_there or len(taken.samples) > 0)
                is_other = opened is not None and is_there and source.name != opened.source
                if is_first or is_other:
                    opened = describe_stream(detector, source.name, is_live=source.is_live, source_id=source_id)
                    listener.hear(opened)
                if source.is_live:
                    capture.check(time.monotonic())
                for gap in _find_gaps(taken, detector):
                    listener.hear(gap)
                    detector.skip(gap.at_sample - detector.n_samples)
                for event in detector.events(taken.samples):
                    listener.hear(event)
                n_skipped += taken.n_skipped
                listener.hear(Progress(taken.samples, ring.end, taken.n_waiting, n_skipped))
                if taken.is_end:
                    capture.raise_failure()
                    break
            if not stop.is_set():
                silence = detector.silence_after()
                for event in detector.events(silence):
                    listener.hear(event)
                listener.hear(Progress(silence, ring.end, 0, n_skipped))
    finally:
        listener.hear(Closed(detector.n_samples, was_stopped=stop.is_set()))


def _find_gaps(taken: Taken, detector: Detector) -> list[Gap]:
    """Return the gaps before these samples, in order."""
    gaps = list(taken.gaps)
    if taken.n_skipped:
        position = detector.n_samples + taken.n_skipped
        gaps.append(Gap(position, GapCause.SKIP, taken.n_skipped / detector.model.manifest.frontend.sample_rate_hz))
    return gaps
