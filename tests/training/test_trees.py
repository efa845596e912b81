"""Trees that other projects and other systems make: read as their makers mean them, or refused in one line."""

import json
import os
import unicodedata
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from detector.errors import SettingsError
from training.data.folders import find_recordings, read_folder
from training.data.items import Kind, Split
from training.data.layouts import index_folders, index_words
from training.data.notes import Notes
from training.run.provenance import describe_training
from training.run.run import Run
from training.run.settings import TrainSettings

SOUND = np.ones(160, dtype=np.int16)
TRAINING, VALIDATION, TESTING = Split.TRAINING, Split.VALIDATION, Split.TESTING


def write(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(root / name, SOUND, 16000)


def read(root, notes=None):
    return index_folders(data=[str(root)], noise=[], speech=[], validation_speakers=[], notes=notes)


def count(items):
    return Counter((item.word or f"<{item.kind}>", item.split) for item in items)


def test_mycroft_precise_keeps_its_test_apart_and_somebody_is_set_aside(tmp_path):
    for speaker in ("anna", "bert", "cleo", "dora"):
        for folder in ("wake-word", "not-wake-word", "test/wake-word", "test/not-wake-word/en-short"):
            write(tmp_path, f"{folder}/{speaker}-0.wav", f"{folder}/{speaker}-1.wav")
    items = read(tmp_path)
    splits = {TRAINING: 6, VALIDATION: 2, TESTING: 8}
    assert count(items) == {(word, split): n for word in ("wake-word", "not-wake-word") for split, n in splits.items()}
    assert {item.speaker for item in items} == {"anna", "bert", "cleo", "dora"}
    (aside,) = {item.speaker for item in items if item.split == VALIDATION}
    assert aside not in {item.speaker for item in items if item.split == TRAINING}


def test_openwakewords_folders_are_words_and_splits(tmp_path):
    for k, folder in enumerate(("positive_train", "negative_train", "positive_test", "negative_test")):
        write(tmp_path, *(f"hey/{folder}/{k}{n:03d}81-9db7-499c-b4f8-910beec53c{n:02d}.wav" for n in range(20)))
        (tmp_path / f"hey/{folder.replace('_', '_features_')}.npy").touch()
    items = read(tmp_path)
    assert count(items) == {
        (word, split): n
        for word in ("positive", "negative")
        for split, n in ((TRAINING, 18), (VALIDATION, 2), (TESTING, 20))
    }


@pytest.mark.parametrize(("train", "test"), [("yes_train", "yes_test"), ("yes-Training", "yes-dev")])
def test_a_word_may_carry_its_split_and_one_that_ends_so_by_chance_is_a_word(tmp_path, train, test):
    write(tmp_path, f"{train}/a-1.wav", f"{test}/b-1.wav", "crash_test/c-1.wav")
    words = {item.word for item in read(tmp_path)}
    assert words == {"yes", "crash"}
    (tmp_path / train / "a-1.wav").unlink()
    assert {item.word for item in read(tmp_path)} == {test, "crash_test"}


def test_kaggles_challenge_is_speech_commands_and_what_nobody_labelled_is_left_out(tmp_path):
    write(tmp_path, *(f"train/audio/{word}/{k:08x}_nohash_0.wav" for word in ("yes", "no") for k in range(4)))
    write(tmp_path, "train/audio/_background_noise_/hum.wav", "test/audio/clip_00.wav", "test/audio/clip_01.wav")
    (tmp_path / "train/validation_list.txt").write_text("yes/00000001_nohash_0.wav\nno/00000001_nohash_0.wav\n")
    (tmp_path / "train/testing_list.txt").write_text("yes/00000002_nohash_0.wav\nno/00000002_nohash_0.wav\n")
    (tmp_path / "sample_submission.csv").write_text("fname,label\nclip_00.wav,silence\n")
    notes = Notes()
    expected = {("yes", TRAINING): 2, ("yes", VALIDATION): 1, ("yes", TESTING): 1}
    expected |= {("no", split): n for (_, split), n in expected.items()} | {("<noise>", TRAINING): 1}
    assert count(read(tmp_path, notes)) == expected
    assert notes.left_out["recordings without a word"] == {
        str(tmp_path / f"test/audio/clip_0{k}.wav") for k in range(2)
    }
    for named in ("train", "train/audio"):
        assert count(read(tmp_path / named)) == expected


def test_a_tree_for_training_alone_is_a_tree(tmp_path):
    write(tmp_path, *(f"train/{word}/{speaker}-1.wav" for word in ("yes", "no") for speaker in "abcdefgh"))
    assert {item.word for item in read(tmp_path)} == {"yes", "no"}
    write(tmp_path, "test/x1.wav", "test/x2.wav")
    notes = Notes()
    assert {item.word for item in read(tmp_path, notes)} == {"yes", "no"}
    assert len(notes.left_out["recordings without a word"]) == 2


def test_trees_for_training_and_testing_need_no_third(tmp_path):
    for split in ("train", "test"):
        write(tmp_path, *(f"{split}/{word}/{split}{k}-1.wav" for word in ("yes", "no") for k in range(5)))
    assert count(read(tmp_path)) == {
        (word, split): n for word in ("yes", "no") for split, n in ((TRAINING, 4), (VALIDATION, 1), (TESTING, 5))
    }


def test_numbers_in_the_tree_of_each_split_are_not_one_speaker(tmp_path):
    for split in ("train", "val", "test"):
        write(tmp_path, *(f"{split}/yes/{k}.wav" for k in range(3)))
    assert count(read(tmp_path)) == {("yes", split): 3 for split in (TRAINING, VALIDATION, TESTING)}


def test_splits_may_lie_within_words(tmp_path):
    for word in ("yes", "no"):
        write(tmp_path, f"{word}/train/a-1.wav", f"{word}/train/b-1.wav", f"{word}/test/c-1.wav", f"{word}/val/d-1.wav")
    items = read(tmp_path)
    assert count(items) == {
        (word, split): n for word in ("yes", "no") for split, n in ((TRAINING, 2), (VALIDATION, 1), (TESTING, 1))
    }
    assert {item.speaker for item in items} == {"a", "b", "c", "d"}


def test_edge_impulses_export_is_read_by_its_names(tmp_path):
    write(tmp_path, *(f"training/yes.{speaker}-1.wav.3k2f9a1{k}.wav" for k, speaker in enumerate("abcdefgh")))
    write(tmp_path, "training/no.0a7c2a8d_nohash_0.wav.12.wav", "training/noise.1.wav", "testing/yes.z-1.wav.4k.wav")
    items = read(tmp_path)
    assert count(items) == {
        ("yes", TRAINING): 7,
        ("yes", VALIDATION): 1,
        ("yes", TESTING): 1,
        ("no", TRAINING): 1,
        ("<noise>", TRAINING): 1,
    }
    assert {item.speaker for item in items if item.word == "no"} == {"0a7c2a8d"}


def test_edge_impulses_labels_beat_names_and_cut_recordings(tmp_path):
    export = tmp_path / "export"
    write(export, "training/one.wav", "training/two.3kd82.wav", "testing/three.wav", "training/free.wav")
    parts = [{"label": "yes", "startIndex": 0, "endIndex": 79}, {"label": "noise", "startIndex": 80, "endIndex": 159}]
    labels = {
        "training/one.wav": {"type": "label", "label": "hey jarvis"},
        "training/two.3kd82.wav": {"type": "multi-label", "labels": parts},
        "testing/three.wav": {"type": "label", "label": "yes"},
        "training/free.wav": {"type": "unlabeled"},
    }
    files = [{"path": path, "category": path.split("/")[0], "label": label} for path, label in labels.items()]
    (export / "info.labels").write_text(json.dumps({"version": 1, "files": files}))
    notes = Notes()
    items = read(tmp_path, notes)
    assert sorted((item.word, item.split, item.span_s) for item in items) == [
        ("", TRAINING, (0.005, 0.01)),
        ("hey jarvis", TRAINING, None),
        ("yes", TESTING, None),
        ("yes", TRAINING, (0.0, 0.005)),
    ]
    assert notes.left_out["recordings without a label"] == {str(export / "training/free.wav")}
    (export / "info.labels").unlink()
    structured = {"version": 1, "type": "structured-labels", "structuredLabels": {"two.3kd82.wav": parts}}
    (export / "training/structured_labels.labels").write_text(json.dumps(structured))
    assert [item.span_s for item in index_words(str(export)) if item.path.endswith("two.3kd82.wav")] == [
        (0.0, 0.005),
        (0.005, 0.01),
    ]


def test_edge_impulses_labels_of_files_named_alike_are_told_apart(tmp_path):
    write(tmp_path, "training/one.wav", "testing/one.wav")
    files = [{"path": f"{s}\\one.wav", "label": {"type": "label", "label": s}} for s in ("training", "testing")]
    (tmp_path / "info.labels").write_text(json.dumps({"files": files}))
    assert count(read(tmp_path)) == {("training", TRAINING): 1, ("testing", TESTING): 1}


PART = '{"label": "x", "startIndex": %s, "endIndex": 2}'
PARTS = f'{{"files": [{{"path": "a", "label": {{"type": "multi-label", "labels": [{PART}]}}}}]}}'


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"files": 3}',
        '{"files": [{"path": "a"}]}',
        '{"files": [{"path": 3, "label": {}}]}',
        "\0",
        "[" * 100_000,
    ]
    + [PARTS % start for start in ("-1", "3", '"x"', "1e999", "null")],
)
def test_damaged_labels_are_one_line(tmp_path, content):
    write(tmp_path, "training/yes.1.wav")
    (tmp_path / "info.labels").write_text(content)
    with pytest.raises(
        SettingsError, match=r"^expected labels of Edge Impulse in .*info\.labels, found no such JSON"
    ) as refused:
        read(tmp_path)
    assert len(str(refused.value)) < 400


