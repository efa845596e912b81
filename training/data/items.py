"""Recordings to train on: what is known of each, its split, and its samples, decoded once.

Where they are found is a matter of `training.data.layouts`.
"""

from __future__ import annotations

import enum
import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import numpy as np
import soundfile
from numpy.typing import NDArray
from tqdm import tqdm

from detector.audio.resample import resample
from detector.errors import AudioFileError, SettingsError
from detector.samples import to_float, to_int16


class Kind(enum.StrEnum):
    """What a recording is of."""

    WORD = "word"
    SPEECH = "speech"
    """Running speech."""
    NOISE = "noise"


class Split(enum.StrEnum):
    """What a recording is for; whole speakers, and sources of noise, are in one split."""

    TRAINING = "training"
    VALIDATION = "validation"
    TESTING = "testing"
    ALL = "all"
    """In place of a split: every recording, where no training was fed any of them."""


SPLITS = (Split.TRAINING, Split.VALIDATION, Split.TESTING)
SILENCE_FOLDER = "_silence_"
"""Of the test set that Speech Commands offers apart: no words."""
TFDS_RATE_HZ = 16000
"""Of the Speech Commands that TensorFlow Datasets prepares."""


class Item(msgspec.Struct, frozen=True):
    """One recording of the data set."""

    path: str
    kind: str
    """WORD, Kind.SPEECH or Kind.NOISE."""
    split: str
    word: str = ""
    speaker: str = ""
    transcript: str = ""
    """Upper-case words, where known."""
    span_s: tuple[float, float] | None = None
    """Which part of the file it is, in seconds; None: all of it."""
    record: tuple[int, int] | None = None
    """Where in a TFRecord file it lies, and how many bytes it has; None: the file is a recording."""
    folder: str = ""
    """The folder or table it was found in, as the settings name it."""


def choose_split(name: str, *, validation_percent: float = 10.0, testing_percent: float = 10.0) -> Split:
    """Return the split of a speaker by the official Speech Commands rule (Warden 2018, section 6).

    The SHA-1 of the name decides, so that a speaker never changes sides when recordings are added.
    """
    largest = 2**27 - 1
    percent = (int(hashlib.sha1(name.encode(), usedforsecurity=False).hexdigest(), 16) % (largest + 1)) * (
        100.0 / largest
    )
    if percent < validation_percent:
        return Split.VALIDATION
    return Split.TESTING if percent < validation_percent + testing_percent else Split.TRAINING


def describe_items(items: Sequence[Item]) -> list[str]:
    """Return a line for each kind of recording: how many there are in each split."""
    lines = []
    for kind in (Kind.WORD, Kind.SPEECH, Kind.NOISE):
        counts = Counter(item.split for item in items if item.kind == kind)
        speakers = {item.speaker for item in items if item.kind == kind}
        if counts:
            parts = ", ".join(f"{counts[split]} {split}" for split in SPLITS if counts[split])
            lines.append(f"{kind}: {parts}" + (f"; {len(speakers)} speakers" if kind != Kind.NOISE else ""))
    return lines


def holds_any_word(item: Item, words: Iterable[str]) -> bool:
    """Return whether an utterance's transcript holds one of some words."""
    return not set(item.transcript.split()).isdisjoint(word.upper() for word in words)


def read_recording(path: str, sample_rate_hz: int, span_s: tuple[float, float] | None = None) -> NDArray[np.int16]:
    """Decode a recording, or the part of it from one time to another: mono, at the given rate, int16.

    Raises
    ------
    AudioFileError
        If libsndfile cannot read it, it holds samples that are not finite, or it ends before the part begins.
    """
    start_s, end_s = span_s or (0.0, math.inf)
    if not Path(path).is_file():
        what = "a folder" if Path(path).is_dir() else "no such file"
        raise AudioFileError(f"expected an audio file, found {path} that cannot be read ({what})")
    try:
        with soundfile.SoundFile(path) as file:
            rate_hz, first = file.samplerate, round(start_s * file.samplerate)
            if span_s is not None and first >= file.frames:
                raise AudioFileError(
                    f"expected a part from {start_s:g} s on, found that {path} ends at {file.frames / rate_hz:g} s"
                )
            if first:
                file.seek(first)
            last = file.frames if end_s == math.inf else min(file.frames, round(end_s * rate_hz))
            samples = file.read(-1 if span_s is None else last - first, dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, OSError, TypeError) as exc:  # TypeError: a format without a header
        raise AudioFileError(f"expected an audio file, found {path} that cannot be read ({exc})") from exc
    if not np.isfinite(samples).all():
        raise AudioFileError(f"expected finite samples, found NaN or infinity in {path}")
    return to_int16(resample(samples.mean(axis=1), rate_hz, sample_rate_hz))


