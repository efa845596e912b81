"""What is known of recordings: kinds, splits, words in transcripts."""

from collections import Counter

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from training.data.items import SPLITS, Item, Kind, Split, choose_split, describe_items, holds_any_word


@given(name=st.text(max_size=20))
def test_a_speaker_is_in_the_same_split_whatever_else_there_is(name):
    assert choose_split(name) is choose_split(name)
    assert choose_split(name) in SPLITS


def test_the_rule_sets_aside_what_it_is_asked_to():
    names = [f"{k:08x}" for k in range(4000)]
    for validation, testing in ((10.0, 10.0), (20.0, 0.0), (0.0, 0.0)):
        counts = Counter(choose_split(n, validation_percent=validation, testing_percent=testing) for n in names)
        assert abs(counts[Split.VALIDATION] / 40 - validation) < 2.0
        assert abs(counts[Split.TESTING] / 40 - testing) < 2.0


def test_speakers_of_speech_commands_are_in_their_official_splits():
    # Of the lists that the archive holds (Warden 2018).
    assert choose_split("0132a06d") is Split.TRAINING
    assert choose_split("f0ac2462") in SPLITS
    assert {choose_split(name) for name in ("a5d485dc", "b959cd0c", "41285127", "0fa1e7a9", "e41e41f7")} <= set(SPLITS)


def test_items_are_counted_by_kind_and_split_with_their_speakers():
    items = [
        Item("a", Kind.WORD, Split.TRAINING, word="yes", speaker="anna"),
        Item("b", Kind.WORD, Split.TRAINING, word="no", speaker="anna"),
        Item("c", Kind.WORD, Split.TESTING, word="no", speaker="bert"),
        Item("d", Kind.NOISE, Split.VALIDATION, speaker="hum"),
    ]
    assert describe_items(items) == ["word: 2 training, 1 testing; 2 speakers", "noise: 1 validation"]
    assert describe_items([]) == []


def test_a_word_is_found_in_a_transcript_whole_and_in_any_case():
    item = Item("a", Kind.SPEECH, Split.TRAINING, transcript="I KNOW NOTHING")
    assert holds_any_word(item, ["know"])
    assert holds_any_word(item, iter(["never", "NOTHING"]))
    assert not holds_any_word(item, ["no", "not", "thing"])
    assert not holds_any_word(item, [])


def test_a_phrase_is_found_in_a_transcript():
    item = Item("a", Kind.SPEECH, Split.TRAINING, transcript="SAY HEY COMPUTER NOW")
    assert holds_any_word(item, ["hey computer"])
    assert not holds_any_word(item, ["hey compute", "computer hey", "ay hey"])


def test_kinds_and_splits_are_written_as_plain_words():
    item = Item("a", Kind.NOISE, Split.ALL)
    assert msgspec.json.decode(msgspec.json.encode(item))["kind"] == "noise"
    assert msgspec.json.decode(msgspec.json.encode(item), type=Item) == item
    assert f"{Split.VALIDATION}" == "validation"
