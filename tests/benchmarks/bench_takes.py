"""How well words are found in takes, how many good takes are refused, and how many bad ones are noticed.

python tests/benchmarks/bench_takes.py D

D holds wake_words/, speech_commands/ and noise/, as docs/evaluation.md has it. Bounds are compared with espeak-ng's, of
words and voices that no number was chosen on; the rest is people's recordings, spoilt in known ways. Nothing is fitted
here.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import soundfile

sys.path.insert(0, str(Path(__file__).parent.parent))

from spoken import RATE_HZ, record, say

from detector.audio.resample import resample
from detector.learn.judge import Judgement, judge
from detector.samples import to_int16
from training.evaluate.intervals import percents, proportion

TEXTS = ["orange", "hey marvin", "telescope", "kitchen", "seven", "stop it", "magnolia", "wake up pi", "left", "Merkur"]
VOICES = ["en-us+f1", "en-us+m5", "en-gb-x-rp+f4", "en-029", "de+f2", "en-gb-scotland"]
PACES = [120, 145, 175]
WITHIN_S = 0.1
EVERY = 3
"""Of the good recordings one in so many is spoilt."""

Good = tuple[np.ndarray, Judgement]


def main() -> None:
    """Print three tables."""
    data = Path(sys.argv[1])
    rng = np.random.default_rng(16)
    noises = {kind: read_all(data / "noise" / folder) for kind, folder in (("ambient", "ambient"), ("ESC-10", "esc10"))}
    print("found within 0.1 s at both ends", *measure_bounds(noises, rng), sep="\n")
    people = read_all(data / "wake_words")
    clips = [clip for folder in sorted((data / "speech_commands").glob("[a-z]*")) for clip in read_all(folder)[:30]]
    print("refused, warned of")
    for name, takes in (("3 s with room", people), ("clips of 1 s", clips)):
        print(describe(name, takes))
    good = [(take, judgement) for take in people if not (judgement := judge(take)).verdicts][::EVERY]
    for snr_db in (20, 10):
        print(describe(f"3 s at {snr_db} dB", [drown(*one, snr_db, noises["ambient"], rng) for one in good]))
    print("bad takes: refused, warned of")
    for name, takes in spoil(good, noises["ambient"], rng):
        print(describe(name, takes))


def read_all(folder: Path) -> list[np.ndarray]:
    """Return the recordings below a folder, int16."""
    return [soundfile.read(file, dtype="int16")[0] for file in sorted(folder.rglob("*.ogg"))]


def measure_bounds(noises: dict[str, list[np.ndarray]], rng: np.random.Generator) -> Iterator[str]:
    """Say words, put them into rooms, and compare what is found with what is known."""
    words = [say(text, voice=voice, words_per_minute=pace) for text in TEXTS for voice in VOICES for pace in PACES]
    for name, before_s, silence_s in (
        ("1 s of room around", 1.0, 0.0),
        ("0.5 s of room between digital silence", 0.5, 1.0),
        ("cut tight", 0.1, 0.0),
    ):
        for kind, snr_db in (("quiet", None), *((kind, snr_db) for kind in noises for snr_db in (20, 10))):
            n_found = 0
            for word in words:
                take = record(word, before_s=before_s, after_s=before_s)
                if snr_db is not None:
                    take = add_noise(take, 10 * np.log10(np.mean(word**2)) - snr_db, noises[kind], rng)
                silence = np.zeros(round(silence_s * RATE_HZ), dtype=np.int16)
                found = judge(np.concatenate((silence, take, silence))).word
                start = round((silence_s + before_s) * RATE_HZ)
                errors = (found.start - start, found.end - start - len(word)) if found else (RATE_HZ, RATE_HZ)
                n_found += max(map(abs, errors)) <= WITHIN_S * RATE_HZ
            condition = kind if snr_db is None else f"{kind} {snr_db} dB"
            yield f"  {name}, {condition}: {show(n_found, len(words))}"


def describe(name: str, takes: Sequence[np.ndarray]) -> str:
    """Return how many of some takes are refused, and of how many there is something to say."""
    judgements = [judge(take) for take in takes]
    n_refused = sum(judgement.refused is not None for judgement in judgements)
    n_warned = sum(judgement.refused is None and bool(judgement.verdicts) for judgement in judgements)
    return f"  {name}: {show(n_refused, len(takes))}, {show(n_warned, len(takes))}"


def spoil(
    good: Sequence[Good], noises: Sequence[np.ndarray], rng: np.random.Generator
) -> Iterator[tuple[str, list[np.ndarray]]]:
    """Yield the name of a fault and takes that have it."""

    def of_each(change: Callable[[np.ndarray, Judgement], np.ndarray]) -> list[np.ndarray]:
        return [change(take, judgement) for take, judgement in good]

    def cut(take: np.ndarray, judgement: Judgement, *, is_start: bool) -> np.ndarray:
        word = judgement.word
        at = round(word.start + rng.uniform(0.2, 0.8) * (word.end - word.start))
        return take[at:] if is_start else take[:at]

    yield "at -72 dBFS", of_each(lambda take, j: amplify(take, -72 - j.word.level_dbfs))
    yield "at -60 dBFS", of_each(lambda take, j: amplify(take, -60 - j.word.level_dbfs))
    yield "at 0 dB SNR", of_each(lambda take, j: drown(take, j, 0, noises, rng))
    yield "12 dB above full scale", of_each(lambda take, j: amplify(take, 12 - 20 * np.log10(j.word.peak)))
    yield "6 dB above full scale", of_each(lambda take, j: amplify(take, 6 - 20 * np.log10(j.word.peak)))
    yield "cut in the word, its start lost", of_each(lambda take, j: cut(take, j, is_start=True))
    yield "cut in the word, its end lost", of_each(lambda take, j: cut(take, j, is_start=False))
    yield "said 2.5 times as slowly", of_each(lambda take, _: stretch(take, 2.5))
    others = [*good[1:], good[0]]
    for pause_s in (0.5, 1.0):
        pairs = [join(one, other, pause_s) for one, other in zip(good, others, strict=True)]
        yield f"two recordings, {pause_s:g} s apart", pairs
    yield "said twice", [join(one, one, 0.7) for one in good]
    yield "noise alone", [cut_noise(3 * RATE_HZ, noises, rng).astype(np.int16) for _ in range(150)]
    yield "a quiet room", [record(after_s=2.0 + k / 50) for k in range(50)]


def join(one: Good, other: Good, pause_s: float) -> np.ndarray:
    """Return a recording with the words of two, at one level, and a quiet room between them."""
    (take, first), (then, second) = one, other
    margin = round(0.05 * RATE_HZ)
    louder = amplify(then, first.word.level_dbfs - second.word.level_dbfs)
    pause = record(before_s=0.0, after_s=max(0.0, pause_s - 0.1))
    return np.concatenate((take[: first.word.end + margin], pause, louder[max(0, second.word.start - margin) :]))


def drown(
    take: np.ndarray, judgement: Judgement, snr_db: float, noises: Sequence[np.ndarray], rng: np.random.Generator
) -> np.ndarray:
    """Return a take with noise so far below its word."""
    return add_noise(take, judgement.word.level_dbfs - snr_db, noises, rng)


def add_noise(
    take: np.ndarray, level_dbfs: float, noises: Sequence[np.ndarray], rng: np.random.Generator
) -> np.ndarray:
    """Return a take with a piece of noise, its root mean square at a level."""
    noise = cut_noise(len(take), noises, rng) / 32768
    return to_int16(take / 32768 + noise * 10 ** (level_dbfs / 20) / np.sqrt(np.mean(noise**2)))


def cut_noise(n_samples: int, noises: Sequence[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """Return a piece of a noise that is not silent."""
    while True:
        noise = np.resize(noises[int(rng.integers(len(noises)))], 5 * n_samples)
        piece = noise[(first := int(rng.integers(4 * n_samples))) : first + n_samples].astype(np.float64)
        if np.abs(piece).mean() > 3:
            return piece


def amplify(take: np.ndarray, gain_db: float) -> np.ndarray:
    """Return a take at another level; what exceeds full scale is clipped."""
    return to_int16(take / 32768 * 10 ** (gain_db / 20))


def stretch(take: np.ndarray, factor: float) -> np.ndarray:
    """Return a take that lasts longer."""
    return to_int16(resample((take / 32768).astype(np.float32), RATE_HZ, round(RATE_HZ * factor)))


def show(n_events: int, n_trials: int) -> str:
    """Return a share in percent with its interval."""
    rate = proportion(n_events, n_trials)
    value, low, high = percents(rate.value, rate.low, rate.high)
    return f"{value} % ({low}-{high})"


if __name__ == "__main__":
    main()
