"""Trees of word clips: which folder is a word, which a split, which a speaker.

What is not known for certain is refused in one line: a folder that is taken for something else trains a wrong model.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from detector.errors import SettingsError
from training.data.folders import Folder
from training.data.items import SPLIT_NAMES, Item, Kind, Split, choose_split
from training.data.lists import find_lists, key_of, name_lists, read_lines, read_lists
from training.data.notes import Notes
from training.data.splits import divide_few, identify_speaker, set_aside
from training.data.texts import compose_text

log = logging.getLogger(__name__)

NOISE_FOLDERS = frozenset({"background noise", "background", "noise", "noises", "silence"})
NEGATIVE_FOLDER = "not-wake-word"
"""Of mycroft-precise: the folders below it say where clips come from, not who speaks."""
ELSEWHERE = {
    "*.tar.gz": "an archive to be unpacked first",
    "*.zip": "an archive to be unpacked first",
    "*.csv": "a table, to be named itself",
    "*.parquet": "Parquet files, out of which recordings have to be written first",
    "*.array_record-*": "ArrayRecord files of TensorFlow Datasets, of which TFRecord files are read",
}
"""What people have in place of clips."""
ARCHIVES = frozenset({".zip", ".gz", ".tgz", ".tar", ".7z", ".rar", ".bz2", ".xz"})
MOST_NAMED = 6
LAYOUT = "word clips, WORD/SPEAKER_nohash_N.wav or WORD/FILE"


@dataclass(frozen=True)
class Clip:
    """A recording, the word that its folder names, and the split where a folder or a list says it."""

    path: Path
    word: str
    below: tuple[str, ...]
    """The folders between the word's and its own."""
    split: Split | None = None


def is_noise_folder(name: str) -> bool:
    """Return whether a folder of this name holds no words, as `_background_noise_`, `noise`, `_silence_`."""
    return re.sub(r"[\s_-]+", " ", name.casefold()).strip() in NOISE_FOLDERS


def index_tree(root: Folder, notes: Notes) -> list[Item]:
    """Find the word clips below a folder, with their speakers and splits.

    Raises
    ------
    SettingsError
        If what lies there is nothing that is known, or is running speech.
    """
    clips, by = _find_clips(root, notes)
    _note_others(root, notes)
    speakers = {clip: _identify(clip) for clip in clips}
    items = [
        Item(
            path=str(clip.path),
            kind=Kind.WORD,
            split=clip.split or (Split.TRAINING if by else choose_split(speakers[clip][0])),
            word=clip.word,
            speaker=speakers[clip][0],
            is_speaker_known=speakers[clip][1],
            is_split_given=bool(by),
        )
        for clip in clips
    ]
    _warn_of_unnamed(items, root.path)
    notes.divided[str(root.path)] = by or "speakers"
    return set_aside(items) if by else divide_few(items)


def _find_clips(root: Folder, notes: Notes) -> tuple[list[Clip], str]:
    """Return the clips below a folder, and what says their splits; "" for nothing."""
    way = [root]
    while True:
        here, folders = way[-1], _word_folders(way[-1])
        _refuse_speech(here, folders)
        if folders and all(folder.name.lower() in SPLIT_NAMES for folder in folders):
            return _join_splits(here, folders, notes)
        if any(folder.recordings for folder in folders) or _splits_within(folders):
            break
        if len(folders) != 1:
            raise SettingsError(f"expected {LAYOUT}, below {here.path}, found {_describe_others(here, folders)}")
        way.append(folders[0])
    clips, by = _divide_by_folders(folders)
    if lists := _find_lists(way):
        keys = [key_of("/".join((clip.word, *clip.below, clip.path.name))) for clip in clips]
        listed = read_lists(lists, set(keys), here.path, notes)
        if not listed:  # empty lists say nothing
            return clips, by
        clips = [replace(clip, split=listed.get(key, Split.TRAINING)) for clip, key in zip(clips, keys, strict=True)]
        by = f"{name_lists(list(lists))}, which name {sum(key in listed for key in keys)} of {len(clips)} clips"
    return clips, by


