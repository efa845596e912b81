"""Standard output: who has gone, and what an encoding lacks."""

import errno
import io
import os
import pty

import pytest

from detector.process.stdout import encode, has_no_reader


@pytest.mark.parametrize(
    ("number", "is_terminal", "has_gone"),
    [
        (errno.EPIPE, False, True),
        (errno.ECONNRESET, False, True),
        (errno.EIO, True, True),
        (errno.EIO, False, False),
        (errno.ENOSPC, False, False),
        (errno.ENOSPC, True, False),
    ],
)
def test_a_reader_that_has_gone_is_told_from_a_broken_or_full_disk(tmp_path, number, is_terminal, has_gone):
    terminal, own = pty.openpty()
    with open(tmp_path / "file", "w") as file:
        assert has_no_reader(OSError(number, ""), own if is_terminal else file.fileno()) is has_gone
    os.close(own)
    os.close(terminal)
    assert has_no_reader(OSError(number, ""), own) is (has_gone and number != errno.EIO), "it is closed"


def test_a_stream_shows_what_its_encoding_lacks():
    stream = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    encode(stream)
    stream.write("größe はい\n")
    encode(stream, "utf-8")
    stream.write("はい\n")
    stream.flush()
    assert stream.buffer.getvalue() == "größe \\u306f\\u3044\n".encode("latin-1") + "はい\n".encode()
