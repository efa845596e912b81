"""Lists of splits, as people write them on their systems."""

import codecs
import logging

import numpy as np
import pytest
import soundfile
from hypothesis import event, given
from hypothesis import strategies as st

from detector.errors import SettingsError
from training.data.folders import read_folder
from training.data.items import Split
from training.data.layouts import index_words
from training.data.lists import key_of, read_lines, read_lists
from training.data.notes import Notes
from training.data.trees import index_tree

SPEAKERS = [f"{k:08x}" for k in range(10)]


@given(content=st.binary(max_size=80) | st.text(max_size=80).map(lambda text: text.encode("utf-16", "surrogatepass")))
def test_whatever_a_list_holds_is_read_or_one_line(tmp_path_factory, content):
    file = tmp_path_factory.mktemp("list") / "validation_list.txt"
    file.write_bytes(content)
    clips = {("yes", "a"), ("no", "b")}
    try:
        listed = read_lists({file: Split.VALIDATION}, clips, file.parent, Notes())
    except SettingsError as exc:
        listed = {}
        event(str(exc).partition("the first is")[1])
    assert listed.keys() <= clips


@pytest.fixture
def words(tmp_path):
    root = tmp_path / "speech_commands"
    for word in ("yes", "no"):
        (root / word).mkdir(parents=True)
        for speaker in SPEAKERS:
            soundfile.write(root / word / f"{speaker}_nohash_0.wav", np.ones(160, dtype=np.int16), 16000)
    return root


def write_lists(root, spell, encode=str.encode):
    for split, speakers in (("validation", SPEAKERS[:2]), ("testing", SPEAKERS[2:4])):
        lines = [spell(f"{word}/{speaker}_nohash_0.wav") for word in ("yes", "no") for speaker in speakers]
        (root / f"{split}_list.txt").write_bytes(encode("".join(lines)))


def splits(root):
    return {(item.word, item.speaker): item.split for item in index_words(str(root))}


EXPECTED = {
    (word, speaker): Split.VALIDATION if k < 2 else Split.TESTING if k < 4 else Split.TRAINING
    for word in ("yes", "no")
    for k, speaker in enumerate(SPEAKERS)
}
SPELLINGS = {
    "as the archive has them": lambda line: f"{line}\n",
    "Windows": lambda line: line.replace("/", "\\") + "\r\n",
    "an old Mac": lambda line: f"{line}\r",
    "from here": lambda line: f"./{line}\n",
    "from the tree of a split": lambda line: f"train/{line}\n",
    "from above": lambda line: f"speech_commands/{line}\n",
    "absolute": lambda line: f"/home/me/data/speech_commands/{line}\n",
    "absolute on Windows": lambda line: "D:\\data\\" + line.replace("/", "\\") + "\n",
    "in quotes, with spaces": lambda line: f'  "{line}"  \n\n',
    "in capitals": lambda line: f"{line.upper()}\n",
    "of another format": lambda line: line.replace(".wav", ".flac") + "\n",
    "without an ending": lambda line: line.replace(".wav", "") + "\n",
}


@pytest.mark.parametrize("spell", SPELLINGS.values(), ids=SPELLINGS)
def test_a_clip_is_found_however_its_name_is_spelled(words, spell):
    write_lists(words, spell)
    assert splits(words) == EXPECTED


@pytest.mark.parametrize(
    "encode",
    [
        lambda text: codecs.BOM_UTF8 + text.encode(),
        lambda text: codecs.BOM_UTF16_LE + text.encode("utf-16-le"),
        lambda text: codecs.BOM_UTF16_BE + text.encode("utf-16-be"),
        lambda text: text.encode("utf-16-le"),
        lambda text: text.encode("utf-16-be"),
    ],
    ids=["UTF-8 with a mark", "UTF-16 LE", "UTF-16 BE", "UTF-16 LE without a mark", "UTF-16 BE without a mark"],
)
def test_a_list_is_read_in_its_encoding(words, encode):
    write_lists(words, SPELLINGS["Windows"], encode)
    assert splits(words) == EXPECTED


def test_what_is_neither_utf_8_nor_utf_16_is_windows(tmp_path):
    (tmp_path / "a.txt").write_bytes("grün/jörg-1.wav\n".encode("cp1252"))
    assert read_lines(tmp_path / "a.txt") == ["grün/jörg-1.wav"]
    assert key_of("GRÜN\\Jörg-1.WAV") == ("grün", "jörg-1")


def test_lists_that_name_no_clip_are_refused_with_their_first_line(words):
    write_lists(words, lambda line: line.replace("nohash", "hash") + "\n")
    message = (
        r"on each line of testing_list\.txt and validation_list\.txt, found that 8 of 8 lines name no clip, the first "
        r"is 'yes/00000002_hash_0\.wav': correct the lists, or remove them"
    )
    with pytest.raises(SettingsError, match=message):
        splits(words)


def test_lines_that_name_no_clip_are_counted(words, caplog):
    write_lists(words, lambda line: f"{line}\n")
    with (words / "validation_list.txt").open("a") as file:
        file.write("yes/nobody_nohash_0.wav\nleft/00000001_nohash_0.wav\n")
    notes = Notes()
    items = index_tree(read_folder(str(words)), notes)
    assert {(item.word, item.speaker): item.split for item in items} == EXPECTED
    assert "1 of 10 lines of testing_list.txt and validation_list.txt" in caplog.text
    assert "the first is 'yes/nobody_nohash_0.wav'" in caplog.text
    assert notes.left_out == {
        "lines of testing_list.txt and validation_list.txt that name clips of words that are not here": {
            "left/00000001_nohash_0.wav"
        }
    }
    assert notes.divided == {
        str(words): "testing_list.txt and validation_list.txt, which name 8 of 20 clips",
    }


def test_a_list_of_whole_words_that_are_not_here_costs_no_warning(words, caplog):
    write_lists(words, lambda line: f"{line}\n{line.replace('yes', 'left').replace('no/', 'up/')}\n")
    with caplog.at_level(logging.WARNING):
        assert splits(words) == EXPECTED
    assert not caplog.records


def test_where_lists_validate_nobody_somebody_is_set_aside(words):
    (words / "testing_list.txt").write_text("".join(f"{word}/{SPEAKERS[0]}_nohash_0.wav\n" for word in ("yes", "no")))
    found = splits(words)
    assert {speaker for (_, speaker), split in found.items() if split == Split.TESTING} == {SPEAKERS[0]}
    assert len({speaker for (_, speaker), split in found.items() if split == Split.VALIDATION}) == 1


def test_a_list_names_clips_below_folders_of_speakers(tmp_path):
    for speaker in ("anna", "ben"):
        (tmp_path / "yes" / speaker).mkdir(parents=True)
        soundfile.write(tmp_path / "yes" / speaker / "1.wav", np.ones(160, dtype=np.int16), 16000)
    soundfile.write(tmp_path / "yes/carl-1.wav", np.ones(160, dtype=np.int16), 16000)
    (tmp_path / "testing_list.txt").write_text("./yes/ben/1.wav\n")
    (tmp_path / "validation_list.txt").write_text("yes/anna/1.wav\n")
    assert splits(tmp_path) == {("yes", "anna"): Split.VALIDATION, ("yes", "ben"): Split.TESTING} | {
        ("yes", "carl"): Split.TRAINING
    }


def test_empty_lists_say_nothing(words):
    without = splits(words)
    for split in ("validation", "testing"):
        (words / f"{split}_list.txt").write_text("\n")
    assert splits(words) == without
