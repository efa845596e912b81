"""Running speech as people keep it: LibriSpeech's layout and LJ Speech's, with their transcripts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from detector.errors import SettingsError
from training.data.folders import Folder, read_some_recordings
from training.data.items import Item, Kind, Split, choose_split
from training.data.notes import Notes
from training.data.texts import compose_text, read_text


def index_speech(name: str, validation_speakers: Sequence[str], notes: Notes | None = None) -> Iterator[Item]:
    """Find the utterances of running speech below a folder.

    A speaker is set aside for validation when named, or, if none is named, by `choose_split`; if that chooses none of
    several, the first of them is.

    Raises
    ------
    SettingsError
        If there is no such folder, or no recording in it.
    """
    folder = read_some_recordings(name, notes)
    refuse_words(folder, "running speech")
    root, paths = folder.path, folder.all_recordings
    metadata = root / "metadata.csv"
    transcripts = find_transcripts(folder)
    speakers = [compose_text(root.resolve().name if metadata.is_file() else path.stem.split("-")[0]) for path in paths]
    set_aside = set(validation_speakers)
    if not validation_speakers:
        set_aside = {speaker for speaker in speakers if choose_split(speaker, testing_percent=0.0) == Split.VALIDATION}
        if not set_aside and len(set(speakers)) > 1:
            set_aside = {min(speakers)}
    for path, speaker in zip(paths, speakers, strict=True):
        split = Split.VALIDATION if speaker in set_aside else Split.TRAINING
        words = find_words(transcripts.get(path.stem, ""))
        yield Item(path=str(path), kind=Kind.SPEECH, split=split, speaker=speaker, transcript=" ".join(words))


def find_transcripts(folder: Folder) -> dict[str, str]:
    """Return the transcript of each utterance below a folder that has one, as it is written."""
    metadata = folder.path / "metadata.csv"
    files = [file for file in folder.all_others if file.name.endswith(".trans.txt")]
    files += [metadata] if metadata.is_file() else []
    return {utterance: text for file in files for utterance, text in read_transcripts(file).items()}


def refuse_words(folder: Folder, kind: str) -> None:
    """Refuse Speech Commands where something else is expected: its words would be trained on as what they are not.

    Raises
    ------
    SettingsError
        If a clip has a name as there.
    """
    word = next((path for path in folder.all_recordings if "_nohash_" in path.stem), None)
    if word is not None:
        raise SettingsError(
            f"expected {kind} below {folder.path}, found words, as {word.parent.name}/{word.name}: name it with --data"
        )


def read_transcripts(file: Path) -> dict[str, str]:
    """Return the transcript of each utterance that a LibriSpeech `*.trans.txt` or an LJ Speech `metadata.csv` lists."""
    lines = read_text(file).splitlines()
    if file.name == "metadata.csv":
        rows = [line.split("|") for line in lines]
        return {row[0]: row[-1] for row in rows}
    return dict(line.split(" ", 1) for line in lines if " " in line)


def find_words(text: str) -> list[str]:
    """Return the words of a text in upper case, without digits and punctuation."""
    return re.findall(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)*", compose_text(text).upper())
