import numpy as np

from detector.learn.learner import group_takes
from detector.learn.takes import Take


def takes_of(*speakers):
    samples = np.zeros(10, dtype=np.int16)
    return [Take(samples=samples, start=0, end=1, source=str(k), speaker=name) for k, name in enumerate(speakers)]


def test_takes_of_one_person_are_left_out_one_by_one():
    assert group_takes(takes_of("a", "a", "a")) == group_takes(takes_of(None, None, None)) == [[0], [1], [2]]


def test_takes_of_one_speaker_are_left_out_together_where_there_are_others():
    assert group_takes(takes_of("a", "b", "a", None)) == [[3], [0, 2], [1]]


def test_many_takes_are_left_out_in_ten_groups():
    groups = group_takes(takes_of(*[None] * 34))
    assert len(groups) == 10
    assert sorted(k for group in groups for k in group) == list(range(34))
    assert {len(group) for group in group_takes(takes_of(*"abcdefghijklmno"))} == {1, 2}


def test_what_synthesisers_said_is_never_measured():
    assert group_takes(takes_of("synthetic:a", "anna", "synthetic:b", "anna")) == [[1], [3]]
    assert group_takes(takes_of("synthetic:a", "synthetic:b", "synthetic:a")) == []
