"""How people keep recordings: which files of a folder hold what, spoken by whom.

Words come in one of these layouts, with any file type that libsndfile reads:

- Speech Commands as its archive is unpacked, `WORD/SPEAKER_nohash_N.wav`, with `_background_noise_/` and perhaps the
  official lists of speakers; also some folders further down, as torchaudio and `tf.keras.utils.get_file` unpack it and
  as Kaggle's challenge keeps it (`train/audio/WORD`, lists above it), and the subset `mini_speech_commands`;
- any tree `WORD/FILE`: what stands before a file's last number is its speaker (`anna-3.wav`, `anna_04.flac`); also one
  such tree for each split, in folders named `train`, `val` and `test`, or such folders within each word's;
- mycroft-precise's `wake-word/`, `not-wake-word/` and `test/` with both; openWakeWord's `positive_train/`,
  `positive_test/`, `negative_train/`, `negative_test/`: the words wake-word, or positive, and their opposites;
- Edge Impulse's export, `training/` and `testing/` with `LABEL.ID.wav` and perhaps `info.labels`;
- a table, `NAME.csv`, with the columns file, start, end (in seconds; empty: the whole file), word, perhaps speaker;
- TensorFlow Datasets' `speech_commands`, prepared: `*.tfrecord-*`.

Running speech comes in LibriSpeech's layout (`SPEAKER/.../SPEAKER-*.EXT`, `*.trans.txt`) or LJ Speech's
(`metadata.csv`), noise as every recording below a folder. A speaker, and a source of noise, is in one split only, but
where folders or lists say otherwise. Folders that are links are followed.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from detector.errors import SettingsError
from training.data.edge_impulse import find_export, index_export
from training.data.few import use_all
from training.data.folders import Folder, read_folder, read_some_recordings
from training.data.items import SPLIT_NAMES, Item, Kind, Split, choose_split
from training.data.notes import Notes
from training.data.speech import index_speech, refuse_words
from training.data.splits import keep_apart
from training.data.tables import index_table
from training.data.texts import compose_text
from training.data.tfds import index_records
from training.data.trees import index_tree, is_noise_folder


def index_words(name: str, notes: Notes | None = None, root: Folder | None = None) -> Iterator[Item]:
    """Find the word clips of a folder, which `root` may be as it was read, or a table, in any of the layouts above.

    Raises
    ------
    SettingsError
        If there is no such folder, or no word clip in it.
    """
    notes = notes or Notes()
    if name.lower().endswith(".csv") and not Path(name).is_dir():
        found: Iterable[Item] = index_table(Path(name))
    else:
        folder = root or read_folder(name, notes)
        records = [path for path in folder.all_others if fnmatch.fnmatch(path.name, "speech_commands-*.tfrecord-*")]
        if records:
            found = index_records(records)
        elif (export := find_export(folder)) is not None:
            found = index_export(export, notes)
        else:
            found = [*index_tree(folder, notes), *_index_noise_among_words(folder)]
    return _of_folder(name, found)


def _of_folder(name: str, items: Iterable[Item]) -> Iterator[Item]:
    return (msgspec.structs.replace(item, folder=name) for item in items)


def index_all_words(
    names: Sequence[str], notes: Notes | None = None, roots: Mapping[str, Folder] | None = None
) -> list[Item]:
    """Find the word clips of several folders and tables, each once, in an order that does not depend on the system.

    `roots` are the folders among them that have been read.

    Raises
    ------
    SettingsError
        As `index_words` does.
    """
    known = roots or {}
    words = keep_apart([item for name in names for item in index_words(name, notes, known.get(name))])
    unique = {_identify(item): item for item in reversed(words)}
    return sorted(unique.values(), key=lambda item: (item.word, item.path, item.span_s or (), item.record or ()))


def _is_background(folder: Folder) -> bool:
    """Return whether a folder is Speech Commands' `_background_noise_`, which `index_folders` reads."""
    return is_noise_folder(folder.name) and "background" in folder.name.casefold()


def _find_noise(root: Folder) -> Iterator[Folder]:
    for folder in root.folders:
        if is_noise_folder(folder.name):
            yield folder
        else:
            yield from _find_noise(folder)


def _index_noise_among_words(root: Folder) -> Iterator[Item]:
    """Find the recordings in folders among the words that hold none, such as `_silence_` and `noise`."""
    for folder in _find_noise(root):
        if not _is_background(folder):
            yield from _index_noises(folder, root)


def _index_noises(folder: Folder, root: Folder) -> Iterator[Item]:
    """Find the recordings of a folder of noise; what lies in a tree for testing or validation stays there."""
    above = folder.path.relative_to(root.path).parts[:-1]
    splits = {SPLIT_NAMES.get(part.lower(), Split.TRAINING) for part in above} - {Split.TRAINING}
    for path in folder.all_recordings:
        item = _noise_item(path)
        yield msgspec.structs.replace(item, split=next(iter(splits), item.split))


def index_noise(name: str, notes: Notes | None = None) -> Iterator[Item]:
    """Find the recordings of noise below a folder; one source in five is for validation.

    The source is the file's name without a last `-part` that is no number, nor ESC-50's take and class
    (`1-211527-A-10`): cuts of one recording stay together, numbered recordings do not.

    Raises
    ------
    SettingsError
        If there is no such folder, or no recording in it.
    """
    folder = read_some_recordings(name, notes)
    refuse_words(folder, "noise")
    if any(path.name.endswith(".trans.txt") for path in folder.all_others):
        raise SettingsError(f"expected noise below {name}, found transcripts of running speech: name it with --speech")
    return map(_noise_item, folder.all_recordings)


def _noise_item(path: Path) -> Item:
    source = re.sub(r"-(?!\d+$)[^-]*$", "", re.sub(r"^(\d-\d+-[A-Z])-\d+$", r"\1", compose_text(path.stem)))
    split = choose_split(source, validation_percent=20.0, testing_percent=0.0)
    return Item(path=str(path), kind=Kind.NOISE, split=split, speaker=source)


def index_folders(
    *,
    data: Sequence[str],
    noise: Sequence[str],
    speech: Sequence[str],
    validation_speakers: Sequence[str],
    synthetic: Sequence[str] = (),
    words: Sequence[str] = (),
    notes: Notes | None = None,
) -> list[Item]:
    """Find all recordings of some folders, in an order that does not depend on the file system.

    Of `words`, which are keywords, no recording is unused where few people speak them.

    Raises
    ------
    SettingsError
        If a folder is missing or not of its kind.
    """
    notes = notes or Notes()
    roots = {name: read_folder(name, notes) for name in data if Path(name).is_dir()}
    items = use_all(index_all_words(data, notes, roots), words)
    for name in synthetic:
        items += [msgspec.structs.replace(item, split=Split.TRAINING) for item in index_words(name, notes)]
        notes.divided[str(Path(name))] = "nothing: all of it is trained on"
    for name, root in roots.items():
        for folder in filter(_is_background, _find_noise(root)):
            items += _of_folder(name, _index_noises(folder, root))
    for name in noise:
        items += _of_folder(name, index_noise(name, notes))
    for name in speech:
        items += _of_folder(name, index_speech(name, validation_speakers, notes))
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
