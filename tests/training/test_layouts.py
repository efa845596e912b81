"""Words as people keep them, beside Speech Commands as unpacked, which tests/training/test_dataset.py reads."""

import numpy as np
import pytest
import soundfile

from detector.errors import SettingsError
from training.dataset import NOISE, TESTING, TRAINING, VALIDATION, WORD, WaveformStore, choose_split, read_item
from training.layouts import index_words


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
        (WORD, "good bye", "7", splits["7"]),
        (WORD, "good bye", "anna", splits["anna"]),
        (WORD, "hello", "anna", splits["anna"]),
        (WORD, "hello", "anna", splits["anna"]),
        (WORD, "hello", "ben", splits["ben"]),
    ]


def test_the_separate_test_set_knows_silence_and_unknown_words(tmp_path):
    for name in ("_silence_/0.wav", "_unknown_/ab_nohash_0.wav", "yes/ab_nohash_0.wav"):
        write(tmp_path / name)
    assert [(kind, word) for kind, word, *_ in found(tmp_path)] == [(NOISE, ""), (WORD, "_unknown_"), (WORD, "yes")]


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
    store = WaveformStore.build(items, folder=tmp_path / "cache", sample_rate_hz=16000, show_progress=False)
    for position, expected in enumerate((sound[8000:20000], sound[32000:], sound)):
        np.testing.assert_array_equal(store[position], expected)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,word\na.wav,yes\n", "found no start"),
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


def test_a_table_that_is_not_there_is_told(tmp_path):
    with pytest.raises(SettingsError, match="expected a table of words"):
        list(index_words(str(tmp_path / "words.csv")))


@pytest.mark.tensorflow
def test_what_tensorflow_datasets_prepares_is_read_with_its_own_splits(tmp_path, rng):
    import tensorflow as tf

    folder = tmp_path / "speech_commands" / "0.0.3"
    folder.mkdir(parents=True)
    (folder / "label.labels.txt").write_text("down\nyes\n_silence_\n_unknown_\n")
    sounds = []
    for split, labels in (("train", [1, 2]), ("validation", [3]), ("test", [0])):
        with tf.io.TFRecordWriter(str(folder / f"speech_commands-{split}.tfrecord-00000-of-00001")) as out:
            for label in labels:
                sounds.append(rng.integers(-32768, 32767, 16000))
                features = {"audio": sounds[-1].tolist(), "label": [label]}
                int64 = {k: tf.train.Feature(int64_list=tf.train.Int64List(value=v)) for k, v in features.items()}
                out.write(tf.train.Example(features=tf.train.Features(feature=int64)).SerializeToString())
    items = list(index_words(str(tmp_path / "speech_commands")))
    assert [(item.kind, item.word, item.split) for item in items] == [
        (WORD, "down", TESTING),
        (WORD, "yes", TRAINING),
        (NOISE, "", TRAINING),
        (WORD, "_unknown_", VALIDATION),
    ]
    np.testing.assert_array_equal(read_item(items[1], 16000), sounds[0])
    store = WaveformStore.build(items, folder=tmp_path / "cache", sample_rate_hz=16000, show_progress=False)
    np.testing.assert_array_equal(store[0], sounds[3])
    half = folder / "speech_commands-train.tfrecord-00000-of-00001"
    half.write_bytes(half.read_bytes()[:-10])
    with pytest.raises(SettingsError, match="expected whole records"):
        list(index_words(str(tmp_path)))
