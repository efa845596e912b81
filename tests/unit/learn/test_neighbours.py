"""What sounds nearly like a word and must not be taken for it."""

import numpy as np
import pytest
from spoken import needs_espeak

from detector.errors import SettingsError
from detector.learn import neighbours
from detector.learn.alike import count_changes, simplify
from detector.learn.neighbours import find_neighbours, say_neighbours
from detector.learn.voices import find_accents, pronounce


def find(word, language="en", n=60):
    return find_neighbours(word, n, find_accents(language), np.random.default_rng(0))


def sound(word, accent="en-us"):
    return simplify(pronounce([word], accent)[0])


@needs_espeak
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("writer", "rider"),
        ("computer", "computa"),
        ("computer", "conputer"),
        ("jarvis", "jarfiz"),
        ("camera", "camra"),
    ],
)
def test_what_may_be_the_word_itself_sounds_alike(one, other):
    assert sound(one) == sound(other)


@needs_espeak
def test_sounds_are_counted_that_differ():
    assert (sound("computer"), sound("jarvis"), sound("haus", "de")) == ("kmpjut", "Cafs", "has")
    assert count_changes(sound("computer"), sound("commuter")) == 1
    assert count_changes(sound("jarvis"), sound("marvin")) == 2
    assert [count_changes(*pair) for pair in (("", "ab"), ("abc", "abc"), ("abc", "cab"), ("abc", "b"))] == [2, 0, 2, 2]


@needs_espeak
@pytest.mark.parametrize("word", ["computer", "jarvis", "hey computer"])
def test_neighbours_sound_nearly_like_the_word_and_in_no_accent_like_it(word):
    found, n_alike = find(word)
    assert 30 < len(found) <= 60
    assert n_alike > 20
    for accent in find_accents("en"):
        target = sound(word, accent)
        assert not any(target in simplify(phonemes) for phonemes in pronounce(found, accent))
    target = sound(word)
    near = [count_changes(sound(spelling), target) for spelling in found]
    assert sum(changes <= max(1, len(target) // 3) for changes in near) >= 0.7 * len(found)
    assert len({sound(spelling) for spelling in found}) == len(found)


@needs_espeak
def test_parts_of_a_word_and_the_words_of_a_phrase_are_neighbours_and_what_it_is_a_part_of_is_not():
    assert {"puter", "comp"} <= set(find("computer")[0])
    assert {"hey", "computer"} <= set(find("hey computer")[0])
    assert not any("yes" in spelling for spelling in find("yes")[0])


@needs_espeak
@pytest.mark.parametrize(
    ("word", "language"), [("Mädchen", "de"), ("компьютер", "ru"), ("컴퓨터", "ko"), ("コンピューター", "ja")]
)
def test_words_in_other_letters_have_neighbours_in_the_same(word, language):
    found, _ = find(word, language, 20)
    assert len(found) == 20
    assert (
        not set("".join(found)) & set("qwx" if language == "de" else "abcdefghijklmnopqrstuvwxyz") or language == "de"
    )


@needs_espeak
@pytest.mark.parametrize("word", ["x", "a", "r2 d2", "hey-ho"])
def test_short_and_odd_words_have_the_neighbours_that_there_are(word):
    found, _ = find(word, n=10)
    assert 0 < len(found) <= 10
    assert word not in found
    assert all(spelling[0].isalpha() for spelling in found)


@needs_espeak
def test_neighbours_are_said_in_streams_by_the_voices_of_the_word_the_same_each_time():
    lines = []
    streams = say_neighbours("computer", n=20, progress=lines.append)
    assert len(streams) == 3
    for stream in streams:
        assert stream.dtype == np.int16
        assert not (stream[:8000].astype(int) > 20).any()
        assert 4.0 < len(stream) / 16000 < 25.0
        assert 300 < np.abs(stream.astype(int)).max() < 30000
    again = say_neighbours("computer", n=20)
    assert all(np.array_equal(one, other) for one, other in zip(streams, again, strict=True))
    assert lines[0] == "having what sounds nearly like 'computer' said by voices"
    assert lines[1].startswith("20 times something said that is nearly 'computer' and must not be detected (")
    assert lines[1].endswith(" more sounded too much like it")


@needs_espeak
def test_without_neighbours_that_is_said(monkeypatch):
    lines = []
    monkeypatch.setattr(neighbours, "find_neighbours", lambda *_: ([], 3))
    assert say_neighbours("computer", progress=lines.append) == []
    assert lines == ["found nothing that sounds nearly like 'computer': learning without"]


@needs_espeak
def test_a_word_that_cannot_be_said_has_none():
    with pytest.raises(SettingsError, match="expected a word of letters to speak"):
        say_neighbours("42")
