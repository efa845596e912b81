"""What is learnt from the flight recorder: what a word was detected in falsely, and where it was said and missed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detector.core.detector import Detector
from detector.core.model import Model
from detector.errors import SettingsError
from detector.events import Detection, Scored
from detector.flight.format import Flight
from detector.learn.judge import LONG_RECORDING_S, LONGEST_S, PAUSE_S, TOLERANCE_S, Fault, find_words
from detector.learn.material import Sound
from detector.learn.speech import RATE_HZ, Burst
from detector.learn.takes import AROUND_S, Refusal, Take, cut_take

BEFORE_S, AFTER_S = 3.0, 0.6
"""Of what is around a false detection: all that its score followed from, which is two seconds and its average, and the
rest of what was said: cut off in its midst it would be another word."""
LEAST_BEFORE_S = 1.2
"""A window, and some more."""
CONTEXT_S = 2.0
"""A head looks back so far."""
LATE_S = 0.12
"""After the end of a word its score is highest."""
LONGEST_SAMPLES = round((LONGEST_S + TOLERANCE_S) * RATE_HZ)
"""Of a take's word."""
AGAIN_S = 0.5
"""A word that was detected is not looked for until so long after its detection."""


def find_detections(flight: Flight, words: Sequence[str]) -> list[Detection]:
    """Return the detections of some words in a recording, in order.

    Raises
    ------
    SettingsError
        If there is none.
    """
    found = [detection for detection in flight.detections if detection.keyword in words]
    if not found:
        others = ", ".join(sorted({detection.keyword for detection in flight.detections})) or "nothing"
        wanted = f"one of {', '.join(words)}" if words else "a learnt word, and there is none"
        raise SettingsError(f"expected a recording in which {wanted} was detected, found {others} in it")
    return found


def cut_false_alarm(file: Path, flight: Flight, samples: NDArray[np.int16], detection: Detection) -> Sound:
    """Return what a word was detected in, of the samples of a recording, shape (n,).

    It begins after the detection before, which may have been a right one, as far as a second and more is left.
    """
    at = flight.find_sample(detection.time_s, RATE_HZ)
    first = at - round(BEFORE_S * RATE_HZ)
    for other in flight.detections:
        if other.keyword == detection.keyword and other.time_s < detection.time_s:
            first = max(first, flight.find_sample(other.time_s, RATE_HZ))
    first = max(0, min(first, at - round(LEAST_BEFORE_S * RATE_HZ)))
    return Sound(samples[first : max(0, at) + round(AFTER_S * RATE_HZ)].copy(), _name(file, at))


def cut_missed(
    file: Path, flight: Flight, samples: NDArray[np.int16], model: Model, word: str, *, last_s: float | None = None
) -> Take | Refusal:
    """Cut a word out of a recording in which it was said and not detected, or say why that cannot be done.

    It is what the word's score is highest at, and stands out as speech.

    Parameters
    ----------
    file : Path
    flight : Flight
    samples : ndarray of int16, shape (n,)
        Of the recording.
    model : Model
        Of the word.
    word : str
    last_s : float, optional
        Only the last so many seconds are looked at.
    """
    first = 0 if last_s is None else max(0, len(samples) - round(last_s * RATE_HZ))
    taboo = [
        (flight.find_sample(found.start_s, RATE_HZ), flight.find_sample(found.time_s + AGAIN_S, RATE_HZ))
        for found in flight.detections
        if found.keyword == word
    ]
    phrases = _join(find_words(samples[first:]), first)
    candidates = [
        phrase
        for phrase in phrases
        if phrase.end - phrase.start <= LONGEST_SAMPLES
        and not any(phrase.start < end and start < phrase.end for start, end in taboo)
    ]
    if not candidates:
        source = _name(file, first)
        text = f"expected '{word}', found no word that stands alone and was not detected: choose another"
        return Refusal(source, f"{source}: {text}", Fault.NOTHING)
    peak = _find_peak(samples, model, word, first) - round(LATE_S * RATE_HZ)
    chosen = min(candidates, key=lambda phrase: abs(phrase.end - peak))
    around, longest = round(AROUND_S * RATE_HZ), round(LONG_RECORDING_S * RATE_HZ)
    edges = [edge for phrase in phrases if phrase is not chosen for edge in (phrase.start, phrase.end)]
    start = max([0, chosen.start - around, *(edge for edge in edges if edge <= chosen.start)])
    end = min([len(samples), chosen.end + around, start + longest, *(edge for edge in edges if edge >= chosen.end)])
    return cut_take(samples[start:end], _name(file, chosen.start))


def _find_peak(samples: NDArray[np.int16], model: Model, word: str, first: int) -> int:
    """Return the sample, from `first` on, at which the score of a word is highest for the first time."""
    before = max(0, first - round(CONTEXT_S * RATE_HZ))
    detector, place = Detector(model), model.manifest.labels.index(word)
    events = detector.events(samples[before:]) + detector.events(detector.silence_after())
    scores = [(event.scores[place], event.end_sample + before) for event in events if isinstance(event, Scored)]
    return max((one for one in scores if one[1] >= first), key=lambda one: (one[0], -one[1]), default=(0.0, first))[1]


def _join(bursts: Sequence[Burst], first: int) -> list[Burst]:
    """Return phrases, whose pauses are short and which are no longer than a word may be, `first` samples further on."""
    phrases: list[Burst] = []
    for burst in bursts:
        last = phrases[-1] if phrases else None
        if (
            last is not None
            and burst.start + first - last.end <= PAUSE_S * RATE_HZ
            and burst.end + first - last.start <= LONGEST_SAMPLES
        ):
            phrases[-1] = Burst(last.start, burst.end + first, last.weight + burst.weight)
        else:
            phrases.append(Burst(burst.start + first, burst.end + first, burst.weight))
    return phrases


def _name(file: Path, at: int) -> str:
    """Return what a person calls a place in a recording."""
    return f"{file.stem} at {max(0, at) / RATE_HZ:.2f} s"
