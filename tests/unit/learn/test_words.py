"""The folder of learnt words: what is kept of them, and that nothing else is touched."""

from __future__ import annotations

import json
import os
import stat

import numpy as np
import pytest
from heads import make_manifest
from spoken import buzz, record

from detector import load_model
from detector.errors import SettingsError
from detector.learn.material import Material, Sound
from detector.learn.naming import check_word, name_of
from detector.learn.store import locked
from detector.learn.takes import cut_take
from detector.learn.words import KeptWord, list_words

REPORT = {"word": "hey computer", "misses": None}


@pytest.fixture(scope="module")
def takes():
    return tuple(cut_take(record(buzz(100.0 + 20.0 * k)), f"take {k + 1}", speaker="me") for k in range(3))


def learn(model, kept, flatbuffer, more, threshold=0.9):
    manifest = make_manifest(model, kept.word, [kept.word])
    limits = manifest.decision.words[kept.word]
    limits = type(limits)(threshold=threshold, rearm=0.4, duration_s=limits.duration_s)
    decision = type(manifest.decision)(smoothing_windows=3, refractory_s=1.0, words={kept.word: limits})
    manifest = make_manifest(model, kept.word, [kept.word], decision=decision)
    kept.keep(manifest, flatbuffer, more, report=REPORT, false_accepts_per_hour=0.5)


@pytest.fixture
def kept(model, flatbuffer, takes, tmp_path):
    kept = KeptWord(tmp_path, "hey computer")
    noise = Sound(np.arange(16000, dtype=np.int16), "room")
    learn(model, kept, flatbuffer, Material(takes, room=(noise,)))
    return kept


def files_in(folder):
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())


def test_what_was_learnt_from_comes_back_sample_by_sample(kept, takes):
    found = kept.read()
    for take, again in zip(takes, found.takes, strict=True):
        np.testing.assert_array_equal(take.samples, again.samples)
        assert (take.start, take.end, take.source, take.speaker) == (again.start, again.end, again.source, "me")
    (room,) = found.room
    np.testing.assert_array_equal(room.samples, np.arange(16000))
    assert room.source == "room"
    assert found.false_alarms == ()
    assert kept.read_index().report == REPORT


def test_a_pair_is_for_all_and_what_it_was_learnt_from_for_its_owner(kept, tmp_path):
    assert files_in(tmp_path) == [
        "hey-computer.json",
        "hey-computer.takes/0001.flac",
        "hey-computer.takes/0002.flac",
        "hey-computer.takes/0003.flac",
        "hey-computer.takes/index.json",
        "hey-computer.takes/room/0001.flac",
        "hey-computer.tflite",
    ]
    for file in tmp_path.rglob("*"):
        is_private = ".takes" in str(file)
        expected = 0o700 if file.is_dir() else 0o600 if is_private else 0o644
        assert stat.S_IMODE(file.stat().st_mode) == expected, file
    model = load_model(str(tmp_path / "hey-computer"))
    assert (model.manifest.name, model.manifest.words) == ("hey-computer", ("hey computer",))


def test_a_lesson_can_be_undone_once_and_leaves_nothing_of_itself(model, kept, flatbuffer, tmp_path):
    before = files_in(tmp_path)
    content = kept.manifest_file.read_bytes()
    alarm = Sound(np.full(48000, 7, dtype=np.int16), "20261128-computer at 3 s")
    learn(model, kept, flatbuffer, Material(false_alarms=(alarm,)), threshold=0.95)
    assert kept.load().manifest.decision.words["hey computer"].threshold == 0.95
    np.testing.assert_array_equal(kept.read().false_alarms[0].samples, alarm.samples)
    assert len(kept.read().takes) == 3
    index = kept.undo()
    assert index.false_alarms == ()
    assert kept.manifest_file.read_bytes() == content
    assert files_in(tmp_path) == before
    with pytest.raises(SettingsError, match="nothing to undo"):
        kept.undo()


def test_sounds_of_an_undone_lesson_do_not_come_back_with_the_next(model, kept, flatbuffer, takes):
    for text in ("one", "two"):
        learn(model, kept, flatbuffer, Material(false_alarms=(Sound(np.ones(100, dtype=np.int16), text),)))
    kept.undo()
    learn(model, kept, flatbuffer, Material(takes=takes[:1]))
    assert [sound.source for sound in kept.read().false_alarms] == ["one"]
    assert len(kept.read().takes) == 4


