"""Who is set aside where no list says so."""

from hypothesis import given
from hypothesis import strategies as st

from training.data.items import Item, Kind, Split, choose_split
from training.data.splits import divide_few, keep_apart, speaker_of

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
