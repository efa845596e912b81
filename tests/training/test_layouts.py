"""Words as people keep them, beside Speech Commands as unpacked, which tests/training/test_dataset.py reads."""

import sys

import numpy as np
import pytest
import soundfile

from detector.errors import AudioFileError, SettingsError
from training.data.decode import read_item
from training.data.items import SPLITS, Item, Kind, Split, choose_split
from training.data.layouts import index_all_words, index_folders, index_words
from training.data.splits import keep_apart
from training.data.store import WaveformStore
from training.data.tfds import read_record, read_record_places
from training.run.recordings import index
from training.run.settings import TrainSettings


def write(path, samples=None, rate_hz=16000):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.zeros(1600, dtype=np.int16) if samples is None else samples, rate_hz)


def found(name):
    return [(item.kind, item.word, item.speaker, item.split) for item in index_words(str(name))]


def test_any_tree_of_words_will_do_and_a_speaker_stays_in_one_split(tmp_path):
    for name in ("hello/anna-1.wav", "hello/anna_02.flac", "hello/ben.wav", "good bye/anna 3.ogg", "good bye/7.wav"):
        write(tmp_path / "mine" / name)
    (tmp_path / "mine" / "notes.txt").write_text("")
    splits = {speaker: choose_split(speaker) for speaker in ("anna", "ben", "7")}
    assert found(tmp_path) == [
        (Kind.WORD, "good bye", "7", splits["7"]),
        (Kind.WORD, "good bye", "anna", splits["anna"]),
        (Kind.WORD, "hello", "anna", splits["anna"]),
        (Kind.WORD, "hello", "anna", splits["anna"]),
        (Kind.WORD, "hello", "ben", splits["ben"]),
    ]


def test_the_separate_test_set_knows_silence_and_unknown_words(tmp_path):
    for name in ("_silence_/0.wav", "_unknown_/ab_nohash_0.wav", "yes/ab_nohash_0.wav"):
        write(tmp_path / name)
    assert [(kind, word) for kind, word, *_ in found(tmp_path)] == [
        (Kind.WORD, "_unknown_"),
        (Kind.WORD, "yes"),
        (Kind.NOISE, ""),
    ]


def test_a_table_names_files_and_the_parts_of_them_that_are_words(tmp_path, rng):
    sound = (rng.standard_normal(48000) * 1000).astype(np.int16)
    write(tmp_path / "long/anna-1.wav", sound)
    table = tmp_path / "words.csv"
    table.write_text(
        "file,start,end,word,speaker\nlong/anna-1.wav,0.5,1.25,yes,\nlong/anna-1.wav,2,,no,ben\nlong/anna-1.wav,,,all,\n"
    )
    items = list(index_words(str(table)))
    assert [(item.word, item.speaker, item.span_s) for item in items] == [
        ("yes", "anna", (0.5, 1.25)),
        ("no", "ben", (2.0, float("inf"))),
        ("all", "anna", None),
    ]
    store = WaveformStore.build(items, folder=tmp_path / "cache", sample_rate_hz=16000)
    for position, expected in enumerate((sound[8000:20000], sound[32000:], sound)):
        np.testing.assert_array_equal(store[position], expected)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,word\na.wav,yes\n", "found no start in 'file,word'"),
        ("file;start;end;word\nhere.wav;0;1;yes\n", "with commas.*found no file in 'file;start;end;word'"),
        ("file,start,end,word\nmissing.wav,0,1,yes\n", "a file that is there in line 2 of .*, found 'missing.wav'"),
        ("file,start,end,word\n", "expected rows"),
        ("file,start,end,word\nmissing.wav,0,1,yes\n", "line 2"),
        ("file,start,end,word\nhere.wav,0,1,yes\nhere.wav,1,x,yes\n", "line 3"),
        ("file,start,end,word\nhere.wav,2,1,yes\n", "start and end"),
        ("file,start,end,word\nhere.wav,0,1,\n", "expected a word"),
        ("\0", "expected"),
    ],
)
def test_a_table_that_does_not_fit_is_one_line_that_says_where(tmp_path, text, message):
    write(tmp_path / "here.wav")
    (tmp_path / "words.csv").write_text(text)
    with pytest.raises(SettingsError, match=message):
        list(index_words(str(tmp_path / "words.csv")))


