"""Recordings to train on: finding them, splitting them by speaker, decoding them once.

Three kinds of folders are understood, with any file type that libsndfile reads:

- word clips in the Speech Commands layout, `WORD/SPEAKER_nohash_N.EXT`, with `_background_noise_/`; also one folder
  further down, as torchaudio and TensorFlow Datasets unpack them;
- running speech in LibriSpeech's layout (`SPEAKER/.../SPEAKER-*.EXT`, `*.trans.txt`) or LJ Speech's (`metadata.csv`);
- noise: every recording below a folder.

A speaker, and a source of noise, is in one split only.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import NamedTemporaryFile

import msgspec
import numpy as np
import soundfile
from numpy.typing import NDArray
from tqdm import tqdm

from detector.audio.resample import resample
from detector.errors import AudioFileError, SettingsError
from detector.samples import to_int16
from training.settings import TrainSettings

TRAINING, VALIDATION, TESTING = "training", "validation", "testing"
SPLITS = (TRAINING, VALIDATION, TESTING)
WORD, SPEECH, NOISE = "word", "speech", "noise"
NOISE_FOLDER = "_background_noise_"
EXTENSIONS = frozenset(f".{name.lower()}" for name in soundfile.available_formats()) | {".opus", ".oga", ".aif"}


class Item(msgspec.Struct, frozen=True):
    """One recording of the data set."""

    path: str
    kind: str
    """WORD, SPEECH or NOISE."""
    split: str
    word: str = ""
    speaker: str = ""
    transcript: str = ""
    """Upper-case words, where known."""


def choose_split(name: str, *, validation_percent: float = 10.0, testing_percent: float = 10.0) -> str:
    """Return the split of a speaker by the official Speech Commands rule (Warden 2018, section 6).

    The SHA-1 of the name decides, so that a speaker never changes sides when recordings are added.
    """
    largest = 2**27 - 1
    percent = (int(hashlib.sha1(name.encode(), usedforsecurity=False).hexdigest(), 16) % (largest + 1)) * (
        100.0 / largest
    )
    if percent < validation_percent:
        return VALIDATION
    return TESTING if percent < validation_percent + testing_percent else TRAINING


def find_recordings(folder: Path) -> list[Path]:
    """Return the audio files below a folder, sorted."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in EXTENSIONS and not path.name.startswith(".") and path.is_file()
    )


def _check_folder(name: str) -> Path:
    folder = Path(name)
    if not folder.is_dir():
        raise SettingsError(f"expected a folder of recordings, found no folder {folder}")
    return folder


def _find_some_recordings(name: str) -> list[Path]:
    paths = find_recordings(_check_folder(name))
    if not paths:
        raise SettingsError(f"expected recordings below {name}, found none")
    return paths


def index_words(name: str) -> Iterator[Item]:
    """Find the word clips of a folder in the Speech Commands layout.

    Raises
    ------
    SettingsError
        If there is no such folder, or no word clip in it.
    """
    root = _check_folder(name)
    while not any("_nohash_" in path.name for path in root.glob("*/*")):
        below = [path for path in root.iterdir() if path.is_dir() and any(path.glob("*/*"))]
        if len(below) != 1:
            raise SettingsError(f"expected WORD/SPEAKER_nohash_N.wav below {root}, found none: is it Speech Commands?")
        root = below[0]
    listed: dict[str, str] = {}
    for split in (VALIDATION, TESTING):
        list_file = root / f"{split}_list.txt"
        if list_file.is_file():
            lines = list_file.read_text(encoding="utf-8").splitlines()
            listed |= {line.strip().rpartition(".")[0]: split for line in lines if line.strip()}
    for folder in sorted(path for path in root.iterdir() if path.is_dir() and path.name != NOISE_FOLDER):
        for path in find_recordings(folder):
            speaker = re.sub(r"_nohash_.*$", "", path.stem)
            split = listed.get(f"{folder.name}/{path.stem}", TRAINING) if listed else choose_split(speaker)
            yield Item(path=str(path), kind=WORD, split=split, word=folder.name, speaker=speaker)


