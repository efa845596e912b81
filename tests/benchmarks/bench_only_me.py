"""What `learn --only-me` costs and refuses, on people: one voice's word, said by it again and by everybody else.

    python tests/benchmarks/bench_only_me.py --data DIR --words zero,five,happy --takes 3 --speakers 13

DIR holds speech_commands/ (docs/evaluation.md). Of each of some speakers the first takes of a word are learnt from, as
the command does; it is then looked for in the speaker's other recordings, and in those of 60 other speakers, one each:
as they were recorded; with the spectrum of another microphone (of every recording a drawn one), since whoever recorded
for Speech Commands had a microphone of his own, and in a room all voices have the same; in noise 10 dB below it; and
between other words of whoever says it. A word counts as missed where it is not detected with the veto and is without
it, as refused likewise.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
import soundfile

from detector.core.head import HeadSettings
from detector.learn.augment import noise_factor, rms
from detector.learn.learn import learn
from detector.learn.rates import wilson
from detector.learn.resources import open_resources
from detector.learn.say import say_takes
from detector.learn.takes import Take, cut_take
from detector.learn.voice import N_OTHERS

RATE_HZ = 16000
N_STRANGERS = 60
MANNERS = ("recorded", "microphone", "noisy", "inside")
LATE = RATE_HZ // 2


def read(file: Path) -> np.ndarray:
    return soundfile.read(file, dtype="int16")[0]


def filter_as_microphone(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return samples with a drawn tilt, ripple and low cut: what differs between cheap microphones."""
    spectrum = np.fft.rfft(samples)
    octaves = np.log2(np.maximum(np.fft.rfftfreq(len(samples), 1 / RATE_HZ), 50.0) / 1000.0)
    gain_db = rng.uniform(-2, 2) * octaves - 10 * np.log10(1 + (rng.uniform(50, 200) / (1000 * 2.0**octaves)) ** 4)
    for _ in range(3):
        gain_db += rng.uniform(-2, 2) * np.cos(2 * np.pi * (rng.uniform(0.1, 0.4) * octaves + rng.uniform()))
    return np.fft.irfft(spectrum * 10 ** (gain_db / 20), len(samples))


