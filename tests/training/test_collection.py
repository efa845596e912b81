"""Recordings as one object: what is chosen, and that silence never is."""

import pickle

import numpy as np
import pytest

from training.data.collection import Collection
from training.data.items import Item, Kind, Split
from training.data.store import WaveformStore

SOUND, SILENCE = np.ones(8, dtype=np.int16), np.zeros(8, dtype=np.int16)
RECORDINGS = [
    (Item("0", Kind.WORD, Split.TRAINING, word="yes"), SOUND),
    (Item("1", Kind.WORD, Split.VALIDATION, word="no"), SOUND),
    (Item("2", Kind.WORD, Split.TRAINING, word="no"), SOUND),
    (Item("3", Kind.WORD, Split.TRAINING, word="yes"), SILENCE),
    (Item("4", Kind.WORD, Split.TRAINING, word="yes"), SOUND),
    (Item("5", Kind.SPEECH, Split.TRAINING, transcript="YES I DO"), SOUND),
    (Item("6", Kind.SPEECH, Split.TRAINING, transcript="I DO"), SOUND),
    (Item("7", Kind.SPEECH, Split.VALIDATION), SOUND),
    (Item("8", Kind.NOISE, Split.TRAINING), SOUND),
    (Item("9", Kind.NOISE, Split.VALIDATION), SOUND),
    (Item("10", Kind.NOISE, Split.VALIDATION), SILENCE),
    (Item("11", Kind.NOISE, Split.ALL), SOUND),
]


@pytest.fixture
def collection():
    items, sounds = zip(*RECORDINGS, strict=True)
    return Collection(items, sounds)


def test_words_are_chosen_by_split_and_word_in_their_order(collection):
    assert collection.words() == {"yes": [0, 4], "no": [1, 2]}
    assert collection.words(Split.TRAINING) == {"yes": [0, 4], "no": [2]}
    assert collection.words("validation", ["no", "maybe"]) == {"no": [1]}
    assert collection.words(Split.TESTING) == {}


def test_speech_is_chosen_by_split_without_some_words(collection):
    assert collection.speech(Split.TRAINING) == [5, 6]
    assert collection.speech(Split.TRAINING, without=(word for word in ["yes"])) == [6]


def test_noises_are_chosen_by_split_or_because_nothing_was_trained_on_them(collection):
    assert collection.noises() == [8, 9, 11]
    assert collection.noises(Split.VALIDATION) == [9]
    assert collection.untrained_noises() == [9, 11]


def test_silence_is_counted_and_never_chosen(collection):
    assert [item.path for item in collection.find_inaudible()] == ["3", "10"]


def test_a_collection_goes_to_another_process_as_the_name_of_a_file(tmp_path):
    np.arange(6, dtype=np.int16).tofile(tmp_path / "a.int16")
    np.save(tmp_path / "a.offsets.npy", np.array([0, 2, 6]))
    items = [Item(name, Kind.NOISE, Split.TRAINING) for name in "ab"]
    sent = pickle.dumps(Collection(items, WaveformStore(tmp_path / "a.int16")))
    received = pickle.loads(sent)
    assert received.items == tuple(items)
    assert (len(received), received[1].tolist()) == (2, [2, 3, 4, 5])