def _find_lists(way: Sequence[Folder]) -> dict[Path, Split]:
    """Return the lists beside the words, or nearest above them: Kaggle's lie beside `audio/`, which people name."""
    if way[0].name.lower() == "audio":
        beside = way[0].path.resolve().parent
        way = [Folder(beside, others=sorted(beside.glob("*_list.txt"))), *way]
    return next((found for folder in reversed(way) if (found := find_lists(folder))), {})


def _word_folders(root: Folder) -> list[Folder]:
    """Return the folders that may be words: those that hold recordings and no noise."""
    return [folder for folder in root.folders if folder.all_recordings and not is_noise_folder(folder.name)]


def _join_splits(root: Folder, folders: Sequence[Folder], notes: Notes) -> tuple[list[Clip], str]:
    """Return the clips of a tree for each split; lists in that of the training divide it further."""
    trees = [folder for folder in folders if _word_folders(folder)]
    names = ", ".join(folder.name for folder in folders)
    if not trees:
        raise SettingsError(f"expected {LAYOUT}, in {names} of {root.path}, found recordings without a word")
    if len(folders) == 1:
        return _find_clips(trees[0], notes)
    by, found = f"the folders {names}", []
    for folder in trees:
        split = SPLIT_NAMES[folder.name.lower()]
        clips, divided_by = _find_clips(folder, notes)
        if split == Split.TRAINING and divided_by:
            by = f"{by}, and in {folder.name} by {divided_by}"
        found.append([replace(clip, split=(split == Split.TRAINING and clip.split) or split) for clip in clips])
    trained = {clip.word for clips in found for clip in clips if clip.split == Split.TRAINING}
    unknown = [clips for clips in found if trained and trained.isdisjoint(clip.word for clip in clips)]
    flat = [path for folder in folders if folder not in trees for path in folder.recordings]
    notes.leave_out("recordings without a word", *flat, *(clip.path for clips in unknown for clip in clips))
    return [clip for clips in found if clips not in unknown for clip in clips], by


def _divide_by_folders(folders: Sequence[Folder]) -> tuple[list[Clip], str]:
    """Return the clips of the words' folders, where names of folders may say their split in one of three ways."""
    words = {folder.name for folder in folders}
    beside = [
        folder
        for folder in folders
        if folder.name.lower() in SPLIT_NAMES
        and not folder.recordings
        and words & {below.name for below in folder.folders}
    ]
    if beside:  # mycroft-precise: wake-word/, not-wake-word/ and test/wake-word/, test/not-wake-word/
        clips = [clip for folder in folders if folder not in beside for clip in _clips_of(folder, Split.TRAINING)]
        for folder in beside:
            split = SPLIT_NAMES[folder.name.lower()]
            clips += [clip for word in folder.folders for clip in _clips_of(word, split)]
        return clips, f"the folder {', '.join(folder.name for folder in beside)} beside the words"
    ended = {folder.name: _split_of_name(folder.name) for folder in folders}
    splits_of: dict[str, set[Split]] = {}
    for word, split in filter(None, ended.values()):
        splits_of.setdefault(word, set()).add(split)
    if any(len(splits) > 1 for splits in splits_of.values()):  # openWakeWord: positive_train/, positive_test/
        clips = []
        for folder in folders:
            word, split = ended[folder.name] or (folder.name, Split.TRAINING)
            clips += [replace(clip, word=word) for clip in _clips_of(folder, split)]
        return clips, f"the names of the folders {', '.join(sorted(words))}"
    if below := _splits_within(folders):  # WORD/train/FILE, WORD/test/FILE
        clips = [clip for folder in folders for clip in _clips_of(folder)]
        clips = [
            replace(clip, split=SPLIT_NAMES[clip.below[0].lower()], below=clip.below[1:]) if clip.below else clip
            for clip in clips
        ]
        return clips, f"the folders {', '.join(sorted(below))} in each word's"
    return [clip for folder in folders for clip in _clips_of(folder)], ""


def _splits_within(folders: Sequence[Folder]) -> set[str]:
    """Return the names of the splits that lie within words; none if other folders lie there, too."""
    parts = [part for folder in folders for part in folder.folders if part.all_recordings]
    below = {part.name.lower() for part in parts}
    is_so = len(below) > 1 and below <= SPLIT_NAMES.keys() and all(part.recordings for part in parts)
    return below if is_so else set()


