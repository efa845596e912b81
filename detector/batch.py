"""One recording in, detections or scores out, as fast as the machine can."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from os import PathLike
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detector.assembly import describe_stream
from detector.audio.recordings import Recording
from detector.audio.sources import AudioSource
from detector.core.detector import Detector, Thresholds, Words
from detector.events import Closed, Detection, Listener, Scored

BLOCK_S = 4.0
"""Detected in at once: nobody waits for what stands in it."""


class Scores(NamedTuple):
    """What a model's network gave for the windows of a recording, before any decision."""

    times_s: NDArray[np.float64]
    """Where each window ends, in seconds from the first sample, shape (n_windows,)."""
    scores: NDArray[np.float32]
    """In [0, 1], shape (n_windows, n_labels)."""
    labels: tuple[str, ...]


def detect_file(
    path: str | PathLike[str],
    model: str | Sequence[str] = "yes-no",
    *,
    words: Words = None,
    thresholds: Thresholds = None,
    false_accepts_per_hour: float | None = None,
) -> list[Detection]:
    """Return what is detected in a recording of any format, as `keyword-detector detect` prints it.

    Parameters
    ----------
    path : str or path
    model : str or sequence of str
        Name or path, or several, as of `load_model`.
    words, thresholds, false_accepts_per_hour
        As of `Detector.load`.

    Raises
    ------
    DetectorError
        If the recording cannot be read, or the model does not fit what is asked for.

    Examples
    --------
    >>> [one.keyword for one in detect_file("tests/recordings/demo.flac", words="no")]
    ['no', 'no', 'no', 'no']
    """
    detector = Detector.load(model, words=words, thresholds=thresholds, false_accepts_per_hour=false_accepts_per_hour)
    return [event for event in _detect_in(path, detector) if isinstance(event, Detection)]


def scores(path: str | PathLike[str], model: str | Sequence[str] = "yes-no") -> Scores:
    """Return the scores of all windows of a recording, to be drawn or studied; parameters as of `detect_file`.

    Raises
    ------
    DetectorError
        If the recording or the model cannot be read.

    Examples
    --------
    >>> times_s, values, labels = scores("tests/recordings/demo.flac")
    >>> values.shape == (len(times_s), len(labels))
    True
    """
    detector = Detector.load(model)
    windows = [event for event in _detect_in(path, detector) if isinstance(event, Scored)]
    manifest = detector.model.manifest
    values = np.array([window.scores for window in windows], dtype=np.float32).reshape(-1, len(manifest.labels))
    times_s = np.array([window.end_sample for window in windows]) / manifest.frontend.sample_rate_hz
    return Scores(times_s, values, tuple(manifest.labels))


def _detect_in(path: str | PathLike[str], detector: Detector) -> Iterator[Scored | Detection]:
    """Yield the scores and detections of a recording and of the silence after it."""
    rate_hz = detector.model.manifest.frontend.sample_rate_hz
    with Recording(path, sample_rate_hz=rate_hz, block_s=BLOCK_S) as source:
        for samples in _read(source, detector):
            yield from detector.events(samples)


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
