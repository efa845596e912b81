"""Long recordings with known truth: composed from clips and running speech, and what a detector made of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import soundfile
from numpy.typing import NDArray
from tqdm import tqdm

from detector.detector import Detection, Detector
from detector.errors import AudioFileError, SettingsError
from detector.settings import Positive
from training.augment import Audio, add, cut, fade, noise_factor, rms
from training.dataset import NOISE, SPEECH, TRAINING, WORD, Item, WaveformStore, find_word, holds_any_word
from training.statistics import Rate, hourly_rate, proportion

VALID_AFTER_END_S = 0.75
"""A detection counts for a word from the word's start to this long after its end."""


class TruthWord(msgspec.Struct, frozen=True):
    """A word of a recording and where it stands."""

    word: str
    start_s: float
    end_s: float


class Truth(msgspec.Struct, frozen=True):
    """What is said in a recording."""

    words: list[TruthWord]
    hours: Positive


class StreamReport(msgspec.Struct, frozen=True):
    """What a detector made of a recording, event by event."""

    missed: Rate
    """Of the keywords said, those without a detection of their own."""
    wrong_word: Rate
    """Of the keywords said, those at which another keyword was detected."""
    duplicates: Rate
    """Of the keywords detected, second detections of the same one."""
    false_accepts: Rate
    """Detections where no keyword was said, per hour."""
    false_accepts_at: dict[str, int]
    """The same by the word that was said there; "" stands for none that the truth knows."""
    latency_s: dict[str, float]
    """From a word's end to its detection: quantiles p50 and p95."""
    by_word: dict[str, Rate]
    """Misses of each keyword."""

    def lines(self) -> list[str]:
        """Return the report for people to read."""
        at = ", ".join(f"{word or 'elsewhere'} {count}" for word, count in self.false_accepts_at.items())
        rows = []
        if self.missed.n_trials:
            rows = [
                f"missed: {self.missed.percent()}",
                *(f"  {word}: {rate.percent()}" for word, rate in self.by_word.items()),
                f"wrong word: {self.wrong_word.percent()}",
                f"detected twice: {self.duplicates.percent()}",
            ]
        rows += [
            f"false accepts: {self.false_accepts.per_hour()}" + (f": {at}" if at else ""),
        ]
        if self.latency_s:
            rows.append(f"delay after the word's end: {self.latency_s['p50']:.3f} s, p95 {self.latency_s['p95']:.3f} s")
        return rows


