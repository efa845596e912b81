"""Files of anybody are read without waiting, and without filling the memory."""

import os
import socket
from pathlib import Path

import pytest

from detector.files import decode_text, read_file


def test_a_regular_file_is_read_up_to_its_bound(tmp_path):
    (file := tmp_path / "a").write_bytes(bytes(2048))
    assert read_file(file, 2048) == bytes(2048)
    with pytest.raises(OSError, match="more than 1 kB"):
        read_file(file, 1024)
    (link := tmp_path / "link").symlink_to(file)
    assert read_file(link, 2048) == bytes(2048)
    os.truncate(file, 2**40)  # a hole
    with pytest.raises(OSError, match="more than 1 kB"):
        read_file(file, 1024)


def test_what_is_no_file_is_named_at_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the name of a socket is short
    os.mkfifo("pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        for name, found in {
            "pipe": "a named pipe",
            "socket": "a socket",
            ".": "a folder",
            "/dev/zero": "a device",
            "a\0b": "null byte",
            "none": "No such file",
        }.items():
            with pytest.raises(OSError, match=found) as caught:
                read_file(name, 100)
            assert caught.value.strerror


def test_nothing_stays_open_of_what_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    n_open = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        with pytest.raises(OSError, match="named pipe"):
            read_file(tmp_path / "pipe", 100)
    assert len(list(Path("/proc/self/fd").iterdir())) == n_open


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_text_is_utf8_with_a_mark_or_without(encoding):
    assert decode_text("größe\n".encode(encoding)) == "größe\n"
