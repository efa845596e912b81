"""What a word that is learnt from a few recordings costs and misses, and whether `learn` promises what is measured.

    python tests/benchmarks/bench_learn.py --data DIR --words computer,jarvis --takes 3,5,10 --draws 20

DIR holds speech_commands/, librispeech/, ljspeech/, noise/ and wake_words/ (docs/evaluation.md). Each draw learns the
word from a few recordings of several people, as the command `learn` does, and looks for it in all others: said alone,
inside running speech at the same level without a pause, and in noise 10 dB below it. Each share of misses is given at
the threshold at which 1 false accept an hour of running speech and 3 an hour of single words (1,600 an hour) remain,
and at the model's own, with what it accepts falsely there. Nothing that is measured on was learnt from; the words of
Speech Commands are of validation speakers and were left out when the embedding was trained.
"""

from __future__ import annotations

import argparse
import re
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import soundfile

from detector.core.head import Head
from detector.learn.augment import add, cut, fade, noise_factor, rms
from detector.learn.learn import learn
from detector.learn.learner import WORDS_PER_HOUR
from detector.learn.rates import find_peaks, wilson
from detector.learn.resources import open_resources
from detector.learn.takes import read_takes
from training.data.decode import find_word
from training.data.items import Split, choose_split
from training.data.speech import read_transcripts
from training.embedding.bank import is_held

RATE_HZ = 16000
VALIDATION_SPEAKERS = ("7367", "118")
"""Of running speech; on two others the bank counts false accepts."""
MANNERS = ("alone", "inside", "noisy")
N_TESTED, N_WAKE_WORD_TAKES, CLIPS_PER_WORD = 150, 150, 110
LATE = RATE_HZ // 2
"""A detection up to so many samples after the word's end counts as one of it."""


def read(file: Path) -> np.ndarray:
    return soundfile.read(file, dtype="int16")[0]


def find_clips(data: Path, word: str) -> tuple[list[Path], list[Path]]:
    """Return the recordings of a word to take from, and those to look for it in, of other speakers where known."""
    folder = data / "speech_commands" / word
    if folder.is_dir():
        files = {split: [] for split in Split}
        for file in sorted(folder.iterdir()):
            files[choose_split(file.stem.split("_")[0])].append(file)
        return files[Split.TRAINING], files[Split.VALIDATION]
    files = sorted((data / "wake_words" / word).iterdir())
    order = np.random.default_rng(9).permutation(len(files))
    mixed = [files[int(k)] for k in order]
    return mixed[:N_WAKE_WORD_TAKES], mixed[N_WAKE_WORD_TAKES:]