def index_noise(name: str) -> Iterator[Item]:
    """Find the recordings of noise below a folder; one source in five is for validation.

    The source is the file's name without a last `-part` that is no number, nor ESC-50's take and class
    (`1-211527-A-10`): cuts of one recording stay together, numbered recordings do not.

    Raises
    ------
    SettingsError
        If there is no such folder, or no recording in it.
    """
    for path in _find_some_recordings(name):
        source = re.sub(r"-(?!\d+$)[^-]*$", "", re.sub(r"^(\d-\d+-[A-Z])-\d+$", r"\1", path.stem))
        split = choose_split(source, validation_percent=20.0, testing_percent=0.0)
        yield Item(path=str(path), kind=NOISE, split=split, speaker=source)


def index_speech(name: str, validation_speakers: Sequence[str]) -> Iterator[Item]:
    """Find the utterances of running speech below a folder.

    A speaker is set aside for validation when named, or, if none is named, by `choose_split`; if that chooses none of
    several, the first of them is.

    Raises
    ------
    SettingsError
        If there is no such folder, or no recording in it.
    """
    root, paths = Path(name), _find_some_recordings(name)
    metadata = root / "metadata.csv"
    files = [*root.rglob("*.trans.txt"), *([metadata] if metadata.is_file() else [])]
    transcripts = {utterance: text for file in files for utterance, text in read_transcripts(file).items()}
    speakers = [root.resolve().name if metadata.is_file() else path.stem.split("-")[0] for path in paths]
    set_aside = set(validation_speakers)
    if not validation_speakers:
        set_aside = {speaker for speaker in speakers if choose_split(speaker, testing_percent=0.0) == VALIDATION}
        if not set_aside and len(set(speakers)) > 1:
            set_aside = {min(speakers)}
    for path, speaker in zip(paths, speakers, strict=True):
        split = VALIDATION if speaker in set_aside else TRAINING
        words = find_words(transcripts.get(path.stem, ""))
        yield Item(path=str(path), kind=SPEECH, split=split, speaker=speaker, transcript=" ".join(words))


def read_transcripts(file: Path) -> dict[str, str]:
    """Return what is said in each utterance that a LibriSpeech `*.trans.txt` or an LJ Speech `metadata.csv` lists."""
    lines = file.read_text(encoding="utf-8").splitlines()
    if file.name == "metadata.csv":
        rows = [line.split("|") for line in lines]
        return {row[0]: row[-1] for row in rows}
    return dict(line.split(" ", 1) for line in lines if " " in line)


def find_words(text: str) -> list[str]:
    """Return the words of a text in upper case, without digits and punctuation."""
    return re.findall(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)*", text.upper())


def index_folders(
    *,
    data: Sequence[str],
    noise: Sequence[str],
    speech: Sequence[str],
    validation_speakers: Sequence[str],
    synthetic: Sequence[str] = (),
) -> list[Item]:
    """Find all recordings of some folders, in an order that does not depend on the file system.

    Raises
    ------
    SettingsError
        If a folder is missing or not of its kind.
    """
    words = [item for name in data for item in index_words(name)]
    # Versions 0.01 and 0.02 of Speech Commands share clips: the same name under the same word is the same recording.
    unique = {(item.word, Path(item.path).stem): item for item in reversed(words)}
    items = sorted(unique.values(), key=lambda item: (item.word, item.path))
    for name in synthetic:
        items += [msgspec.structs.replace(item, split=TRAINING) for item in index_words(name)]
    for name in data:
        for folder in sorted(Path(name).rglob(NOISE_FOLDER)):
            items += index_noise(str(folder))
    for name in noise:
        items += index_noise(name)
    for name in speech:
        items += index_speech(name, validation_speakers)
    speakers = {item.speaker for item in items if item.kind == SPEECH}
    for speaker in validation_speakers:
        if speaker not in speakers:
            raise SettingsError(
                f"expected validation speakers of the running speech, found no recording of '{speaker}'"
            )
    return items


