"""Whether a recording holds one whole word that can be learnt from, and if not, what to do about it."""

from __future__ import annotations

import enum
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.learn.measure import Measured, measure, to_db
from detector.learn.speech import HOP, RATE_HZ, Burst, Speech, find_speech

PAUSE_S = 0.35
"""Longer ones part two words. In 1,305 recordings of single words, 300 of espeak-ng's and at 20 dB SNR, none longer
than 0.3 s were found inside a word but before the release of a final "t"; between two words said in turn a person
leaves half a second and more."""
LONGEST_S = 1.2
"""What a word of one's own may last, of which the windows of a head cover all."""
TOLERANCE_S = 0.1
"""An echo makes a word longer by up to this much."""
SHORTEST_S = 0.1
"""What is shorter is a click."""
ANOTHER_S = 0.12
"""A second burst is another word if it lasts longer than this,"""
ANOTHER_SHARE = 0.15
"""and weighs at least so much of the first: what a breath, a click or a noise of the room seldom does."""
ALIKE = 0.75
"""Correlation of the bands of two bursts, stretched to the same length, above which they are one word said twice."""
LEAST_DBFS, LOW_DBFS = -66.0, -55.0
"""Levels of a word: below the first its faint sounds are lost in 16 bits, below the second it is quiet."""
LEAST_SNR_DB, LOW_SNR_DB = 7.0, 12.0
MOST_CLIPPED, SOME_CLIPPED = 0.01, 0.001
"""Of a word's samples."""
WHOLE_S = 1.2
"""A shorter recording was cut tight by somebody who knew where the word is, perhaps to the sample."""
EDGE_FRAMES = 3
EDGE_DB, TIGHT_EDGE_DB, ABOVE_NOISE_DB = 20.0, 8.0, 6.0
"""A word that is as loud as this, below its mean and above the noise, at the edge of a recording goes on beyond it."""
LONG_RECORDING_S = 10.0
"""What is longer is no take."""
SHAPE_FRAMES = 20


class Severity(enum.Enum):
    """Whether a recording can be used."""

    REFUSE = "refuse"
    WARN = "warn"


class Fault(enum.Enum):
    """What may be wrong with a take."""

    NOTHING = "nothing"
    FAINT = "faint"
    NOISY = "noisy"
    CLIPPED = "clipped"
    CUT_OFF = "cut off"
    SHORT = "short"
    LONG = "long"
    TWO_WORDS = "two words"
    REPEATED = "repeated"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Something that is wrong with a take."""

    fault: Fault
    severity: Severity
    text: str
    """What was expected, what was found, what to do, without the take's name."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is known of a take."""

    word: Measured | None
    """None where there is none."""
    verdicts: tuple[Verdict, ...] = ()

    @property
    def refused(self) -> Verdict | None:
        """The first reason not to use it."""
        return next((verdict for verdict in self.verdicts if verdict.severity is Severity.REFUSE), None)


def judge(samples: NDArray[np.int16]) -> Judgement:
    """Find the word in a recording at 16 kHz, shape (n,), and judge whether it can be learnt from.

    The word is the heaviest stretch of speech; another heavy one, after a pause, is a fault. Whether it is the word
    that was asked for cannot be known here.
    """
    if len(samples) > LONG_RECORDING_S * RATE_HZ:
        text = f"expected a take of at most {LONG_RECORDING_S:g} s, found a longer recording: cut the word out of it"
        return Judgement(None, (Verdict(Fault.LONG, Severity.REFUSE, text),))
    speech = find_speech(samples)
    phrases = _join(speech.bursts)
    if not phrases:
        return Judgement(None, (_describe_nothing(samples, speech),))
    main = max(phrases, key=lambda phrase: phrase.weight)
    word = measure(samples, speech, main)
    found = [
        *_judge_length(word),
        *_judge_edges(samples, speech, word),
        *_judge_others(speech, phrases, main),
        *_judge_level(word),
        *_judge_clipping(word),
    ]
    return Judgement(word, tuple(found))


def find_words(samples: NDArray[np.int16]) -> list[Burst]:
    """Return what may be words in a recording at 16 kHz, shape (n,), and is neither a click nor faint noise."""
    speech = find_speech(samples)
    return [
        burst
        for burst in speech.bursts
        if burst.end - burst.start >= SHORTEST_S * RATE_HZ and measure(samples, speech, burst).snr_db >= LEAST_SNR_DB
    ]


def _join(bursts: tuple[Burst, ...]) -> list[Burst]:
    """Return phrases: the heavy bursts, of which no long pause parts those of a phrase."""
    heaviest = max((burst.weight for burst in bursts), default=0.0)
    phrases: list[Burst] = []
    for burst in bursts:
        if burst.weight < ANOTHER_SHARE * heaviest:
            continue
        if phrases and burst.start - phrases[-1].end <= PAUSE_S * RATE_HZ:
            last = phrases.pop()
            phrases.append(Burst(last.start, burst.end, last.weight + burst.weight))
        else:
            phrases.append(burst)
    return phrases


