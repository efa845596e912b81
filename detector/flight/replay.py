"""Detects again, to the bit, in what the flight recorder kept."""

from __future__ import annotations

import errno
import logging
from pathlib import Path

import msgspec
import numpy as np
import soundfile
from numpy.typing import NDArray

from detector.core.detector import Detector
from detector.core.model import load_model
from detector.errors import AudioFileError, DetectorError, ModelMismatchError
from detector.events import Detection, Scored
from detector.files import open_regular, read_file
from detector.flight.format import FORMAT, Flight, describe_machine

log = logging.getLogger(__name__)

MOST_FLIGHT_BYTES = 2**28
"""Of the JSON file: an hour of windows takes 20 MB."""
MOST_S = 2 * 3600
"""Of sound: the ring holds an hour at most."""


def read_flight(file: Path) -> Flight:
    """Read the JSON file beside a kept recording.

    Raises
    ------
    AudioFileError
        If it is missing or not what the flight recorder writes.
    """
    if not file.name:
        raise AudioFileError(f"expected a recording of the flight recorder, found the folder {file}")
    path = file.with_suffix(".json")
    try:
        flight = msgspec.json.decode(read_file(path, MOST_FLIGHT_BYTES), type=Flight)
    except OSError as exc:
        raise AudioFileError(f"expected a recording of the flight recorder, found no {path} ({exc.strerror})") from exc
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise AudioFileError(f"expected a recording of the flight recorder, found {path}: {exc}") from exc
    if flight.format != FORMAT:
        raise AudioFileError(f"expected format {FORMAT} in {path}, found {flight.format}")
    return flight


def replay(file: Path, model_name: str | None) -> tuple[Detector, list[Detection]]:
    """Hear a kept recording again, from the state that the detector was in.

    Returns
    -------
    Detector
        The detector, as it is at the end.
    list of Detection
        Its detections, in the seconds of the stream that was recorded.

    Raises
    ------
    AudioFileError
        If the recording cannot be read.
    ModelMismatchError
        If the model is not the one of the recording, and no other was named.
    DetectorError
        If scores or detections differ now, although machine and packages are the same.
    """
    flight = read_flight(file)
    model = load_model(model_name or flight.model)
    if model_name is None:
        if model.manifest.sha256 != flight.model_sha256:
            raise ModelMismatchError(
                f"expected the '{flight.model}' that {file} was recorded with, found another of that name: choose one "
                "with --model"
            )
        model = model.with_heads(flight.heads)
        model.manifest = msgspec.structs.replace(model.manifest, level=flight.level)
    manifest = model.manifest
    path = file.with_suffix(".flac")
    samples = read_samples(file, manifest.frontend.sample_rate_hz)
    own = {word: limits.threshold for word, limits in manifest.decision.words.items()}
    others = {word: value for word, value in flight.thresholds.items() if own.get(word) != value}
    detector = Detector(model, words=flight.words, thresholds=others)
    detector.restore(flight.state)
    events: list[Scored | Detection] = []
    for change in flight.changes:
        n_before = change.at_sample - detector.n_samples
        if not 0 <= n_before <= len(samples):
            raise AudioFileError(f"expected changes in the order of the samples of {path}, found one out of it")
        events += detector.events(samples[:n_before])
        samples = samples[n_before:]
        if change.n_skipped is not None:
            detector.skip(change.n_skipped)
        if change.stride_factor is not None:
            detector.stride_factor = change.stride_factor
    events += detector.events(samples)
    windows = [event for event in events if isinstance(event, Scored)]
    detections = [event for event in events if isinstance(event, Detection)]
    if (windows, detections) == (flight.windows, flight.detections):
        log.info("%d windows and %d detections, all as they were", len(windows), len(detections))
    elif model_name is not None or describe_machine() != flight.made_with:
        log.warning("scores or detections differ, with another model, machine or versions: %s", flight.made_with)
    else:
        raise DetectorError(
            f"expected the scores and detections recorded with {file}, found other scores or detections"
        )
    return detector, detections


def read_samples(file: Path, sample_rate_hz: int) -> NDArray[np.int16]:
    """Return the sound of a kept recording, shape (n,).

    Raises
    ------
    AudioFileError
        If it cannot be read, or is not what the flight recorder writes.
    """
    path = file.with_suffix(".flac")
    try:
        return _read_sound(path, sample_rate_hz)
    except (soundfile.SoundFileError, OSError) as exc:
        raise AudioFileError(f"expected a recording of the flight recorder, found {path} unreadable: {exc}") from exc


def _read_sound(path: Path, sample_rate_hz: int) -> NDArray[np.int16]:
    with soundfile.SoundFile(open_regular(path), closefd=True) as sound:
        if (sound.channels, sound.samplerate) != (1, sample_rate_hz) or sound.frames > MOST_S * sample_rate_hz:
            found = f"{sound.channels} channels of {sound.frames} samples at {sound.samplerate} Hz"
            raise OSError(errno.EINVAL, f"{found}, not one at {sample_rate_hz} Hz")
        samples: NDArray[np.int16] = sound.read(dtype="int16")
        return samples
