"""From a file to samples: mono, int16, at the rate asked for."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detector.audio.decoder import open_sound, read_mono
from detector.audio.resample import resample
from detector.errors import AudioFileError
from detector.samples import to_float, to_int16
from detector.types import Channel
from training.data.items import Item
from training.data.tfds import TFDS_RATE_HZ, read_clip

DECODED_FORMAT = 1
"""To be raised with whatever changes a decoded sample: a store of another number is not reused. A golden test
sees to it."""


def read_recording(
    path: str, sample_rate_hz: int, span_s: tuple[float, float] | None = None, *, channel: Channel = "auto"
) -> NDArray[np.int16]:
    """Decode a recording, or the part of it from one time to another: mono, at the given rate, int16.

    Raises
    ------
    AudioFileError
        If it cannot be decoded, holds samples that are not finite, or it ends before the part begins.
    """
    (samples,) = read_parts(path, sample_rate_hz, [span_s], channel=channel)
    if isinstance(samples, AudioFileError):
        raise samples
    return samples


def read_parts(
    path: str, sample_rate_hz: int, spans_s: Sequence[tuple[float, float] | None], *, channel: Channel = "auto"
) -> list[NDArray[np.int16] | AudioFileError]:
    """Decode parts of a recording, which is read once; an error in place of each that begins after its end.

    Raises
    ------
    AudioFileError
        If it cannot be decoded, or holds samples that are not finite.
    """
    with open_sound(path) as sound:
        spans = [_to_samples(span_s, sound.rate_hz) for span_s in spans_s]
        last_of_all = max(last for _, last in spans)
        pieces: list[list[NDArray[np.float32]]] = [[np.empty(0, dtype=np.float32)] for _ in spans]
        position = 0
        for mono in read_mono(sound, channel, path):
            end = position + len(mono)
            for k, (first, last) in enumerate(spans):
                if first < end and last > position:
                    pieces[k].append(mono[max(0, first - position) : max(0, min(end, last) - position)])
            position = end
            if position >= last_of_all:
                break
        parts: list[NDArray[np.int16] | AudioFileError] = []
        for k, span_s in enumerate(spans_s):
            if span_s is not None and spans[k][0] >= position:
                end_s = position / sound.rate_hz
                parts.append(
                    AudioFileError(f"expected a part from {span_s[0]:g} s on, found that {path} ends at {end_s:g} s")
                )
            else:
                parts.append(to_int16(resample(np.concatenate(pieces[k]), sound.rate_hz, sample_rate_hz)))
        return parts


def _to_samples(span_s: tuple[float, float] | None, rate_hz: int) -> tuple[int, int]:
    start_s, end_s = span_s or (0.0, math.inf)
    return round(start_s * rate_hz), sys.maxsize if end_s == math.inf else round(end_s * rate_hz)


def read_item(item: Item, sample_rate_hz: int, *, channel: Channel = "auto") -> NDArray[np.int16]:
    """Decode what an item is: a recording, a part of one, or a record of TensorFlow Datasets, which are at 16 kHz.

    Raises
    ------
    AudioFileError
        As `read_recording` does.
    """
    if item.record is not None:
        clip = read_clip(Path(item.path), item.record)
        return to_int16(resample(to_float(clip), TFDS_RATE_HZ, sample_rate_hz))
    return read_recording(item.path, sample_rate_hz, item.span_s, channel=channel)


def find_word(samples: NDArray[np.int16], sample_rate_hz: int, *, floor: float = 0.01) -> tuple[int, int]:
    """Return where the word of a clip begins and ends, in samples.

    The span from the first to the last 10 ms whose energy exceeds the part `floor` of the mean of the three loudest.
    Composed streams define a word's end so. Where noise lies above that part it finds the whole clip;
    `detector.learn.speech` then still finds the word.
    """
    step = sample_rate_hz // 100
    n_steps = len(samples) // step
    if n_steps == 0:
        return 0, len(samples)
    steps = samples[: n_steps * step].reshape(n_steps, step).astype(np.float64)
    energy = (steps**2).mean(axis=1)
    loud = np.flatnonzero(energy > floor * np.sort(energy)[-3:].mean())
    if loud.size == 0:
        return 0, len(samples)
    return int(loud[0]) * step, (int(loud[-1]) + 1) * step