def describe_items(items: Sequence[Item]) -> list[str]:
    """Return a line for each kind of recording: how many there are in each split."""
    counts = Counter((item.kind, item.split) for item in items)
    return [
        f"{kind}: " + ", ".join(f"{counts[kind, split]} {split}" for split in SPLITS if counts[kind, split])
        for kind in (WORD, SPEECH, NOISE)
        if any(counts[kind, split] for split in SPLITS)
    ]


def index(settings: TrainSettings) -> list[Item]:
    """Find all recordings of a run.

    Raises
    ------
    SettingsError
        If a folder is missing or a keyword has no clips.
    """
    items = index_folders(
        data=settings.data,
        noise=settings.noise,
        speech=settings.speech,
        validation_speakers=settings.validation_speakers,
        synthetic=settings.synthetic,
    )
    for word in settings.words:
        for split in (TRAINING, VALIDATION):
            if not any(item.word == word and item.split == split for item in items):
                found = ", ".join(sorted({item.word for item in items if item.word}))
                raise SettingsError(f"expected clips of '{word}' in the {split} split, found none (words: {found})")
    return items


def holds_any_word(item: Item, words: Iterable[str]) -> bool:
    """Tell whether an utterance's transcript holds one of some words."""
    return not set(item.transcript.split()).isdisjoint(word.upper() for word in words)


def read_recording(path: str, sample_rate_hz: int) -> NDArray[np.int16]:
    """Decode a recording whole: mono, at the given rate, int16.

    Raises
    ------
    AudioFileError
        If libsndfile cannot read it, or it holds samples that are not finite.
    """
    try:
        samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, OSError, TypeError) as exc:  # TypeError: a format without a header
        raise AudioFileError(f"expected an audio file, found {path} that cannot be read ({exc})") from exc
    if not np.isfinite(samples).all():
        raise AudioFileError(f"expected finite samples, found NaN or infinity in {path}")
    return to_int16(resample(samples.mean(axis=1), rate_hz, sample_rate_hz))


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

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def __getitem__(self, position: int) -> NDArray[np.int16]:
        """Return all samples of a recording, as a read-only view."""
        return self._samples[self._offsets[position] : self._offsets[position + 1]]

    def is_audible(self, position: int) -> bool:
        """Tell whether a recording holds anything but digital silence."""
        return bool(self[position].any())

    @classmethod
    def build(cls, items: Sequence[Item], *, folder: Path, sample_rate_hz: int, show_progress: bool) -> WaveformStore:
        """Decode recordings into `folder`, or reuse what an earlier run decoded of the same, wherever they lay then."""
        fingerprint = hashlib.sha256(str(sample_rate_hz).encode())
        for item in items:
            # Their times change whenever a folder is copied; reading 60,000 clips takes two seconds.
            fingerprint.update(hashlib.sha256(Path(item.path).read_bytes()).digest())
        file = folder / f"{fingerprint.hexdigest()[:16]}.int16"
        offsets_file = file.with_suffix(".offsets.npy")
        if not offsets_file.is_file():
            folder.mkdir(parents=True, exist_ok=True)
            offsets = [0]
            paths = [item.path for item in items]
            # Under other names until whole: another run may decode the same, and this one may be killed.
            with ThreadPoolExecutor() as pool, NamedTemporaryFile(dir=folder, delete=False) as out:
                decoded = pool.map(lambda path: read_recording(path, sample_rate_hz), paths)
                for samples in tqdm(decoded, "decoding", len(paths), unit="file", disable=not show_progress):
                    out.write(samples.tobytes())
                    offsets.append(offsets[-1] + len(samples))
            partial_offsets = Path(f"{out.name}.npy")
            np.save(partial_offsets, np.array(offsets))
            Path(out.name).replace(file)
            partial_offsets.replace(offsets_file)  # last: its presence says that the store is complete
        return cls(file)