def compose_words(
    items: Sequence[Item],
    store: WaveformStore,
    *,
    split: str,
    n_words: int,
    gap_s: tuple[float, float],
    snr_db: float | None,
    sample_rate_hz: int,
    rng: np.random.Generator,
    only: Sequence[str] = (),
) -> tuple[NDArray[np.int16], Truth]:
    """Compose a stream of single words with pauses between them, every word equally often.

    Clips are added whole, with what surrounds the word in them, so that a pause is the distance of two words and not
    digital silence. Noise, if any, lies a constant number of dB below the words' mean level.
    """
    clips: dict[str, list[int]] = {}
    for position, item in enumerate(items):
        if item.kind == WORD and item.split == split and (not only or item.word in only):
            clips.setdefault(item.word, []).append(position)
    if not clips:
        raise SettingsError(f"expected word clips in the {split} split, found none")
    words = [str(word) for word in rng.permutation(sorted(clips))]
    order = [words[k % len(words)] for k in range(n_words)]
    rng.shuffle(order)
    remaining: dict[str, list[int]] = {}
    placed: list[tuple[Audio, int]] = []
    truth: list[TruthWord] = []
    levels: list[float] = []
    next_start = sample_rate_hz
    for word in order:
        if not remaining.get(word):
            remaining[word] = [int(position) for position in rng.permutation(clips[word])]
        samples = store[remaining[word].pop()]
        first, last = find_word(samples, sample_rate_hz)
        placed.append((fade(samples.astype(np.float32), sample_rate_hz // 50), next_start - first))
        levels.append(rms(samples[first:last].astype(np.float32)))
        end = next_start + last - first
        truth.append(TruthWord(word, next_start / sample_rate_hz, end / sample_rate_hz))
        next_start = end + round(rng.uniform(*gap_s) * sample_rate_hz)
    stream = np.zeros(next_start + 2 * sample_rate_hz, dtype=np.float32)
    for sound, start in placed:
        add(stream, sound, start)
    if snr_db is not None:
        stream += _noise_bed(items, store, len(stream), rng) * np.float32(
            noise_factor(float(np.mean(levels)), 1.0, snr_db)
        )
    stream += rng.standard_normal(len(stream), dtype=np.float32) * 2.0
    return _to_samples(stream), Truth(truth, len(stream) / sample_rate_hz / 3600.0)


def compose_speech(
    items: Sequence[Item],
    store: WaveformStore,
    *,
    split: str,
    without: Sequence[str],
    only: Sequence[str],
    sample_rate_hz: int,
) -> tuple[NDArray[np.int16], Truth]:
    """Compose running speech: the utterances of a split that hold none of some words, or one of some others.

    Where in an utterance a word stands is not known, so utterances with a keyword are left out, not aligned.
    """
    pause = np.zeros(sample_rate_hz // 2, dtype=np.int16)
    pieces = [np.zeros(sample_rate_hz, dtype=np.int16)]
    for position, item in enumerate(items):
        is_wanted = item.kind == SPEECH and item.split == split and not holds_any_word(item, without)
        if is_wanted and (not only or holds_any_word(item, only)):
            pieces += [store[position], pause]
    if len(pieces) == 1:
        raise SettingsError(f"expected utterances of running speech in the {split} split, found none that fit")
    stream = np.concatenate(pieces)
    return stream, Truth([], len(stream) / sample_rate_hz / 3600.0)


def _noise_bed(items: Sequence[Item], store: WaveformStore, n_samples: int, rng: np.random.Generator) -> Audio:
    """Return noise that is not trained on, in pieces of ten seconds, each of RMS 1."""
    noises = [
        position
        for position, item in enumerate(items)
        if item.kind == NOISE and item.split != TRAINING and store.is_audible(position)
    ]
    if not noises:
        raise SettingsError("expected noise recordings to mix in, found none: name a folder with --noise")
    piece_samples = 160000
    bed = np.zeros(n_samples, dtype=np.float32)
    for first in range(0, n_samples, piece_samples):
        piece = cut(store[int(rng.choice(noises))], piece_samples, rng)
        add(bed, piece / np.float32(max(1.0, rms(piece))), first)
    return bed


def _to_samples(stream: Audio) -> NDArray[np.int16]:
    return np.clip(np.rint(stream), -32768, 32767).astype(np.int16)


def write_stream(samples: NDArray[np.int16], truth: Truth, file: Path, sample_rate_hz: int) -> None:
    """Write a recording and, beside it with the ending .json, its truth."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(file, samples, sample_rate_hz, subtype="PCM_16")
    except (soundfile.SoundFileError, ValueError, TypeError) as exc:
        raise SettingsError(f"expected to write a recording such as stream.wav, found {file}: {exc}") from exc
    file.with_suffix(".json").write_bytes(msgspec.json.format(msgspec.json.encode(truth)))


def read_truth(file: Path) -> Truth:
    """Read a truth file.

    Raises
    ------
    AudioFileError
        If there is none.
    SettingsError
        If it is not a truth file.
    """
    try:
        return msgspec.json.decode(file.read_bytes(), type=Truth)
    except OSError as exc:
        raise AudioFileError(f"expected a truth file, found that {file} cannot be read ({exc.strerror})") from exc
    except msgspec.MsgspecError as exc:
        raise SettingsError(f"expected {{'words': [...], 'hours': H}} in {file}, found: {exc}") from exc


def detect_stream(detector: Detector, samples: NDArray[np.int16], *, show_progress: bool = False) -> list[Detection]:
    """Feed a whole recording, and a second of silence after it, as `keyword-detector detect` does."""
    rate_hz = detector.model.manifest.frontend.sample_rate_hz
    stream = np.concatenate((samples, np.zeros(rate_hz, dtype=np.int16)))
    detections: list[Detection] = []
    firsts: Any = range(0, len(stream), 10 * rate_hz)
    for first in tqdm(firsts, "listening", unit="10 s", disable=not show_progress):
        detections += detector.feed(stream[first : first + 10 * rate_hz])
    return detections


def judge(detections: Sequence[Detection], truth: Truth, words: Sequence[str]) -> StreamReport:
    """Compare detections with the truth.

    A spoken keyword absorbs one detection of itself, from its start to `VALID_AFTER_END_S` after its end. What is left
    belongs to the word that began last before it: a duplicate if that is the same keyword, a wrong word if it is
    another, a false accept if it is none.
    """
    spoken = sorted(truth.words, key=lambda word: word.start_s)
    keywords = [k for k, word in enumerate(spoken) if word.word in words]
    hits: dict[int, Detection] = {}
    wrong: set[int] = set()
    n_duplicates = 0
    false_at: dict[str, int] = {}
    for detection in sorted(detections, key=lambda detection: detection.time_s):
        near = [
            k for k, word in enumerate(spoken) if word.start_s <= detection.time_s <= word.end_s + VALID_AFTER_END_S
        ]
        free = [k for k in near if spoken[k].word == detection.keyword and k not in hits]
        if free:
            hits[free[0]] = detection
        elif near and spoken[near[-1]].word == detection.keyword:
            n_duplicates += 1
        elif near and near[-1] in keywords:
            wrong.add(near[-1])
        else:
            at = spoken[near[-1]].word if near else ""
            false_at[at] = false_at.get(at, 0) + 1
    delays = [detection.time_s - spoken[k].end_s for k, detection in hits.items()]
    return StreamReport(
        missed=proportion(len(keywords) - len(hits), len(keywords)),
        wrong_word=proportion(len(wrong), len(keywords)),
        duplicates=proportion(n_duplicates, n_duplicates + len(hits)),
        false_accepts=hourly_rate(sum(false_at.values()), truth.hours),
        false_accepts_at=dict(sorted(false_at.items())),
        latency_s={f"p{p}": float(np.percentile(delays, p)) for p in (50, 95)} if delays else {},
        by_word={
            word: proportion(
                sum(spoken[k].word == word and k not in hits for k in keywords),
                sum(spoken[k].word == word for k in keywords),
            )
            for word in words
        },
    )
