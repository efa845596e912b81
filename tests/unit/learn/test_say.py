"""Takes of a word from its spelling alone."""

import shutil
from collections import Counter

import numpy as np
import pytest
from spoken import needs_espeak

from detector.errors import DetectorError, SettingsError
from detector.learn import choir as choirs
from detector.learn.choir import Choir, find_choir, plan
from detector.learn.piper import PiperVoice
from detector.learn.say import SYNTHETIC, WORTH, say_takes
from detector.learn.voices import Voice


def make_choir(**counts):
    engines = {"espeak": "espeak-ng", "flite": "flite"}
    voices = [
        PiperVoice(name=f"piper-{k}", engine="piper", code="x", speaker=k)
        if name == "piper"
        else Voice(name=f"{name}-{k}", engine=engines[name], code="x")
        for name, count in counts.items()
        for k in range(count)
    ]
    return Choir(tuple(voices), {})


def draw(choir, n, **how):
    drawn = plan(choir, ["computer"], n, how.get("seed", 0))
    return [next(drawn) for _ in range(n)]


@pytest.mark.parametrize(
    ("counts", "n", "expected"),
    [
        ({"espeak": 100}, 60, {"espeak-ng": 60}),
        ({"espeak": 100, "flite": 4}, 60, {"espeak-ng": 30, "flite": 30}),
        ({"espeak": 100, "flite": 4, "piper": 10}, 60, {"espeak-ng": 18, "flite": 21, "piper": 21}),
        ({"espeak": 100, "flite": 4, "piper": 1}, 60, {"espeak-ng": 29, "flite": 21, "piper": 10}),
        ({"espeak": 40, "piper": 900}, 100, {"espeak-ng": 50, "piper": 50}),
    ],
)
def test_engines_say_their_shares_and_each_voice_in_turn(counts, n, expected):
    drawn = draw(make_choir(**counts), n)
    assert Counter(utterance.voice.engine for utterance in drawn) == expected
    times = Counter(utterance.voice.name for utterance in drawn)
    for engine, count in expected.items():
        some = [times[name] for name in times if name.startswith(engine.partition("-")[0])]
        assert len(some) == min(count, counts[engine.partition("-")[0]])
        assert max(some) - min(some) <= 1
    assert len({(utterance.pace, utterance.pitch) for utterance in drawn}) == n


def test_the_seed_and_the_text_decide_the_draw():
    choir = make_choir(espeak=30, flite=4)
    assert draw(choir, 20) == draw(choir, 20)
    assert draw(choir, 20) != draw(choir, 20, seed=1)
    other = plan(choir, ["jarvis"], 20, 0)
    assert [next(other).pace for _ in range(20)] != [utterance.pace for utterance in draw(choir, 20)]


@needs_espeak
def test_a_word_is_said_by_many_voices_the_same_each_time():
    lines = []
    takes = say_takes("computer", n=24, progress=lines.append)
    assert len(takes) == 24
    assert len({take.speaker for take in takes}) >= 16
    for take in takes:
        assert take.speaker.startswith(f"{SYNTHETIC}espeak-en") or take.speaker.startswith(f"{SYNTHETIC}flite-")
        assert take.source == f"voice {take.speaker.removeprefix(SYNTHETIC)}"
        assert 0.35 < (take.end - take.start) / 16000 < 1.3
        assert np.abs(take.samples[take.start : take.end].astype(int)).max() > 1000
    again = say_takes("computer", n=24)
    assert all(np.array_equal(one.samples, other.samples) for one, other in zip(takes, again, strict=True))
    other = say_takes("computer", n=24, seed=1)
    assert not all(np.array_equal(one.samples, another.samples) for one, another in zip(takes, other, strict=True))
    assert lines[0] == "having 'computer' said by voices"
    assert lines[1] == "'computer' said 20 of 24 times"
    assert lines[2].startswith("'computer' said 24 times by ")
    assert "of espeak-ng 1." in lines[2]
    assert ("of flite 2." in lines[2]) is (shutil.which("flite") is not None)
    assert lines[3:] == [WORTH]


@needs_espeak
@pytest.mark.parametrize(("word", "language"), [("Haus", "de"), ("ordinateur", "fr"), ("компьютер", "ru")])
def test_words_of_other_languages_are_said(word, language):
    takes = say_takes(word, n=6, language=language)
    assert len(takes) == 6
    assert {take.speaker.removeprefix(SYNTHETIC).split("-")[1] for take in takes} == {language}


@needs_espeak
def test_a_phrase_that_is_too_long_is_one_line():
    with pytest.raises(SettingsError, match=r"at most 1.2 s, found that 'what .*' takes voices longer: choose"):
        say_takes("what is the weather like today in the mountains", n=4)


@needs_espeak
def test_voices_that_make_no_sound_are_dropped_and_counted_and_with_none_that_does_that_is_said(monkeypatch):
    lines, speak = [], choirs.speak

    def whisper_nothing(voice, text, **how):
        return np.zeros(8000, np.int16) if "+f" in voice.code else speak(voice, text, **how)

    monkeypatch.setattr(choirs, "speak", whisper_nothing)
    takes = say_takes("computer", n=12, progress=lines.append)
    assert len(takes) == 12
    assert not any("-f" in take.speaker for take in takes)
    assert " more dropped (" in lines[-2]
    assert " nothing)" in lines[-2]
    monkeypatch.setattr(choirs, "speak", lambda *_, **__: np.zeros(0, np.int16))
    with pytest.raises(DetectorError, match=r"to say 'computer', found nothing to use \(nothing 8 times\)"):
        say_takes("computer", n=4)


@needs_espeak
def test_english_has_flite_too_where_it_is_installed():
    engines = {voice.engine for voice in find_choir("en", None).voices}
    assert engines == {"espeak-ng", *(["flite"] if shutil.which("flite") else [])}
    assert {voice.engine for voice in find_choir("de", None).voices} == {"espeak-ng"}