@pytest.mark.parametrize(
    ("files", "texts", "message"),
    [
        (["19/198/19-198-0.wav", "26/1/26-1-0.wav"], {"19/198/19-198.trans.txt": "", "26/1/26-1.trans.txt": ""}, "spe"),
        (["wavs/LJ001-0001.wav"], {"metadata.csv": "LJ001-0001|one|one\n"}, "running speech, as metadata.csv says"),
        (["clips/common_voice_en_1.mp3"], {"validated.tsv": "client_id\tpath\n"}, "sentences stand in validated.tsv"),
        (["train/a-1.wav", "test/b-1.wav"], {}, "in test, train of .*, found recordings without a word"),
        (["a-1.wav"], {}, "recordings in .* itself, as a-1.wav: name the folder that it lies in"),
        ([f"w{k}/s/t/a.wav" for k in range(9)], {}, "name one of w0, w1, w2, w3, w4, w5, ... "),
        ([], {"words.zip": ""}, "words.zip, an archive to be unpacked first"),
    ],
)
def test_what_is_no_tree_of_words_is_refused_in_one_line(tmp_path, files, texts, message):
    write(tmp_path, *files)
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(SettingsError, match=message) as refused:
        read(tmp_path)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "option", "message"),
    [
        (
            "yes/0a_nohash_0.wav",
            "speech",
            "expected running speech below .*, found words, as yes/0a_nohash_0.wav: .*--data",
        ),
        ("yes/0a_nohash_0.wav", "noise", "expected noise below .*, found words, as yes/0a_nohash_0.wav: .*--data"),
        ("7/7-1.wav", "noise", "expected noise below .*, found transcripts of running speech: name it with --speech"),
    ],
)
def test_words_are_neither_speech_nor_noise(tmp_path, name, option, message):
    write(tmp_path, name)
    (tmp_path / "7.trans.txt").write_text("7-1 ONE\n")
    folders = {"data": [], "noise": [], "speech": [], option: [str(tmp_path)]}
    with pytest.raises(SettingsError, match=message):
        index_folders(**folders, validation_speakers=[])


