"""Texts from outside (names of devices and files, words, keys, what libraries report) as they may be shown.

Whatever reaches a terminal, a log, a supervisor or a line of text goes through `printable`, at the edge where it is
written: inside, a name is what it is.
"""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""What moves a cursor, ends a line, controls a terminal or turns the direction of writing around (C0, DEL, C1, the line
and paragraph separators, Unicode's Bidi_Control), and what no encoding takes: lone surrogates, which stand for bytes
that are not UTF-8."""
_SHORT = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}


def printable(text: str) -> str:
    r"""Return a text as one line that does nothing but show it: a newline as \n, another control character as \x1b.

    A byte of a file name that is not UTF-8 becomes \xe9; a text without such characters stays as it is.
    """
    return _UNPRINTABLE.sub(_escape, text)


def is_printable(text: str) -> bool:
    """Return whether a text can be shown as it is."""
    return _UNPRINTABLE.search(text) is None


def encode_json(value: Any) -> str:
    r"""Return a value as one line of JSON in which no control character stands as it is.

    JSON demands that of C0 alone. What is no Unicode, as the byte of a file name that is not UTF-8, is shown as
    `printable` shows it.
    """
    try:
        line = msgspec.json.encode(value).decode()
    except UnicodeEncodeError:
        line = json.dumps(msgspec.to_builtins(value), ensure_ascii=False, separators=(",", ":"))
    return printable_json(line)


def printable_json(encoded: str) -> str:
    """Return JSON, or a string of TOML, with the same meaning in which no control character stands as it is."""
    return _UNPRINTABLE.sub(_escape_in_json, encoded)


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # Python's name for the byte of an undecodable file name
        code -= 0xDC00
    return _SHORT.get(character) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")


def _escape_in_json(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\{_escape(match)}" if 0xD800 <= code <= 0xDFFF else f"\\u{code:04x}"


def format_address(host: str, port: int) -> str:
    """Return an address as it stands in a URL."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
