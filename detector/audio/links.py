"""Recordings in one file, one behind the other: chained streams of Ogg, FLAC and MP3, which libsndfile ends early in.

A voice recorder that goes on, a radio that is recorded, and `cat a.mp3 b.mp3` make them.
"""

from __future__ import annotations

import mmap
import os
import struct

MPEG_TAGS = (b"Xing", b"Info")
"""Of the first frame of an MP3 whose encoder knew its length (a tag of Xing's, which LAME writes too)."""
SEARCHED_BYTES = 256
"""Of the first frame, in which such a tag stands."""
FLAC_START = b"fLaC\x00\x00\x00\x22"
"""A FLAC stream: its name and the header of its first block, of 34 bytes."""
OGG_HEADER = struct.Struct("<4sBBqIIIB")


def find_links(descriptor: int, start: bytes) -> list[int]:
    """Return where the streams of a file begin, in bytes, and where the last ends; of other formats (0, size).

    Parameters
    ----------
    descriptor : int
        Of a regular file.
    start : bytes
        Its first bytes, four at least.
    """
    size = os.fstat(descriptor).st_size
    if size == 0:
        return [0, 0]
    find = {b"OggS": _find_in_ogg, b"fLaC": _find_in_flac}.get(start[:4])
    if find is None and is_mp3(start):
        find = _find_in_mp3
    if find is None:
        return [0, size]
    with mmap.mmap(descriptor, size, prot=mmap.PROT_READ) as content:
        return [*find(content), size]


def is_mp3(start: bytes) -> bool:
    """Return whether a file that begins so is an MP3: with a tag of ID3v2, or a frame of MPEG audio, layer III."""
    return start[:3] == b"ID3" or (len(start) > 1 and start[0] == 0xFF and start[1] & 0xE6 == 0xE2)


def frame_bytes(start: bytes) -> int | None:
    """Return the length of a frame of MPEG audio, layer III, or of AAC in ADTS, from its first six bytes, if it is one.

    ISO 11172-3, 2.4.2.3, and 13818-3 for the lower rates; 14496-3, 1.A.2.2 for ADTS.
    """
    if len(start) < FRAME_HEADER_BYTES or start[0] != 0xFF:
        return None
    if start[1] & 0xF6 == 0xF0:
        n_bytes = (start[3] & 3) << 11 | start[4] << 3 | start[5] >> 5
        return n_bytes if n_bytes > 7 else None
    version, bit_rate, rate, padding = start[1] >> 3 & 3, start[2] >> 4, start[2] >> 2 & 3, start[2] >> 1 & 1
    if start[1] & 0xE6 != 0xE2 or version == 1 or bit_rate in (0, 15) or rate == 3:
        return None
    is_first = version == 3
    rate_hz = (44100, 48000, 32000)[rate] >> {3: 0, 2: 1, 0: 2}[version]
    return (144 if is_first else 72) * 1000 * (KBIT_OF_1 if is_first else KBIT_OF_2)[bit_rate] // rate_hz + padding


FRAME_HEADER_BYTES = 6
"""In which the length of a frame stands."""
KBIT_OF_1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
KBIT_OF_2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
"""Of a second of MPEG-1 and of MPEG-2, layer III, by the four bits that a frame names them with."""


def is_tagged(descriptor: int, first_byte: int) -> bool:
    """Return whether an MP3 says how long it is."""
    start = os.pread(descriptor, 10, first_byte)
    return _find_tag(os.pread(descriptor, SEARCHED_BYTES, first_byte + _id3_bytes(start))) >= 0


def _find_in_ogg(content: mmap.mmap) -> list[int]:
    """Walk through the pages (RFC 3533): a stream begins with a page that says so, behind one that does not."""
    links, position, was_first = [0], 0, True
    while position + OGG_HEADER.size <= len(content):
        name, _, flags, _, _, _, _, n_segments = OGG_HEADER.unpack_from(content, position)
        if name != b"OggS":
            position = content.find(b"OggS", position + 1)
            if position < 0:
                break
            continue
        is_first = bool(flags & 0x02)
        if is_first and not was_first:
            links.append(position)
        was_first = is_first
        segments = position + OGG_HEADER.size
        position = segments + n_segments + sum(content[segments : segments + n_segments])
    return links


def _find_in_flac(content: mmap.mmap) -> list[int]:
    links, position = [0], 0
    while (position := content.find(FLAC_START, position + 1)) >= 0:
        links.append(position)
    return links


def _find_in_mp3(content: mmap.mmap) -> list[int]:
    """Follow the tags that say how many bytes their stream has; a stream without one goes to the end of the file."""
    links, position = [0], 0
    while True:
        position += _id3_bytes(content[position : position + 10])
        start = content[position : position + SEARCHED_BYTES]
        tag = _find_tag(start)
        if tag < 0 or len(start) < tag + 16:
            return links
        flags = struct.unpack(">I", start[tag + 4 : tag + 8])[0]
        if flags & 2 == 0:
            return links
        place = tag + 8 + 4 * (flags & 1)
        n_bytes = struct.unpack(">I", start[place : place + 4])[0]
        position += n_bytes
        if content[position : position + 3] == b"TAG":
            position += 128
        if n_bytes == 0 or position + SEARCHED_BYTES > len(content) or not is_mp3(content[position : position + 4]):
            return links
        links.append(position)


def _id3_bytes(start: bytes) -> int:
    """Return the length of a tag of ID3v2, from its first ten bytes; 0 without one."""
    if start[:3] != b"ID3" or len(start) < 10:
        return 0
    a, b, c, d = start[6:10]
    return 10 + (a << 21 | b << 14 | c << 7 | d)


def _find_tag(start: bytes) -> int:
    return next((place for name in MPEG_TAGS if (place := start.find(name)) >= 0), -1)