def test_a_table_of_other_columns_beside_words_is_no_running_speech(tmp_path):
    write(tmp_path, "yes/a-1.wav")
    (tmp_path / "metadata.csv").write_text("file,speaker\nyes/a-1.wav,a\n")
    assert [item.word for item in read(tmp_path)] == ["yes"]


def test_folders_that_are_links_are_followed_and_circles_are_not(tmp_path):
    write(tmp_path, "store/x/a-1.wav", "speech/7/7-1-0.wav", "noises/hum.wav")
    (tmp_path / "speech/7/7-1.trans.txt").write_text("7-1-0 ONE\n")
    words = tmp_path / "words"
    words.mkdir()
    (words / "yes").symlink_to(tmp_path / "store/x")
    (words / "_background_noise_").symlink_to(tmp_path / "noises")
    (tmp_path / "store/x/again").symlink_to(words)
    (tmp_path / "store/x/gone.wav").symlink_to(tmp_path / "nowhere")
    (tmp_path / "store/x/self.wav").symlink_to(tmp_path / "store/x/self.wav")
    (tmp_path / "linked").symlink_to(tmp_path / "speech")
    notes = Notes()
    found = index_folders(
        data=[str(words)], noise=[], speech=[str(tmp_path / "linked")], validation_speakers=[], notes=notes
    )
    assert [(item.kind, item.word, item.transcript) for item in found] == [
        (Kind.WORD, "yes", ""),
        (Kind.NOISE, "", ""),
        (Kind.SPEECH, "", "ONE"),
    ]
    assert {Path(name).name for name in notes.left_out["links to nothing, pipes and the like"]} == {
        "gone.wav",
        "self.wav",
    }
    assert len(notes.left_out["links to a folder that they lie in"]) == 1


