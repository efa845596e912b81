"""Takes that are unlike the others are asked for once more; what is said of a lesson."""

from __future__ import annotations

import dataclasses

import lessons
import pytest
from spoken import buzz, record

from detector.cli.asking import ask_again, find_unlike, replace_takes
from detector.cli.lessons import describe_figures, describe_use, teach
from detector.errors import SettingsError
from detector.learn.material import Material
from detector.learn.takes import cut_take
from detector.learn.words import KeptWord
from detector.settings import Settings

UNLIKE = ["take 2 does not sound like the rest: say it again?"]


@pytest.fixture
def material():
    takes = tuple(cut_take(record(buzz(100.0 + 20.0 * k)), f"take {k + 1}") for k in range(3))
    return Material((takes[0], dataclasses.replace(takes[1], speaker=lessons.ODD), takes[2]))


def test_a_take_is_replaced_in_its_place_and_by_its_name(material):
    odd = find_unlike(material, UNLIKE)
    assert odd == [material.takes[1]]
    new = cut_take(record(buzz(150.0)), "take 1")
    replaced = replace_takes(material, odd, [new]).takes
    assert [take.source for take in replaced] == ["take 1", "take 2", "take 3"]
    assert (replaced[0], replaced[2]) == (material.takes[0], material.takes[2])
    assert replaced[1].samples is new.samples
    assert find_unlike(material, []) == []


def test_nobody_is_asked_where_nobody_watches(material):
    assert ask_again("computer", Settings(), material, UNLIKE) is None


def test_a_lesson_is_repeated_with_the_take_that_was_said_again(material, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("detector.cli.lessons.learn_from", lessons.learn)
    asked = []

    def again(more, unlike):
        asked.append((more, unlike))
        return dataclasses.replace(more, takes=tuple(dataclasses.replace(take, speaker="me") for take in more.takes))

    kept = KeptWord(tmp_path, "computer")
    teach(kept, material, resources="none", false_accepts_per_hour=None, again=again)
    assert asked == [(material, tuple(UNLIKE))]
    assert [take.speaker for take in kept.read().takes] == ["me"] * 3
    assert UNLIKE[0] in caplog.text


def test_a_take_that_nobody_says_again_is_kept(material, tmp_path, monkeypatch):
    monkeypatch.setattr("detector.cli.lessons.learn_from", lessons.learn)
    kept = KeptWord(tmp_path, "computer")
    teach(kept, material, resources="none", false_accepts_per_hour=None, again=lambda *_: None)
    assert [take.speaker for take in kept.read().takes] == [None, lessons.ODD, None]


def test_too_few_takes_of_a_voice_are_refused_before_others_are_asked(material, tmp_path, caplog):
    caplog.set_level("INFO")
    kept = KeptWord(tmp_path, "computer")
    with pytest.raises(SettingsError, match="3 takes or more of each voice for --only-me, found 2 of nobody named"):
        teach(kept, material, resources="none", false_accepts_per_hour=None, only_me="en")
    assert caplog.text == ""
    assert not kept.is_learnt


@pytest.mark.parametrize(
    ("report", "line"),
    [
        ({"misses": 0.1, "misses_interval": [0.01, 0.345], "misses_basis": "1 of 10"}, "10 % (1-34): 1 of 10"),
        (
            {"misses": None, "misses_interval": None, "misses_basis": "not known: nobody said it"},
            "not known: nobody said it",
        ),
        ({"misses": None, "misses_basis": "nobody said it"}, "not known: nobody said it"),
        ({}, "not known"),
    ],
)
def test_what_is_expected_has_an_interval_and_what_it_rests_on_or_is_not_known(report, line):
    assert describe_figures(report)[0] == f"misses         {line}"


@pytest.mark.parametrize(
    ("word", "others", "beside"),
    [
        ("computer", [], ["yes-no", "computer"]),
        ("computer", ["computer", "jarvis"], ["yes-no", "jarvis", "computer"]),
        ("computer", ["yes"], ["yes", "computer"]),
        ("no", ["jarvis"], ["jarvis", "no"]),
        ("yes", ["yes"], None),
    ],
)
def test_only_models_without_a_word_in_common_are_offered_together(word, others, beside, tmp_path):
    lines = describe_use(KeptWord(tmp_path, word), [KeptWord(tmp_path, other) for other in others])
    names = [name if name == "yes-no" else str(tmp_path / name) for name in beside or []]
    expected = [f"beside others  keyword-detector listen --model {','.join(names)}"] if beside else []
    assert lines == [f"listen         keyword-detector listen --model {tmp_path / word}", *expected]
