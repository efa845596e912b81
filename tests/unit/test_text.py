"""What strangers wrote is shown, and does nothing else."""

import json

import msgspec
import pytest

from detector.text import encode_json, is_printable, printable, printable_json

HOSTILE = {
    "yes\n00:00:01.000  no  0.99": r"yes\n00:00:01.000  no  0.99",
    "a\r\tb": r"a\r\tb",
    "\x1b[2J": r"\x1b[2J",
    "\x7f\x9b1m": r"\x7f\x9b1m",
    "a\u2028b\u2029c": r"a\u2028b\u2029c",
    "\u202egnp.exe": r"\u202egnp.exe",
    "\u2066x\u2069": r"\u2066x\u2069",
    "caf\udce9": r"caf\xe9",
    "\ud800": r"\ud800",
    "a\x00b": r"a\x00b",
}
HARMLESS = ["größe", "はい", "שלום", "«naïve»", r"back\slash", "👩‍🚀", ""]


@pytest.mark.parametrize(("text", "shown"), HOSTILE.items())
def test_what_would_act_on_a_terminal_or_a_log_is_shown_instead(text, shown):
    assert printable(text) == shown
    assert not is_printable(text)
    assert is_printable(shown)
    shown.encode()  # as every encoding can, that has the letters


@pytest.mark.parametrize("text", HARMLESS)
def test_a_text_of_any_language_stays_as_it_is(text):
    assert printable(text) == text
    assert is_printable(text)
    assert printable_json(text) == text


@pytest.mark.parametrize("text", [*HOSTILE, *HARMLESS])
def test_json_means_the_same_and_holds_no_control_character(text):
    line = encode_json({"source": text, text: [1]})
    assert is_printable(line)
    expected = text if all(not 0xD800 <= ord(c) <= 0xDFFF for c in text) else printable(text)
    assert json.loads(line) == {"source": expected, expected: [1]}
    assert msgspec.json.decode(line.encode()) == json.loads(line)  # a strict reader takes it too


def test_json_of_a_struct_keeps_its_form_whatever_its_texts_hold():
    class Answer(msgspec.Struct, rename={"origin": "from"}, omit_defaults=True):
        origin: str
        note: str = ""

    assert encode_json(Answer("ä")) == '{"from":"ä"}'
    assert encode_json(Answer("\udce4")) == r'{"from":"\\xe4"}'