def test_what_systems_leave_behind_is_not_read(tmp_path):
    write(
        tmp_path, "yes/A-1.WAV", "yes/.hidden/b-1.wav", "yes/__MACOSX/c-1.wav", "__MACOSX/no/d-1.wav", ".git/x/e-1.wav"
    )
    (tmp_path / "yes/._A-1.WAV").write_bytes(b"no sound")
    (tmp_path / "yes/.DS_Store").write_bytes(b"")
    (tmp_path / "yes/Thumbs.db").write_bytes(b"")
    (tmp_path / "words.zip").write_bytes(b"")
    (tmp_path / "maybe").mkdir()
    os.mkfifo(tmp_path / "yes/pipe.wav")
    notes = Notes()
    assert [(item.word, item.speaker) for item in read(tmp_path, notes)] == [("yes", "A")]
    assert notes.left_out == {
        "links to nothing, pipes and the like": {str(tmp_path / "yes/pipe.wav")},
        "archives, which are not unpacked": {str(tmp_path / "words.zip")},
        "files that are no recordings": {str(tmp_path / "yes/Thumbs.db")},
        "empty folders": {str(tmp_path / "maybe")},
    }
    assert [path.name for path in find_recordings(tmp_path)] == ["A-1.WAV"]


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_names_in_any_form_of_unicode_are_one_word(tmp_path, form):
    name = unicodedata.normalize(form, "größe")
    write(tmp_path, f"{name}/jörg-1.wav")
    (tmp_path / "testing_list.txt").write_text(unicodedata.normalize("NFC", "größe/jörg-1.wav"))
    other = unicodedata.normalize("NFD" if form == "NFC" else "NFC", str(tmp_path / name))
    assert [(item.word, item.split) for item in read(tmp_path)] == [("größe", TESTING)]
    assert len(read_folder(other).recordings) == 1


@pytest.mark.parametrize("name", ["noise", "_noise_", "Background", "background_noise", "silence", "Background Noise"])
def test_a_folder_of_noise_is_no_word(tmp_path, name):
    write(tmp_path, "yes/a-1.wav", "no/a-1.wav", f"{name}/hum.wav", f"{name}/deep/rain.wav")
    assert {(item.kind, item.word) for item in read(tmp_path)} == {
        (Kind.WORD, "yes"),
        (Kind.WORD, "no"),
        (Kind.NOISE, ""),
    }
    assert sum(item.kind == Kind.NOISE for item in read(tmp_path)) == 2


def test_noise_in_the_tree_of_a_split_stays_there(tmp_path):
    for split in ("train", "test"):
        write(tmp_path, f"{split}/yes/{split}-1.wav", *(f"{split}/noise/{split}{k}.wav" for k in range(20)))
    tested = [item.split for item in read(tmp_path) if "test" in item.path.rpartition("/")[2] and not item.word]
    assert tested == [TESTING] * 20


def test_words_of_several_words_are_read(tmp_path):
    write(tmp_path, "hey computer/anna-1.wav", "hey computer/ben 2.wav")
    assert {(item.word, item.speaker) for item in read(tmp_path)} == {
        ("hey computer", "anna"),
        ("hey computer", "ben"),
    }


def test_names_that_are_not_utf_8_are_read_and_stay_in_the_model_s_provenance(tmp_path):
    write(tmp_path, "a.wav")
    for name in (b"gr\xfcn/j\xf6rg-1.wav", b"no/j\xf6rg-1.wav", b"_background_noise_/l\xe4rm.wav"):
        file = tmp_path / "words" / os.fsdecode(name)
        file.parent.mkdir(parents=True)
        file.write_bytes((tmp_path / "a.wav").read_bytes())
    items = read(tmp_path / "words")
    assert [(item.word, item.speaker) for item in items] == [
        ("gr\ufffdn", "j\ufffdrg"),
        ("no", "j\ufffdrg"),
        ("", "l\ufffdrm"),
    ]
    Run(tmp_path / "run").begin(TrainSettings(data=(str(tmp_path / "words"),), words=("no",)))
    described = describe_training(
        Run(tmp_path / "run"), TrainSettings(data=(str(tmp_path / "words"),), words=("no",)), items
    )
    assert len(described["data"]["words"]["sha256"]) == 64


def test_folders_deeper_than_any_tree_of_words_are_refused(tmp_path):
    (tmp_path / "/".join("x" * 70)).mkdir(parents=True)
    with pytest.raises(SettingsError, match="expected folders at most 64 deep, found"):
        read(tmp_path)


def test_recordings_beside_the_words_of_a_split_make_it_no_export(tmp_path):
    write(tmp_path, *(f"train/{word}/{speaker}-1.wav" for word in ("yes", "no") for speaker in "abc"))
    write(tmp_path, "train/take.1.wav", "test/yes/d-1.wav")
    assert {item.word for item in read(tmp_path)} == {"yes", "no"}


def test_a_folder_that_may_not_be_read_is_named(tmp_path, monkeypatch):
    write(tmp_path, "yes/a-1.wav", "no/b-1.wav")
    scan = os.scandir

    def refuse(path):
        if str(path).endswith("no"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(SettingsError, match=r"expected a folder that can be read, found .*/no \(Permission denied\)"):
        read(tmp_path)
