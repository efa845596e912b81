"""Reads files that anybody may have made: regular ones alone, up to a size, without waiting for anything."""

from __future__ import annotations

import codecs
import errno
import os
import stat
from pathlib import Path

PIECE_BYTES = 2**20
KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFDIR: "a folder",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}


def open_regular(file: Path) -> int:
    """Open a file for reading; return its descriptor, which is the caller's to close.

    Raises
    ------
    OSError
        If it cannot be opened, or is not a regular file: a pipe would have to be waited for, without end.
    """
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except ValueError as exc:
        raise OSError(errno.EINVAL, "a name with a null byte", str(file)) from exc
    except OSError as exc:
        if exc.errno == errno.ENXIO:
            raise OSError(errno.EINVAL, "a socket or a missing device, not a file", str(file)) from exc
        raise
    kind = stat.S_IFMT(os.fstat(descriptor).st_mode)
    if kind != stat.S_IFREG:
        os.close(descriptor)
        raise OSError(errno.EINVAL, f"{KINDS.get(kind, 'something else')}, not a file", str(file))
    return descriptor


def read_file(file: Path, most_bytes: int) -> bytes:
    """Return the content of a regular file.

    Raises
    ------
    OSError
        As `open_regular` does, or if it holds more than `most_bytes`.
    """
    descriptor, content = open_regular(file), bytearray()
    try:
        # Python's files return None where a file of the kernel's has nothing for the moment; this raises.
        while len(content) <= most_bytes and (piece := os.read(descriptor, PIECE_BYTES)):
            content += piece
    finally:
        os.close(descriptor)
    if len(content) > most_bytes:
        raise OSError(errno.EFBIG, f"more than {most_bytes // 1024} kB", str(file))
    return bytes(content)


def decode_text(content: bytes) -> str:
    """Return a text that is UTF-8, with or without the mark that editors on Windows begin it with.

    Raises
    ------
    ValueError
        If it is something else; the message says what was found.
    """
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in content[:4]:
        raise ValueError("UTF-16 or UTF-32: save it as UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        n_lines = content[: exc.start].count(b"\n") + 1
        raise ValueError(f"a byte 0x{content[exc.start]:02x} in line {n_lines} that is not UTF-8") from exc