def _split_of_name(name: str) -> tuple[str, Split] | None:
    """Return word and split of a name such as `positive_train`."""
    word, _, ending = name.replace("-", "_").rpartition("_")
    if not word or ending.lower() not in SPLIT_NAMES:
        return None
    return name[: len(word)], SPLIT_NAMES[ending.lower()]


def _clips_of(folder: Folder, split: Split | None = None) -> list[Clip]:
    """Return the clips of a word's folder."""
    return [
        Clip(path, folder.name, tuple(map(compose_text, path.relative_to(folder.path).parts[:-1])), split)
        for path in folder.all_recordings
    ]


def _identify(clip: Clip) -> tuple[str, bool]:
    """Return who speaks, and whether that is known; deeper than WORD/FILE the folder says it."""
    if clip.below and clip.word not in (NEGATIVE_FOLDER, NEGATIVE_FOLDER.removeprefix("not-")):
        return clip.below[0], True
    return identify_speaker(compose_text(clip.path.stem), clip.word)


def _warn_of_unnamed(items: Sequence[Item], root: Path) -> None:
    unnamed = [item for item in items if not item.is_speaker_known]
    if unnamed:
        log.warning(
            "%d clips below %s have names that do not say who speaks, the first is %s: names are taken for speakers, "
            "so that one voice may be on both sides, trained on and measured on; name files WORD/SPEAKER-NUMBER",
            len(unnamed),
            root,
            Path(unnamed[0].path).name,
        )


def _refuse_speech(root: Folder, folders: Sequence[Folder]) -> None:
    """Refuse what other options read, by the files that stand beside the recordings."""
    transcripts = [
        next((file.name for file in folder.all_others if file.name.endswith(".trans.txt")), "") for folder in folders
    ]
    metadata = next((file for file in root.others if file.name.lower() == "metadata.csv"), None)
    if metadata is not None and "|" in (read_lines(metadata) or [""])[0]:
        transcripts = [metadata.name]
    if transcripts and all(transcripts):
        raise SettingsError(
            f"expected {LAYOUT}, below {root.path}, found running speech, as {transcripts[0]} says: name it with "
            "--speech"
        )
    tables = sorted(file.name for file in root.others if file.suffix.lower() == ".tsv")
    if tables and any(folder.name.lower() == "clips" and folder.recordings for folder in folders):
        raise SettingsError(
            f"expected {LAYOUT}, below {root.path}, found clips whose sentences stand in {tables[0]}, as Common Voice "
            "has them: make a table NAME.csv of those with one word, with the columns file, start, end, word, speaker"
        )


def _describe_others(root: Folder, folders: Sequence[Folder]) -> str:
    """Return what is below a folder in place of WORD/FILE."""
    below = [folder for folder in folders if folder.folders]
    if below:
        names = ", ".join(folder.name for folder in below[:MOST_NAMED]) + (", ..." if below[MOST_NAMED:] else "")
        return f"several folders: name one of {names} (where they are words, name files WORD/SPEAKER-NUMBER)"
    if root.recordings:
        return f"recordings in {root.name} itself, as {root.recordings[0].name}: name the folder that it lies in"
    others = root.all_others
    for pattern, what in ELSEWHERE.items():
        if (other := next((path for path in others if path.match(pattern)), None)) is not None:
            return f"{other.name}, {what}"
    return "none"


def _note_others(root: Folder, notes: Notes) -> None:
    """Note what lies beside the clips."""
    others = root.all_others
    archives = [path for path in others if path.suffix.lower() in ARCHIVES]
    notes.leave_out("archives, which are not unpacked", *archives)
    known = {*root.others, *archives}
    notes.leave_out("files that are no recordings", *(path for path in others if path not in known))
    notes.leave_out("recordings beside the folders of the words", *root.recordings)
    empty = (folder.path for folder in root.walk() if not folder.all_recordings and not folder.all_others)
    notes.leave_out("empty folders", *empty)
