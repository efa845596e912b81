"""Who is set aside where no list says so."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.data.items import Item, Kind, Split, choose_split
from training.data.splits import divide_few, identify_speaker, keep_apart, set_aside, speaker_of

NAMES = st.lists(st.sampled_from([f"{k:04x}" for k in range(60)]), min_size=1, max_size=60)


def items_of(speakers, split=None):
    return [
        Item(f"{k}.wav", Kind.WORD, split or choose_split(speaker), word="yes", speaker=speaker)
        for k, speaker in enumerate(speakers)
    ]


@given(speakers=NAMES)
def test_nobody_is_on_both_sides_and_two_are_divided(speakers):
    divided = divide_few(items_of(speakers))
    by_split = {split: {item.speaker for item in divided if item.split is split} for split in Split}
    assert by_split[Split.TRAINING].isdisjoint(by_split[Split.VALIDATION])
    if len(set(speakers)) > 1:
        assert by_split[Split.TRAINING]
        assert by_split[Split.VALIDATION]
    assert [item.path for item in divided] == [item.path for item in items_of(speakers)]


@given(speakers=NAMES, seed=st.randoms())
def test_who_is_set_aside_is_no_matter_of_order(speakers, seed):
    shuffled = list(speakers)
    seed.shuffle(shuffled)
    first = {item.speaker: item.split for item in divide_few(items_of(speakers))}
    assert {item.speaker: item.split for item in divide_few(items_of(shuffled))} == first


def test_a_collection_that_the_rule_divides_is_left_as_it_is():
    items = items_of([f"{k:04x}" for k in range(200)])
    assert divide_few(items) == items


@given(speakers=NAMES)
def test_one_set_aside_in_one_folder_is_set_aside_in_all(speakers):
    first, second = items_of(speakers, Split.TRAINING), items_of(speakers[:3], Split.VALIDATION)
    second = [msgspec.structs.replace(item, folder="second") for item in second]
    together = keep_apart([*first, *second])
    aside = set(speakers[:3])
    assert all((item.split is Split.VALIDATION) == (item.speaker in aside) for item in together)


def test_nobody_is_not_somebody():
    items = [
        Item("a", Kind.WORD, Split.TESTING, speaker=""),
        Item("b", Kind.WORD, Split.TRAINING, speaker=""),
    ]
    assert [item.split for item in keep_apart(items)] == [Split.TESTING, Split.TRAINING]


def test_the_name_of_a_file_says_who_speaks():
    names = {
        "0a7c2a8d_nohash_0": "0a7c2a8d",
        "0a7c2a8d_nohash_17": "0a7c2a8d",
        "anna-3": "anna",
        "anna_04": "anna",
        "anna 5": "anna",
        "anna.6": "anna",
        "anna7": "anna",
        "anna-b-8": "anna-b",
        "anna": "anna",
        "12": "12",
    }
    assert {stem: speaker_of(stem) for stem in names} == names


@given(speakers=NAMES)
def test_a_folder_keeps_the_splits_that_it_says_itself(speakers):
    items = [*items_of(speakers, Split.TRAINING), *items_of(speakers, Split.VALIDATION), *items_of(speakers)]
    assert keep_apart(items) == items


def test_whoever_has_no_name_is_not_the_same_in_another_folder():
    first = Item("a/1.wav", Kind.WORD, Split.TRAINING, speaker="1", is_speaker_known=False, folder="a")
    second = Item("b/1.wav", Kind.WORD, Split.TESTING, speaker="1", is_speaker_known=False, folder="b")
    assert keep_apart([first, second]) == [first, second]


@given(speakers=NAMES, others=NAMES)
def test_of_each_word_somebody_is_set_aside_and_somebody_stays(speakers, others):
    items = items_of(speakers, Split.TRAINING)
    items += [msgspec.structs.replace(item, word="no") for item in items_of(others, Split.TRAINING)]
    divided = set_aside(items)
    aside = {item.speaker for item in divided if item.split is Split.VALIDATION}
    assert {item.speaker for item in divided if item.split is Split.TRAINING}.isdisjoint(aside)
    for names in (set(speakers), set(others)):
        assert names - aside or len(names) == 1
    smaller = min(set(speakers), set(others), key=lambda names: (len(names), sorted(names)))
    assert bool(smaller & aside) or len(smaller) < 2


def test_where_somebody_is_set_aside_nobody_else_is():
    items = [*items_of(["a", "b", "c"], Split.TRAINING), *items_of(["d"], Split.VALIDATION)]
    assert set_aside(items) == items


@pytest.mark.parametrize(
    ("stem", "word", "identified"),
    [
        ("anna-3", "yes", ("anna", True)),
        ("a-1", "yes", ("a", True)),
        ("anna_recording_3", "yes", ("anna_recording", True)),
        ("2024_anna_3", "yes", ("2024_anna", True)),
        ("0a7c2a8d_nohash_0", "yes", ("0a7c2a8d", True)),
        ("20240301_nohash_1", "yes", ("20240301", True)),
        ("yesterday-2", "yes", ("yesterday", True)),
        ("7", "yes", ("7", False)),
        ("2024-03-01 10.11.02", "yes", ("2024-03-01 10.11", False)),
        ("20240301T101102Z", "yes", ("20240301T101102Z", False)),
        ("yes_12", "yes", ("yes_12", False)),
        ("hey_jarvis_4", "hey jarvis", ("hey_jarvis_4", False)),
        ("heyjarvis4", "hey jarvis", ("heyjarvis4", False)),
        ("wake-word-4", "wake-word", ("wake-word-4", False)),
        ("Recording (3)", "yes", ("Recording (3)", False)),
        ("Aufnahme 3", "ja", ("Aufnahme 3", False)),
        ("clip_000044442", "yes", ("clip_000044442", False)),
        ("common_voice_en_18833718", "yes", ("common_voice_en_18833718", False)),
        ("0386da81-9db7-499c-b4f8-910beec53c23", "yes", ("0386da81-9db7-499c-b4f8-910beec53c", False)),
        ("0386da819db7499cb4f8910beec53c2f", "yes", ("0386da819db7499cb4f8910beec53c2f", False)),
    ],
)
def test_a_name_that_says_nothing_of_who_speaks_is_known_for_one(stem, word, identified):
    assert identify_speaker(stem, word) == identified