def read_record(file: Path, place: tuple[int, int]) -> bytes:
    """Return the bytes of a record."""
    with open(file, "rb") as opened:
        opened.seek(place[0])
        return opened.read(place[1])


def read_item(item: Item, sample_rate_hz: int) -> NDArray[np.int16]:
    """Decode what an item is: a recording, a part of one, or a record of TensorFlow Datasets, which are at 16 kHz.

    Raises
    ------
    AudioFileError
        As `read_recording` does.
    """
    if item.record is not None:
        from tensorflow.train import Example

        features = Example.FromString(read_record(Path(item.path), item.record)).features.feature
        values = np.array(features["audio"].int64_list.value, dtype=np.int16)
        return to_int16(resample(to_float(values), TFDS_RATE_HZ, sample_rate_hz))
    return read_recording(item.path, sample_rate_hz, item.span_s)


def digest(items: Iterable[Item]) -> Iterator[bytes]:
    """Yield the SHA-256 of each item's bytes, wherever they lie now, and of what part of them it is."""
    known = ""
    for item in items:
        if item.record is not None:
            yield hashlib.sha256(read_record(Path(item.path), item.record)).digest()
            continue
        if item.path != known:
            known, whole = item.path, hashlib.sha256(Path(item.path).read_bytes())
        yield (
            whole.digest()
            if item.span_s is None
            else hashlib.sha256(whole.digest() + repr(item.span_s).encode()).digest()
        )


def find_word(samples: NDArray[np.int16], sample_rate_hz: int, *, floor: float = 0.01) -> tuple[int, int]:
    """Return where the word of a clip begins and ends, in samples.

    The span from the first to the last 10 ms whose energy exceeds the part `floor` of the mean of the three loudest.
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


class WaveformStore:
    """The decoded recordings of a data set in one memory-mapped file, so that worker processes share them."""

    def __init__(self, file: Path) -> None:
        """Open a store that `build` has written."""
        self.file = file
        self._offsets: NDArray[np.int64] = np.load(file.with_suffix(".offsets.npy"))
        n_samples = int(self._offsets[-1])
        self._samples = np.memmap(file, np.int16, "r") if n_samples else np.empty(0, dtype=np.int16)
        if len(self._samples) != n_samples:
            raise SettingsError(f"expected {n_samples} samples in {file}, found {len(self._samples)}: delete this file")

    def __reduce__(self) -> tuple[type[WaveformStore], tuple[Path]]:
        """Go to another process as a file's name, not as its samples."""
        return type(self), (self.file,)

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def __getitem__(self, position: int) -> NDArray[np.int16]:
        """Return all samples of a recording, as a read-only view."""
        return self._samples[self._offsets[position] : self._offsets[position + 1]]

    @classmethod
    def build(cls, items: Sequence[Item], *, folder: Path, sample_rate_hz: int) -> WaveformStore:
        """Decode recordings into `folder`, or reuse what an earlier run decoded of the same, wherever they lay then."""
        fingerprint = hashlib.sha256(str(sample_rate_hz).encode())
        # Their times change whenever a folder is copied; reading 60,000 clips takes two seconds.
        for item_digest in digest(items):
            fingerprint.update(item_digest)
        file = folder / f"{fingerprint.hexdigest()[:16]}.int16"
        offsets_file = file.with_suffix(".offsets.npy")
        if not offsets_file.is_file():
            folder.mkdir(parents=True, exist_ok=True)
            offsets = [0]
            # Under other names until whole: another run may decode the same, and this one may be killed.
            with TemporaryDirectory(dir=folder) as partial, ThreadPoolExecutor() as pool:
                with open(Path(partial) / file.name, "wb") as out:
                    decoded = pool.map(lambda item: read_item(item, sample_rate_hz), items)
                    for samples in tqdm(decoded, "decoding", len(items), unit="file", disable=None):
                        out.write(samples.tobytes())
                        offsets.append(offsets[-1] + len(samples))
                np.save(Path(partial) / offsets_file.name, np.array(offsets))
                for written in (file, offsets_file):  # the offsets last: their presence says that the store is complete
                    (Path(partial) / written.name).replace(written)
        return cls(file)