@pytest.mark.parametrize("n_speakers", [2, 6, 40])
def test_where_the_rule_leaves_nobody_to_measure_on_or_to_train_on_somebody_is_set_aside(tmp_path, n_speakers):
    """Names that all fall into one split of the rule: training, or testing."""
    for split in (Split.TRAINING, Split.TESTING):
        names = [name for name in map("speaker{}".format, range(1000)) if choose_split(name) == split][:n_speakers]
        for name in names:
            for word in ("hey", "other"):
                write(tmp_path / split / word / f"{name}-1.wav")
        items = list(index_words(str(tmp_path / split)))
        aside = {item.speaker for item in items if item.split == Split.VALIDATION}
        assert len(aside) == max(1, n_speakers // 10)
        assert {item.split for item in items} == {Split.TRAINING, Split.VALIDATION}
        assert not aside & {item.speaker for item in items if item.split == Split.TRAINING}


def test_who_is_set_aside_in_one_folder_is_set_aside_in_all(tmp_path):
    """Two people leave nobody to measure on by the rule; in a larger folder they would be trained on."""
    trained = [name for name in map("speaker{}".format, range(1000)) if choose_split(name) == Split.TRAINING]
    validated = [name for name in map("speaker{}".format, range(1000)) if choose_split(name) == Split.VALIDATION]
    for folder, names in (("few", trained[:2]), ("many", [*trained[:5], *validated[:2]])):
        for name in names:
            write(tmp_path / folder / "hey" / f"{name}-1.wav")
    items = index_all_words([str(tmp_path / "few"), str(tmp_path / "many")])
    splits = {name: {item.split for item in items if item.speaker == name} for name in (*trained[:5], *validated[:2])}
    assert all(len(split) == 1 for split in splits.values()), splits
    assert sorted(split for name in trained[:2] for split in splits[name]) == [Split.TRAINING, Split.VALIDATION]


def test_one_person_is_trained_on_and_measured_on_by_other_recordings(tmp_path):
    for number in range(20):
        for word in ("jarvis", "lamp", "other"):
            write(tmp_path / word / f"me-{number}.wav")
    items = index(TrainSettings(data=(str(tmp_path),), words=("jarvis", "lamp")))
    for word in ("jarvis", "lamp", "other"):
        splits = [item.split for item in items if item.word == word]
        assert (splits.count(Split.TRAINING), splits.count(Split.VALIDATION)) == (16, 4)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
def test_a_table_is_read_as_windows_saves_it(tmp_path, encoding):
    write(tmp_path / "größe/jörg-1.wav")
    text = "file,start,end,word\r\ngröße\\jörg-1.wav,,,größe\r\n"
    (tmp_path / "words.csv").write_bytes(text.encode(encoding))
    assert [(item.word, item.speaker) for item in index_words(str(tmp_path / "words.csv"))] == [("größe", "jörg")]


def test_files_that_a_table_names_and_are_not_there_are_counted(tmp_path):
    write(tmp_path / "a.wav")
    (tmp_path / "words.csv").write_text("file,start,end,word\na.wav,,,yes\nb.wav,,,yes\nc.wav,,,no\n")
    with pytest.raises(SettingsError, match=r"in line 3 of .*, found 'b\.wav', and 1 more of 3 rows that name none$"):
        list(index_words(str(tmp_path / "words.csv")))


def test_of_a_table_without_speakers_names_say_whether_they_are_known(tmp_path):
    for name in ("anna-1.wav", "2024-03-01 10.11.12.wav"):
        write(tmp_path / name)
    rows = "anna-1.wav,,,yes,\n2024-03-01 10.11.12.wav,,,yes,\n2024-03-01 10.11.12.wav,,,no,ben\n"
    (tmp_path / "words.csv").write_text(f"file,start,end,word,speaker\n{rows}")
    items = index_words(str(tmp_path / "words.csv"))
    assert [(item.speaker, item.is_speaker_known) for item in items] == [
        ("anna", True),
        ("2024-03-01 10.11", False),
        ("ben", True),
    ]


def test_recordings_of_telephones_are_clips_as_others_are(tmp_path):
    write(tmp_path / "hey" / "anna-0.wav")
    (tmp_path / "hey" / "ben-1.m4a").write_bytes(b"?")
    assert len(list(index_words(str(tmp_path)))) == 2


def test_a_table_that_is_not_there_is_told(tmp_path):
    with pytest.raises(SettingsError, match="expected a table of words"):
        list(index_words(str(tmp_path / "words.csv")))


def write_records(folder, split, clips):
    """Write clips, each the number of its label and its samples, as TensorFlow Datasets does."""
    import tensorflow as tf

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "label.labels.txt").write_text("down\nyes\n_silence_\n_unknown_\n")
    with tf.io.TFRecordWriter(str(folder / f"speech_commands-{split}.tfrecord-00000-of-00001")) as out:
        for label, samples in clips:
            features = {"audio": samples.tolist(), "label": [label]}
            int64 = {k: tf.train.Feature(int64_list=tf.train.Int64List(value=v)) for k, v in features.items()}
            out.write(tf.train.Example(features=tf.train.Features(feature=int64)).SerializeToString())