def _describe_nothing(samples: NDArray[np.int16], speech: Speech) -> Verdict:
    if not len(speech.bands_db):
        text = f"expected a word, found a recording of {len(samples) / RATE_HZ:.2f} s: record all of the word"
    elif not samples.any():
        text = "expected a word, found digital silence: is the microphone muted, or another one meant?"
    elif (loudest_dbfs := to_db(float(np.quantile(speech.powers, 0.95)))) < LEAST_DBFS:
        text = (
            f"expected a word at {LOW_DBFS:g} dBFS or more, found nothing above {loudest_dbfs:.0f} dBFS: come closer "
            "to the microphone, or raise its level"
        )
    else:
        room_dbfs = to_db(float(np.median(speech.powers)))
        text = (
            f"expected a word, found nothing that stands out from the room's {room_dbfs:.0f} dBFS: say it louder, or "
            "closer to the microphone"
        )
    return Verdict(Fault.NOTHING, Severity.REFUSE, text)


def _judge_length(word: Measured) -> list[Verdict]:
    length_s = (word.end - word.start) / RATE_HZ
    if length_s < SHORTEST_S:
        text = f"expected a word, found a click of {length_s:.2f} s: say the word"
        return [Verdict(Fault.SHORT, Severity.REFUSE, text)]
    if length_s > LONGEST_S + TOLERANCE_S:
        text = (
            f"expected a word of at most {LONGEST_S:g} s, found {length_s:.1f} s of speech: say it alone, or "
            "choose a shorter one"
        )
        return [Verdict(Fault.LONG, Severity.REFUSE, text)]
    return []


def _judge_edges(samples: NDArray[np.int16], speech: Speech, word: Measured) -> list[Verdict]:
    """Find a word that goes on beyond its recording. One that was cut tight is given the benefit of the doubt."""
    n_samples = len(samples)
    is_tight = n_samples < WHOLE_S * RATE_HZ
    edge_dbfs = max(word.level_dbfs - (TIGHT_EDGE_DB if is_tight else EDGE_DB), word.noise_dbfs + ABOVE_NOISE_DB)
    edges = []
    if word.start < EDGE_FRAMES * HOP and to_db(float(speech.powers[:EDGE_FRAMES].mean())) > edge_dbfs:
        edges.append("start")
    if word.end > n_samples - EDGE_FRAMES * HOP and to_db(float(speech.powers[-EDGE_FRAMES:].mean())) > edge_dbfs:
        edges.append("end")
    if not edges:
        return []
    where = " and the ".join(edges)
    text = (
        f"expected a whole word with some quiet around it, found speech at the {where} of the recording: "
        f"{'check that nothing is cut off' if is_tight else 'say it again, not so close to the edge'}"
    )
    return [Verdict(Fault.CUT_OFF, Severity.WARN if is_tight else Severity.REFUSE, text)]


def _judge_others(speech: Speech, phrases: list[Burst], main: Burst) -> list[Verdict]:
    others = [other for other in phrases if other is not main and other.end - other.start > ANOTHER_S * RATE_HZ]
    if not others:
        return []
    pause_s = min(max(other.start - main.end, main.start - other.end) for other in others) / RATE_HZ
    if all(_compare(speech, main, other) > ALIKE for other in others):
        n_found = len(others) + 1
        text = f"expected the word once, found it {n_found} times with pauses of {pause_s:.1f} s: say it once a take"
        return [Verdict(Fault.REPEATED, Severity.REFUSE, text)]
    text = (
        f"expected one word, found {len(others) + 1} with pauses of {pause_s:.1f} s: say one word, or all of a phrase "
        "in one breath"
    )
    return [Verdict(Fault.TWO_WORDS, Severity.REFUSE, text)]


def _compare(speech: Speech, one: Burst, other: Burst) -> float:
    """Return how much two bursts are alike, from -1 to 1."""
    shapes = [_shape(speech.bands_db[phrase.start // HOP : phrase.end // HOP]) for phrase in (one, other)]
    return float(np.corrcoef(shapes[0], shapes[1])[0, 1])


def _shape(bands_db: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return bands over time, stretched to `SHAPE_FRAMES` frames, without their mean over time."""
    frames = np.round(np.linspace(0, len(bands_db) - 1, SHAPE_FRAMES)).astype(np.intp)
    stretched = bands_db[frames]
    shape: NDArray[np.float64] = (stretched - stretched.mean(axis=0)).ravel()
    return shape


def _judge_level(word: Measured) -> list[Verdict]:
    verdicts = []
    if word.level_dbfs < LOW_DBFS:
        severity = Severity.REFUSE if word.level_dbfs < LEAST_DBFS else Severity.WARN
        text = (
            f"expected a word at {LOW_DBFS:g} dBFS or more, found it at {word.level_dbfs:.0f} dBFS: come closer to the "
            "microphone, or raise its level"
        )
        verdicts.append(Verdict(Fault.FAINT, severity, text))
    if word.snr_db < LOW_SNR_DB:
        severity = Severity.REFUSE if word.snr_db < LEAST_SNR_DB else Severity.WARN
        text = (
            f"expected a word that is {LOW_SNR_DB:g} dB louder than the room's {word.noise_dbfs:.0f} dBFS, found it "
            f"{max(word.snr_db, 0.0):.0f} dB louder: say it louder, or where it is quieter"
        )
        verdicts.append(Verdict(Fault.NOISY, severity, text))
    return verdicts


def _judge_clipping(word: Measured) -> list[Verdict]:
    if word.clipped < SOME_CLIPPED:
        return []
    severity = Severity.REFUSE if word.clipped > MOST_CLIPPED else Severity.WARN
    text = (
        f"expected a word below full scale, found {100.0 * word.clipped:.1f} % of it clipped: lower the level of the "
        "microphone, or step back"
    )
    return [Verdict(Fault.CLIPPED, severity, text)]