class Bench:
    """Recordings of people by word and speaker."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.resources = open_resources()
        self.by_speaker: dict[str, dict[str, list[Path]]] = defaultdict(lambda: defaultdict(list))
        for folder in sorted((data / "speech_commands").iterdir()):
            for file in sorted(folder.glob("*_nohash_*")):
                self.by_speaker[file.stem.split("_")[0]][folder.name].append(file)

    def find_takes(self, speaker: str, word: str) -> list[tuple[Path, Take]]:
        """Return a speaker's recordings of a word that can be learnt from."""
        found = [(file, cut_take(read(file), file.stem)) for file in self.by_speaker[speaker][word]]
        return [(file, take) for file, take in found if isinstance(take, Take)]

    def place(self, file: Path, speaker: str, word: str, manner: str, rng: np.random.Generator) -> tuple | None:
        """Return the outputs of a stream with a recording's word in it, and in which windows it is looked for."""
        take = cut_take(read(file), file.stem)
        if not isinstance(take, Take):
            return None
        said = take.samples.astype(float)
        around = np.zeros(2 * RATE_HZ)
        before, after = around, around[:RATE_HZ]
        if manner == "inside":
            others = [f for w, files in self.by_speaker[speaker].items() if w != word for f in files]
            drawn = [read(others[int(k)]).astype(float) for k in rng.permutation(len(others))[:3]]
            tight = [
                clip.samples[clip.start : clip.end]
                for x in drawn
                for clip in [cut_take(x.astype(np.int16), "")]
                if isinstance(clip, Take)
            ]
            if len(tight) < 2:
                return None
            said = said[max(0, take.start - 480) : take.end + 480]
            level = rms(said)
            tight = [x * level / max(1.0, rms(x.astype(np.float32))) for x in tight]
            before, after = np.concatenate((around, *tight[:-1])), np.concatenate((tight[-1], around[:RATE_HZ]))
            end = len(before) + len(said) - 480
        else:
            end = len(before) + take.end
        if manner == "microphone":
            said = filter_as_microphone(said, rng)
        sound = np.concatenate((before, said, after))
        if manner == "noisy":
            noise = rng.standard_normal(len(sound))
            sound += noise * noise_factor(rms(said), rms(noise), 10.0)
        sound += rng.standard_normal(len(sound)) * 3
        outputs = self.resources.embedding.outputs(np.clip(sound, -32768, 32767).astype(np.int16))
        ends = self.resources.embedding.first_end + self.resources.embedding.stride * np.arange(len(outputs))
        return outputs, (ends >= end - (take.end - take.start)) & (ends <= end + LATE)

    def score(self, head: HeadSettings, outputs: np.ndarray, is_looked_at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the logits of a word, and of the voices that it is for, in the windows that are looked at."""
        network = self.resources.model.network
        silence = self.resources.model.readout.silence()[:1]
        padded = network.dequantize(np.concatenate((np.tile(silence, (head.taps[-1], 1)), outputs)))
        seen = np.concatenate([padded[head.taps[-1] - tap :][: len(outputs)] for tap in head.taps], axis=1)[
            is_looked_at
        ]
        word, voice = (
            np.max([seen @ np.array(unit.weights) + unit.bias for units in of.values() for unit in units], axis=0)
            for of in (head.words, head.voices)
        )
        return word, voice

    def measure(self, word: str, n_takes: int, n_speakers: int) -> None:
        """Learn a word from some speakers, one after the other, and print what the veto does."""
        rng = np.random.default_rng(2)
        speakers = [s for s, words in self.by_speaker.items() if len(words[word]) > n_takes]
        speakers = [s for s in speakers if len(self.find_takes(s, word)) > n_takes]
        speakers = [speakers[int(k)] for k in rng.permutation(len(speakers))[:n_speakers]]
        strangers = [s for s, words in self.by_speaker.items() if words[word] and s not in speakers]
        strangers = [strangers[int(k)] for k in rng.permutation(len(strangers))[:N_STRANGERS]]
        others = say_takes(word, n=N_OTHERS)
        foreign = {
            manner: [self.place(self.by_speaker[s][word][0], s, word, manner, rng) for s in strangers]
            for manner in MANNERS
        }
        costs, refused = (defaultdict(lambda: np.zeros(2, dtype=int)) for _ in "12")
        expected = []
        for speaker in speakers:
            found = self.find_takes(speaker, word)
            lesson = learn(word, [take for _, take in found[:n_takes]], resources=self.resources, others=others)
            expected.append((lesson.report.veto.misses, lesson.report.veto.refused_synthetic))
            for manner in MANNERS:
                own = [self.place(file, speaker, word, manner, rng) for file, _ in found[n_takes:]]
                for counts, streams in ((costs, own), (refused, foreign[manner])):
                    for stream in filter(None, streams):
                        said, let_through = self.score(lesson.manifest.head, *stream)
                        if said.max() >= 0.0:
                            counts[manner] += (np.minimum(said, let_through).max() < 0.0, 1)
        print(f"\n{word}, {n_takes} takes each of {len(speakers)} speakers, {len(strangers)} others")
        cost, share = np.mean(expected, axis=0)
        print(f"  expected: costs {100 * cost:.1f} %, refuses {100 * share:.0f} % of synthetic voices")
        for manner in MANNERS:
            lines = []
            for what, (n, of) in (("costs", costs[manner]), ("refuses", refused[manner])):
                low, high = wilson(int(n), int(of))
                lines.append(f"{what} {100 * n / max(1, of):.1f} % ({100 * low:.1f}-{100 * high:.1f}; {n} of {of})")
            print(f"  {manner:10} {', '.join(lines)}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--words", default="zero,five,happy")
    parser.add_argument("--takes", type=int, default=3)
    parser.add_argument("--speakers", type=int, default=13)
    options = parser.parse_args()
    bench = Bench(options.data)
    for word in options.words.split(","):
        bench.measure(word, options.takes, options.speakers)


if __name__ == "__main__":
    main()