@pytest.mark.tensorflow
def test_what_tensorflow_datasets_prepares_is_read_with_its_own_splits(tmp_path, rng):
    folder = tmp_path / "speech_commands" / "0.0.3"
    sounds = [rng.integers(-32768, 32767, 16000) for _ in range(4)]
    write_records(folder, "train", [(1, sounds[0]), (2, sounds[1])])
    write_records(folder, "validation", [(3, sounds[2])])
    write_records(folder, "test", [(0, sounds[3])])
    items = list(index_words(str(tmp_path / "speech_commands")))
    assert [(item.kind, item.word, item.split) for item in items] == [
        (Kind.WORD, "down", Split.TESTING),
        (Kind.WORD, "yes", Split.TRAINING),
        (Kind.NOISE, "", Split.TRAINING),
        (Kind.WORD, "_unknown_", Split.VALIDATION),
    ]
    np.testing.assert_array_equal(read_item(items[1], 16000), sounds[0])
    store = WaveformStore.build(items, folder=tmp_path / "cache", sample_rate_hz=16000)
    np.testing.assert_array_equal(store[0], sounds[3])
    half = folder / "speech_commands-train.tfrecord-00000-of-00001"
    half.write_bytes(half.read_bytes()[:-10])
    with pytest.raises(SettingsError, match="expected whole records"):
        list(index_words(str(tmp_path)))


def count(*names):
    folders = index_folders(data=[str(name) for name in names], noise=(), speech=(), validation_speakers=())
    return sum(item.kind == Kind.WORD for item in folders)


def test_no_clip_is_taken_for_another(tmp_path):
    for name in ("v1/yes/ab_nohash_0.wav", "v1/yes/ab_nohash_1.wav", "v2/yes/ab_nohash_0.wav", "v2/no/ab_nohash_0.wav"):
        write(tmp_path / name)
    assert (
        count(tmp_path / "v1", tmp_path / "v2") == 3
    )  # the versions of Speech Commands share clips, nothing else does
    for name in ("anna/yes/1.wav", "anna/yes/1.flac", "ben/yes/1.wav"):
        write(tmp_path / name)
    assert count(tmp_path / "anna", tmp_path / "ben") == 3
    table = tmp_path / "words.csv"
    table.write_text("file,start,end,word\n" + "".join(f"anna/yes/1.wav,0.0{k},0.1,yes\n" for k in range(9)))
    assert count(table) == 9


@pytest.mark.tensorflow
def test_every_record_of_tensorflow_datasets_counts(tmp_path, rng):
    write_records(tmp_path, "train", [(1, rng.integers(-9, 9, 1600)) for _ in range(5)])
    assert count(tmp_path) == 5


def test_what_macos_and_hidden_folders_leave_is_passed_over_and_several_data_sets_are_named(tmp_path):
    for name in ("mini/yes/a-1.wav", "__MACOSX/mini/yes/._a-1.wav", ".cache/x/y.wav"):
        write(tmp_path / name.replace("._", ""))
    assert [item.word for item in index_words(str(tmp_path))] == ["yes"]
    write(tmp_path / "maxi/yes/a-1.wav")
    with pytest.raises(SettingsError, match="several folders: name one of maxi, mini"):
        list(index_words(str(tmp_path)))


@pytest.mark.parametrize("word", ["../../away", "a/b", ".hidden"])
def test_a_word_of_a_table_is_no_path(tmp_path, word):
    write(tmp_path / "a.wav")
    (tmp_path / "t.CSV").write_text(f"file,start,end,word\na.wav,,,{word}\n")
    with pytest.raises(SettingsError, match=r"line 2"):
        list(index_words(str(tmp_path / "t.CSV")))


def test_a_part_after_the_end_is_told(tmp_path):
    write(tmp_path / "a.wav")
    (tmp_path / "t.csv").write_text("file,start,end,word\na.wav,5,6, yes \n")
    (item,) = index_words(str(tmp_path / "t.csv"))
    assert item.word == "yes"
    with pytest.raises(AudioFileError, match=r"ends at 0\.1 s"):
        read_item(item, 16000)