class Bench:
    """Streams without and with a word, as the embedding hears them: once, whatever is then learnt."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.resources = open_resources()
        self.embedding = self.resources.embedding
        folders = [data / "librispeech" / speaker for speaker in VALIDATION_SPEAKERS] + [data / "ljspeech"]
        self.texts = {
            name: text.lower()
            for folder in folders
            for file in [*folder.glob("*.trans.txt"), *folder.glob("metadata.csv")]
            for name, text in read_transcripts(file).items()
        }
        files = [file for folder in folders for file in sorted(folder.glob("*.ogg"))]
        self.speech = [(file.stem, len(sound) / RATE_HZ, self.embed(sound)) for file in files for sound in [read(file)]]
        self.voice = np.concatenate([read(file) for file in files if file.stem.startswith(VALIDATION_SPEAKERS[0])])
        self.noise = np.concatenate([read(file) for file in sorted((data / "noise" / "ambient").rglob("*.ogg"))])
        rng = np.random.default_rng(0)
        self.single = []
        for folder in sorted((data / "speech_commands").iterdir()):
            tested = [] if folder.name.startswith("_") else find_clips(data, folder.name)[1]
            clips = [clip for clip in tested if not is_held(clip.stem.split("_")[0])]
            for k in rng.permutation(len(clips))[:CLIPS_PER_WORD]:
                quiet = [rng.standard_normal(n) * 3 for n in (14000, 12000)]
                sound = np.concatenate((quiet[0], read(clips[int(k)]), quiet[1])).astype(np.int16)
                self.single.append((folder.name, self.embed(sound)))

    def embed(self, samples: np.ndarray) -> np.ndarray:
        return self.embedding.outputs(samples)

    def say(self, file: Path, manner: str, rng: np.random.Generator) -> tuple[np.ndarray, int, int]:
        """Return a stream with a recording's word in it, and where the word is."""
        samples = read(file).astype(np.float32)
        start, end = find_word(samples.astype(np.int16), RATE_HZ)
        before = 24000
        canvas = np.concatenate((np.zeros(before), samples, np.zeros(10000))).astype(np.float32)
        start, end = start + before, end + before
        level = rms(canvas[start:end])
        if manner == "inside":
            word = fade(canvas[start - 300 : end + 300], 100)
            canvas = np.zeros_like(canvas)
            add(canvas, word, start - 300)
            for first, last in ((0, start - 400), (end + 400, len(canvas))):
                speech = cut(self.voice, last - first, rng)
                add(canvas, speech * np.float32(noise_factor(level, rms(speech), 0.0)), first)
        elif manner == "noisy":
            noise = cut(self.noise, len(canvas), rng)
            canvas += noise * np.float32(noise_factor(level, rms(noise), 10.0))
        canvas += rng.standard_normal(len(canvas), dtype=np.float32) * 3
        return self.embed(np.clip(canvas, -32768, 32767).astype(np.int16)), start, end

    def measure(self, word: str, n_takes: int, n_draws: int) -> None:
        """Learn a word some times from so many takes, and print what it misses."""
        pool, tested = find_clips(self.data, word)
        if (self.data / "speech_commands" / word).is_dir():
            tested = tested[:N_TESTED]
        rng = np.random.default_rng(1)
        said = {manner: [self.say(file, manner, rng) for file in tested] for manner in MANNERS}
        speech = [x for x in self.speech if not re.search(rf"\b{word}", self.texts.get(x[0], ""))]
        others = [embeddings for said_word, embeddings in self.single if said_word != word]
        hours = sum(length_s for _, length_s, _ in speech) / 3600
        missed, own = defaultdict(list), defaultdict(list)
        accepts, single_accepts, cpu_s, n_kept = [], [], [], 0
        for draw in range(n_draws):
            takes, order = [], np.random.default_rng([draw, n_takes]).permutation(len(pool))
            for k in order:
                takes += read_takes([pool[int(k)]])[0]
                if len(takes) == n_takes:
                    break
            began_s = time.process_time()
            lesson = learn(word, takes, resources=self.resources)
            cpu_s.append(time.process_time() - began_s)
            score = self.scorer(lesson.manifest.head)
            peaks = sorted((p for _, _, x in speech for p in find_peaks(score(x), 0.06)), reverse=True)
            single = sorted((float(score(x).max()) for x in others), reverse=True)
            strict = max(peaks[int(hours)], single[int(3 * len(single) / WORDS_PER_HOUR)])
            accepts.append(sum(peak >= 0.5 for peak in peaks) / hours)
            single_accepts.append(sum(peak >= 0.5 for peak in single) / len(single) * WORDS_PER_HOUR)
            for manner in MANNERS:
                highest = np.array([self.highest(score, *stream) for stream in said[manner]])
                missed[manner].append(int((highest <= strict).sum()))
                own[manner].append(int((highest < 0.5).sum()))
            promised, share = lesson.report.misses_interval, own["alone"][-1] / len(tested)
            n_kept += promised is None or promised[0] <= share <= promised[1]
        print(f"\n{word}, {n_takes} takes of several people, {n_draws} draws; looked for in {len(tested)} others")
        print(f"  {hours:.2f} h of speech, {len(single)} single words; learnt in {np.mean(cpu_s):.1f} s of CPU")
        for manner in MANNERS:
            total = n_draws * len(tested)
            low, high = wilson(sum(missed[manner]), total)
            print(
                f"  {manner:7} missed at 1 false accept an hour {100 * sum(missed[manner]) / total:5.1f} % "
                f"({100 * low:.1f}-{100 * high:.1f}; draws up to {100 * max(missed[manner]) / len(tested):.0f} %), "
                f"at its own threshold {100 * sum(own[manner]) / total:5.1f} %"
            )
        print(
            f"  its own threshold: {np.mean(accepts):.1f} false accepts an hour of speech, "
            f"{np.mean(single_accepts):.1f} of single words; misses as promised in {n_kept} of {n_draws} draws",
            flush=True,
        )

    def scorer(self, settings):
        """Return what scores all windows of a stream."""
        network = self.resources.model.network
        (units,) = settings.words.values()
        head = Head(settings.taps, [units], scale=network.output_scale, zero_point=network.output_zero)
        silence = np.tile(self.resources.model.readout.silence()[:1], (settings.n_strides - 1, 1))

        def score(outputs: np.ndarray) -> np.ndarray:
            padded = np.concatenate((silence, outputs))
            windows = range(len(outputs))
            return np.array([head.score(padded[k : k + settings.n_strides])[0] for k in windows], dtype=np.float32)

        return score

    def highest(self, score, outputs: np.ndarray, start: int, end: int) -> float:
        """Return the highest score from a word's start to half a second after its end."""
        ends = self.embedding.first_end + self.embedding.stride * np.arange(len(outputs))
        return float(score(outputs)[(ends >= start) & (ends <= end + LATE)].max())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--words", default="computer,jarvis")
    parser.add_argument("--takes", default="3,5,10")
    parser.add_argument("--draws", type=int, default=20)
    options = parser.parse_args()
    bench = Bench(options.data)
    for word in options.words.split(","):
        for n_takes in options.takes.split(","):
            bench.measure(word, int(n_takes), options.draws)


if __name__ == "__main__":
    main()