def test_forgetting_removes_all_of_a_word_and_nothing_else(model, kept, flatbuffer, tmp_path):
    learn(model, kept, flatbuffer, Material(false_alarms=(Sound(np.ones(100, dtype=np.int16), "one"),)))
    other = tmp_path / "other.json"
    other.write_text("{}")
    assert kept.forget() == []
    assert files_in(tmp_path) == ["other.json"]
    assert not (tmp_path / "hey-computer.takes").exists()


def test_what_somebody_else_put_there_stays(kept, tmp_path):
    strange = tmp_path / "hey-computer.takes" / "notes.txt"
    strange.write_text("mine")
    linked = tmp_path / "hey-computer.takes" / "0009.flac"
    linked.symlink_to(strange)
    kept.manifest_file.write_text(kept.manifest_file.read_text().replace("hey computer", "another"))
    assert kept.forget() == [kept.manifest_file, tmp_path / "hey-computer.tflite", tmp_path / "hey-computer.takes"]
    assert strange.read_text() == "mine"
    assert linked.is_symlink()


def test_what_cannot_be_written_leaves_the_word_as_it_was(model, kept, flatbuffer, tmp_path):
    before = (kept.read_index(), files_in(tmp_path / "hey-computer.takes"))
    kept.manifest_file.unlink()
    kept.manifest_file.mkdir()
    with pytest.raises(SettingsError, match="Is a directory"):
        learn(model, kept, flatbuffer, Material(false_alarms=(Sound(np.ones(9, dtype=np.int16), "one"),)))
    left = [file for file in files_in(tmp_path / "hey-computer.takes") if "before" not in file]
    assert (kept.read_index(), left) == before


def test_a_first_lesson_that_cannot_be_written_leaves_nothing(model, flatbuffer, takes, tmp_path):
    (tmp_path / "other.json").mkdir()
    with pytest.raises(SettingsError, match="Is a directory"):
        learn(model, KeptWord(tmp_path, "other"), flatbuffer, Material(takes))
    assert [file.name for file in tmp_path.iterdir()] == ["other.json"]


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (
            lambda index: index | {"takes": [{"file": "../../etc/0001.flac", "start": 0, "end": 1, "source": ""}]},
            "takes",
        ),
        (lambda index: index | {"format": 2}, "found 2"),
        (lambda index: index | {"word": "other"}, "of 'other'"),
        (lambda index: index | {"takes": [index["takes"][0] | {"end": 10**9}]}, "to 1000000000"),
        (lambda index: index | {"takes": [index["takes"][0] | {"file": "0077.flac"}]}, "0077.flac"),
    ],
)
def test_an_index_that_does_not_fit_is_refused(kept, tmp_path, change, found):
    file = tmp_path / "hey-computer.takes/index.json"
    file.write_text(json.dumps(change(json.loads(file.read_text()))))
    with pytest.raises(SettingsError, match=found):
        kept.read()


def test_a_sound_that_is_a_pipe_is_not_waited_for(kept, tmp_path):
    file = tmp_path / "hey-computer.takes/0002.flac"
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(SettingsError, match="a named pipe"):
        kept.read()


def test_words_are_found_in_their_folders(kept, tmp_path, caplog):
    empty = tmp_path / "none"
    ((found, index),) = list_words([empty, tmp_path])
    assert (found.word, found.manifest_file, index) == ("hey computer", kept.manifest_file, kept.read_index())
    (tmp_path / "hey-computer.takes/index.json").write_text("[]")
    assert list(list_words([tmp_path])) == []
    assert "index.json" in caplog.text


def test_a_folder_is_learnt_into_by_one_at_a_time(tmp_path):
    folder = tmp_path / "models"
    with locked(folder), pytest.raises(SettingsError, match="try again"), locked(folder):
        pass
    with locked(folder):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o755
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="expected a folder"), locked(tmp_path / "file" / "models"):
        pass


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("computer", "computer"),
        ("  hey   computer ", "hey computer"),
        ("Schu\u0308ssel", "Schüssel"),
        ("小爱同学", "小爱同学"),
    ],
)
def test_words_of_any_language_are_taken(text, word):
    assert check_word(text) == word


def test_spaces_are_hyphens_in_a_name():
    assert name_of("hey computer") == "hey-computer"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "nothing"),
        ("a,b", "a comma or a slash"),
        ("../a", "a comma or a slash"),
        (".a", "hidden"),
        ("-a", "option"),
        ("*", r"'\*'"),
        ("a\x1b[2J", "control characters"),
        ("a.json", "the file"),
        ("a" * 51, "51 characters"),
        ("yes-no", "a shipped model"),
        ("yes no", "a shipped model"),
    ],
)
def test_what_cannot_be_the_name_of_a_word_is_refused(text, found):
    with pytest.raises(SettingsError, match=found):
        check_word(text)