def test_clips_that_are_numbered_alone_are_told_of_and_a_folder_names_who_speaks(tmp_path, caplog):
    for name in ("yes/0.wav", "yes/1.wav", "yes/anna/0.wav", "yes/anna/1.wav", "no/ben/0.wav", "_silence_/0.wav"):
        write(tmp_path / name)
    assert {(word, speaker) for _, word, speaker, _ in found(tmp_path) if word} == {
        ("yes", "0"),
        ("yes", "1"),
        ("yes", "anna"),
        ("no", "ben"),
    }
    assert [record.message.split(":")[0] for record in caplog.records] == [
        f"2 clips below {tmp_path} have names that do not say who speaks, the first is 0.wav"
    ]


def test_words_in_folders_of_speakers_are_told_how_to_be_named(tmp_path):
    for name in ("yes/anna/0.wav", "no/anna/0.wav"):
        write(tmp_path / name)
    with pytest.raises(SettingsError, match=r"where they are words, name files WORD/SPEAKER-NUMBER"):
        list(index_words(str(tmp_path)))


def test_a_tree_for_each_split_keeps_the_splits(tmp_path):
    for name in ("train/yes/a-1.wav", "train/no/b-1.wav", "Val/yes/c-1.wav", "test/yes/d-1.wav"):
        write(tmp_path / "mine" / name)
    assert {(word, speaker, split) for _, word, speaker, split in found(tmp_path)} == {
        ("yes", "a", Split.TRAINING),
        ("no", "b", Split.TRAINING),
        ("yes", "c", Split.VALIDATION),
        ("yes", "d", Split.TESTING),
    }


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("speech_commands_v0.02.tar.gz", "an archive to be unpacked first"),
        ("words.csv", "a table, to be named itself"),
        ("x/speech_commands-train.array_record-00000-of-00001", "ArrayRecord files"),
        ("notes.txt", "found none$"),
    ],
)
def test_what_is_there_instead_of_clips_is_told(tmp_path, name, what):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(SettingsError, match=what):
        list(index_words(str(tmp_path)))


@pytest.mark.tensorflow
def test_other_data_sets_beside_are_passed_over_and_two_versions_are_named(tmp_path, rng):
    write_records(tmp_path / "speech_commands/0.0.3", "train", [(1, rng.integers(-9, 9, 1600))])
    (tmp_path / "mnist").mkdir()
    (tmp_path / "mnist/mnist-train.tfrecord-00000-of-00001").write_bytes(b"no words")
    assert count(tmp_path) == 1
    write_records(tmp_path / "speech_commands/0.0.2", "train", [(1, rng.integers(-9, 9, 1600))])
    with pytest.raises(SettingsError, match=r"several: name one of .*0\.0\.2, .*0\.0\.3"):
        list(index_words(str(tmp_path)))


@pytest.mark.tensorflow
def test_files_of_tensorflow_datasets_without_labels_or_of_another_split_are_named(tmp_path, rng):
    write_records(tmp_path, "train", [(1, rng.integers(-9, 9, 1600))])
    file = tmp_path / "speech_commands-train.tfrecord-00000-of-00001"
    file.rename(tmp_path / "speech_commands-extra.tfrecord-00000-of-00001")
    with pytest.raises(SettingsError, match=r"split train, validation or test, found .*-extra\.tfrecord"):
        list(index_words(str(tmp_path)))
    (tmp_path / "label.labels.txt").unlink()
    with pytest.raises(SettingsError, match=r"found no \*label\.labels\.txt"):
        list(index_words(str(tmp_path)))


def test_what_tensorflow_wrote_needs_it_to_be_read(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow.train", None)
    (tmp_path / "speech_commands-train.tfrecord-00000-of-00001").write_bytes(b"")
    with pytest.raises(SettingsError, match=r"expected TensorFlow, which wrote .*, to read it, found none"):
        list(index_words(str(tmp_path)))


def test_a_record_is_found_by_its_length_alone(tmp_path):
    """Two records as the format has them: length, checksum, bytes, checksum."""
    file = tmp_path / "clips"
    contents = [b"first", b"the second"]
    file.write_bytes(b"".join(len(c).to_bytes(8, "little") + b"crc1" + c + b"crc2" for c in contents))
    places = list(read_record_places(file))
    assert places == [(12, 5), (33, 10)]
    assert [read_record(file, place) for place in places] == contents
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(SettingsError, match=r"expected whole records in .*, found one that ends after the file"):
        list(read_record_places(file))


def test_a_speaker_whom_one_folder_tests_and_another_validates_is_validated():
    items = [Item(str(k), Kind.WORD, split, speaker="anna", folder=str(k)) for k, split in enumerate(SPLITS)]
    unknown = [Item("4", Kind.WORD, split) for split in SPLITS]
    kept = keep_apart([*items, *unknown])
    assert [item.split for item in kept] == [Split.VALIDATION] * 3 + list(SPLITS)
