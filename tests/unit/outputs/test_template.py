"""Commands are checked before anything is detected, and filled in without being split again."""

import contextlib
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.errors import SettingsError
from detector.events import Detection, Opened
from detector.outputs.template import FIELDS, fields_of_detection, read_templates

WORDS = ("yes", "no")


def filled(command, **fields):
    (template,) = read_templates({"yes": command}, WORDS)
    return template.fill(dict.fromkeys(FIELDS, "?") | fields)


def test_a_command_is_split_as_a_shell_does_and_then_filled_in():
    assert filled("echo '{keyword} {score}' a\\ b \"c d\" {time_s}", keyword="hey 'you' $HOME", score="0.9") == [
        "echo",
        "hey 'you' $HOME 0.9",
        "a b",
        "c d",
        "?",
    ]


def test_braces_are_doubled_where_they_are_meant():
    assert filled("""echo '{{"word": "{keyword}"}}'""", keyword="yes") == ["echo", '{"word": "yes"}']


def test_a_program_is_looked_for_once_by_name_or_path(tmp_path, monkeypatch):
    (tmp_path / "hook").write_text("#!/bin/sh\n")
    (tmp_path / "hook").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.chdir(tmp_path)
    found = read_templates({"yes": "hook a", "no": "./hook", "*": sys.executable}, WORDS)
    assert [template.word for template in found] == ["yes", "no", "*"]
    assert [template.program for template in found] == [str(tmp_path / "hook")] * 2 + [sys.executable]
    assert found[0].arguments == ("hook", "a")


@pytest.mark.parametrize(
    ("word", "command", "message"),
    [
        ("maybe", "true", r"expected a command for yes, no or \*, found one for 'maybe'"),
        ("yes", "echo 'a", "expected a command for 'yes' that can be split as a shell does, .*: No closing quotation"),
        (
            "yes",
            "# only a comment''",
            "expected a command for 'yes' whose program can be run, found none of the name '#'",
        ),
        ("yes", "''", "which names no program"),
        ("yes", "echo a\0b", "without null bytes, found 'echo a.x00b'"),
        ("yes", "echo {word}", r"with \{keyword\}, .* alone, found \{word\}: braces are written \{\{ and \}\}"),
        ("yes", "echo {}", r"found \{\}"),
        ("yes", "echo {0}", r"found \{0\}"),
        ("yes", "echo {score:.2f}", r"found \{score:.2f\}"),
        ("yes", "echo {score:9999999999}", r"found \{score:9999999999\}"),
        ("yes", "echo {keyword!r}", r"found \{keyword!r\}"),
        ("yes", "echo {keyword.__class__}", r"found \{keyword.__class__\}"),
        ("yes", "echo {keyword[0]}", r"found \{keyword\[0\]\}"),
        ("yes", "echo {keyword", "whose braces belong together, found '{keyword'"),
        ("yes", "echo }", "whose braces belong together, found '}'"),
        ("yes", "{keyword} on", "to begin with the name of a program, found the field in '{keyword}'"),
        ("*", "no-such-program-of-anybody", r"for '\*' whose program can be run, found none of the name 'no-such"),
        ("yes", "/etc/passwd", "found none of the name '/etc/passwd'"),
        ("yes", "/", "found none of the name '/'"),
    ],
)
def test_what_does_not_fit_is_refused(word, command, message):
    with pytest.raises(SettingsError, match=message) as caught:
        read_templates({word: command}, WORDS)
    assert "\n" not in str(caught.value)


PIECES = st.sampled_from(
    ["echo", "{keyword}", "{", "}", "{{", "}}", "'", '"', "\\", " ", "$(", "{score:", "!", "\0", "\ud800", "\n", "#"]
)


@given(st.lists(PIECES | st.text(max_size=5), max_size=12).map("".join))
def test_whatever_a_command_is_it_is_refused_as_a_setting_or_can_be_filled_in(command):
    with contextlib.suppress(SettingsError):
        (template,) = read_templates({"yes": f"echo {command}"}, WORDS)
        assert template.fill(dict.fromkeys(FIELDS, "{not again}"))[0] == "echo"
        assert "\0" not in command
    with contextlib.suppress(SettingsError):
        read_templates({"yes": command}, WORDS)


def test_the_fields_of_a_detection_are_those_of_json_on_one_line():
    opened = Opened(
        "a\nmicrophone\0",
        is_live=True,
        model="both",
        runtime="a",
        sample_rate_hz=16000,
        thresholds={},
        models={"no": "m"},
    )
    assert fields_of_detection(Detection("no", 0.968751, 12.34, 11.6200001), opened) == {
        "keyword": "no",
        "score": "0.9688",
        "time_s": "12.34",
        "start_s": "11.62",
        "model": "m",
        "source": "a\\nmicrophone\\x00",
    }
