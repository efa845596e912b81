"""How people keep recordings: which files of a folder hold what, spoken by whom.

Words come in one of these layouts, with any file type that libsndfile reads:

- Speech Commands as its archive is unpacked, `WORD/SPEAKER_nohash_N.wav`, with `_background_noise_/` and perhaps the
  official lists of speakers; also one folder further down, as torchaudio and `tf.keras.utils.get_file` unpack it, and
  the subset `mini_speech_commands`;
- any tree `WORD/FILE`: what stands before a file's last number is its speaker (`anna-3.wav`, `anna_04.flac`); also one
  such tree for each split, in folders named `train`, `val` and `test`;
- a table, `NAME.csv`, with the columns file, start, end (in seconds; empty: the whole file), word, perhaps speaker;
- TensorFlow Datasets' `speech_commands`, prepared: `*.tfrecord-*`.

Running speech comes in LibriSpeech's layout (`SPEAKER/.../SPEAKER-*.EXT`, `*.trans.txt`) or LJ Speech's
(`metadata.csv`), noise as every recording below a folder. A speaker, and a source of noise, is in one split only.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from detector.errors import SettingsError
from training.data.folders import check_folder, find_recordings, find_some_recordings, is_recording
from training.data.items import SILENCE_FOLDER, Item, Kind, Split, choose_split
from training.data.speech import index_speech
from training.data.splits import divide_few, keep_apart, speaker_of
from training.data.tables import index_table
from training.data.tfds import SPLIT_NAMES, index_records

log = logging.getLogger(__name__)

NOISE_FOLDER = "_background_noise_"
UNREADABLE = frozenset({".m4a", ".mp4", ".aac", ".amr", ".3gp", ".wma", ".webm"})
ELSEWHERE = {
    "*.tar.gz": "an archive to be unpacked first",
    "*.csv": "a table, to be named itself",
    "*.array_record-*": "ArrayRecord files of TensorFlow Datasets, of which TFRecord files are read",
}
"""What people have in place of clips."""
SPLIT_FOLDERS = SPLIT_NAMES | {
    "training": Split.TRAINING,
    "val": Split.VALIDATION,
    "valid": Split.VALIDATION,
    "dev": Split.VALIDATION,
    "testing": Split.TESTING,
}


def index_words(name: str) -> Iterator[Item]:
    """Find the word clips of a folder or a table, in any of the layouts above.

    Raises
    ------
    SettingsError
        If there is no such folder, or no word clip in it.
    """
    if name.lower().endswith(".csv"):
        found: Iterable[Item] = index_table(Path(name))
    else:
        folder = check_folder(name)
        records = sorted(folder.rglob("speech_commands-*.tfrecord-*"))
        found = index_records(records) if records else _index_tree(folder)
    return _of_folder(name, found)


def _of_folder(name: str, items: Iterable[Item]) -> Iterator[Item]:
    return (msgspec.structs.replace(item, folder=name) for item in items)


def index_all_words(names: Sequence[str]) -> list[Item]:
    """Find the word clips of several folders and tables, each once, in an order that does not depend on the system.

    Raises
    ------
    SettingsError
        As `index_words` does.
    """
    words = keep_apart([item for name in names for item in index_words(name)])
    unique = {_identify(item): item for item in reversed(words)}
    return sorted(unique.values(), key=lambda item: (item.word, item.path, item.span_s or (), item.record or ()))


def _index_tree(root: Path) -> list[Item]:
    while not any(is_recording(path) for folder in _word_folders(root) for path in folder.iterdir()):
        below = [folder for folder in _word_folders(root) if _word_folders(folder)]
        if len(below) > 1 and all(folder.name.lower() in SPLIT_FOLDERS for folder in below):
            return [
                msgspec.structs.replace(item, split=SPLIT_FOLDERS[folder.name.lower()])
                for folder in below
                for item in _index_tree(folder)
            ]
        if len(below) != 1:
            raise SettingsError(
                f"expected word clips, WORD/SPEAKER_nohash_N.wav or WORD/FILE, below {root}, "
                f"found {_describe_others(root, below)}"
            )
        root = below[0]
    listed = _read_lists(root)
    items = []
    n_unnamed = 0
    for folder in _word_folders(root):
        _warn_of_unreadable(folder)
        for path in find_recordings(folder):
            # Deeper than WORD/FILE it is the folder that says who speaks.
            speaker = speaker_of(path.stem) if path.parent == folder else path.relative_to(folder).parts[0]
            split = listed.get(f"{folder.name}/{path.stem}", Split.TRAINING) if listed else choose_split(speaker)
            kind, word = (Kind.NOISE, "") if folder.name == SILENCE_FOLDER else (Kind.WORD, folder.name)
            items.append(Item(path=str(path), kind=kind, split=split, word=word, speaker=speaker))
            n_unnamed += kind == Kind.WORD and path.parent == folder and path.stem.isdecimal()
    if n_unnamed:
        log.warning(
            "%d clips below %s have a number for a name: each is taken for another speaker's. If they are of one, a "
            "voice that was trained on is measured on: name files WORD/SPEAKER-NUMBER",
            n_unnamed,
            root,
        )
    return items if listed else divide_few(items)


def _read_lists(root: Path) -> dict[str, Split]:
    """Return the splits of the clips that the official lists name, as WORD/STEM; of the others it is training."""
    listed: dict[str, Split] = {}
    for split in (Split.VALIDATION, Split.TESTING):
        file = root / f"{split}_list.txt"
        if file.is_file():
            lines = file.read_text(encoding="utf-8").splitlines()
            listed |= {line.strip().rpartition(".")[0]: split for line in lines if line.strip()}
    return listed


def _describe_others(root: Path, below: Sequence[Path]) -> str:
    """Return what is below a folder in place of WORD/FILE."""
    if below:
        names = ", ".join(folder.name for folder in below)
        return f"several folders: name one of {names} (where they are words, name files WORD/SPEAKER-NUMBER)"
    unreadable = next((path for path in root.rglob("*") if path.suffix.lower() in UNREADABLE), None)
    if unreadable is not None:
        return f"kinds that cannot be read, as {unreadable.name}: convert them, with ffmpeg or sox"
    for pattern, what in ELSEWHERE.items():
        if (other := next(root.rglob(pattern), None)) is not None:
            return f"{other.name}, {what}"
    return "none"


def _warn_of_unreadable(folder: Path) -> None:
    """Log which recordings are left out: telephones make some that libsndfile cannot read."""
    left_out = sorted(path for path in folder.rglob("*") if path.suffix.lower() in UNREADABLE)
    if left_out:
        log.warning(
            "%d recordings in %s are of a kind that cannot be read, the first is %s: convert them, with ffmpeg or sox",
            len(left_out),
            folder,
            left_out[0].name,
        )


def _word_folders(root: Path) -> list[Path]:
    """Return the folders that may be words; macOS leaves others in its archives."""
    left_out = (NOISE_FOLDER, "__MACOSX")
    return sorted(
        path for path in root.iterdir() if path.is_dir() and path.name not in left_out and not path.name.startswith(".")
    )


def index_noise(name: str) -> Iterator[Item]:
    """Find the recordings of noise below a folder; one source in five is for validation.

    The source is the file's name without a last `-part` that is no number, nor ESC-50's take and class
    (`1-211527-A-10`): cuts of one recording stay together, numbered recordings do not.

    Raises
    ------
    SettingsError
        If there is no such folder, or no recording in it.
    """
    for path in find_some_recordings(name):
        source = re.sub(r"-(?!\d+$)[^-]*$", "", re.sub(r"^(\d-\d+-[A-Z])-\d+$", r"\1", path.stem))
        split = choose_split(source, validation_percent=20.0, testing_percent=0.0)
        yield Item(path=str(path), kind=Kind.NOISE, split=split, speaker=source)


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
    items = index_all_words(data)
    for name in synthetic:
        items += [msgspec.structs.replace(item, split=Split.TRAINING) for item in index_words(name)]
    for name in data:
        for folder in sorted(Path(name).rglob(NOISE_FOLDER)):
            items += _of_folder(name, index_noise(str(folder)))
    for name in noise:
        items += _of_folder(name, index_noise(name))
    for name in speech:
        items += _of_folder(name, index_speech(name, validation_speakers))
    speakers = {item.speaker for item in items if item.kind == Kind.SPEECH}
    for speaker in validation_speakers:
        if speaker not in speakers:
            raise SettingsError(
                f"expected validation speakers of the running speech, found no recording of '{speaker}'"
            )
    return items


def _identify(item: Item) -> tuple[object, ...]:
    """Return what only one recording has.

    Versions 0.01 and 0.02 of Speech Commands share clips: there the same name under the same word is one recording.
    """
    stem = Path(item.path).stem
    if "_nohash_" in stem and item.span_s is None and item.record is None:
        return item.word, stem
    return item.word, item.path, item.span_s, item.record
