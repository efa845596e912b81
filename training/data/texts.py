"""Texts beside recordings (lists, tables, transcripts), as editors of any system save them."""

from __future__ import annotations

import codecs
import re
import unicodedata
from pathlib import Path

_SURROGATES = re.compile("[\ud800-\udfff]")
MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def read_text(file: Path) -> str:
    """Return a text in UTF-8 or UTF-16, or else in Windows' Latin.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    content = file.read_bytes()
    encoding = next((name for mark, name in MARKS if content.startswith(mark)), "utf-8")
    if encoding == "utf-8" and b"\0" in content[:2]:
        encoding = "utf-16-be" if content[:1] == b"\0" else "utf-16-le"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")


def compose_text(text: str) -> str:
    """Return a text in Unicode's composed form: file systems of macOS keep names decomposed.

    What is no Unicode, as the byte of a file name that is not UTF-8, becomes U+FFFD.
    """
    return unicodedata.normalize("NFC", _SURROGATES.sub("\ufffd", text))
