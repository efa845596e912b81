"""Voices of languages, and what they are asked to say."""

import shutil

import numpy as np
import pytest
from spoken import needs_espeak

from detector.errors import SettingsError
from detector.learn.voices import LANGUAGES, Voice, describe_engines, find_accents, list_voices, speak

needs_flite = pytest.mark.skipif(shutil.which("flite") is None, reason="needs flite: apt-get install flite")


@needs_espeak
@pytest.mark.parametrize(
    ("language", "accents"),
    [
        ("en", list(LANGUAGES)),
        ("en-gb", [accent for accent in LANGUAGES if accent.startswith("en-gb")]),
        ("EN_US", ["en-us", "en-us-nyc"]),
        ("en-nz", list(LANGUAGES)),
        ("de", ["de"]),
        ("de_AT", ["de"]),
        ("pt", ["pt", "pt-br"]),
        ("pt-BR", ["pt-br"]),
        ("no", ["nb"]),
    ],
)
def test_a_language_is_spoken_in_its_accents(language, accents):
    assert find_accents(language) == accents


@needs_espeak
@pytest.mark.parametrize("language", ["xx", "", "variant", "--help", "de\0", "../de", "mb"])
def test_a_language_that_is_not_spoken_is_one_line(language):
    with pytest.raises(SettingsError, match=r"expected a language that espeak-ng speaks, .*: espeak-ng --voices lists"):
        list_voices(language)


@needs_espeak
def test_german_has_more_voices_of_its_one_accent_and_none_of_flite():
    voices = list_voices("de")
    assert len(voices) > 30
    assert {voice.engine for voice in voices} == {"espeak-ng"}
    assert {voice.code.partition("+")[0] for voice in voices} == {"de"}
    assert len({voice.name for voice in voices}) == len(voices)
    assert all(speak(voice, "haus", pace=0.5, pitch=0.5).any() for voice in voices[::6])


@needs_espeak
@pytest.mark.parametrize("text", ["-v", "--help", "-f /etc/passwd", "--stdin", "$(id)", "; id", "<break/>"])
def test_a_text_is_never_an_option_of_espeak(text):
    voice = Voice(name="espeak-en-us", engine="espeak-ng", code="en-us")
    spoken = speak(voice, text, pace=0.5, pitch=0.5)
    assert 0.2 < len(spoken) / 16000 < 5.0
    assert spoken.any()


@needs_flite
@pytest.mark.parametrize("text", ["-v", "--help", "-f /etc/passwd", "-o out"])
def test_a_text_is_never_an_option_of_flite(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    spoken = speak(Voice(name="flite-slt", engine="flite", code="slt"), text, pace=0.5, pitch=0.5)
    assert spoken.any()
    assert list(tmp_path.iterdir()) == []


@needs_espeak
def test_other_letters_are_spoken_by_the_voices_of_their_language():
    voice = Voice(name="espeak-ru", engine="espeak-ng", code="ru")
    spoken = speak(voice, "компьютер", pace=0.5, pitch=0.5)
    assert 0.4 < len(spoken) / 16000 < 1.5
    np.testing.assert_array_equal(spoken, speak(voice, "компьютер", pace=0.5, pitch=0.5))


@needs_espeak
def test_engines_are_named_with_their_versions():
    assert describe_engines()["espeak-ng"][0].isdigit()


def test_without_espeak_a_line_says_what_installs_it(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    for ask in (list_voices, find_accents, describe_engines):
        with pytest.raises(SettingsError, match=r"espeak-ng .*found none: .*sudo apt-get install espeak-ng"):
            ask()
