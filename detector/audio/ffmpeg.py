"""What libsndfile does not read, and phones and browsers write, through the program ffmpeg.

A program beside ours rather than a binding: PyAV weighs 35 MB on a Raspberry Pi and is needed by few; ffmpeg is a
package of every distribution, decodes in a process of its own, and whatever it does to a damaged file, it does there.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Generator, Iterator
from typing import IO

import numpy as np
from numpy.typing import NDArray

from detector.audio.sources import Sound
from detector.audio.wav import read_header
from detector.errors import AudioFileError

EXTENSIONS = frozenset(
    f".{name}"
    for name in "m4a m4b mp4 mov aac amr awb 3gp 3ga wma webm mka mkv wv tta ac3 ape".split()  # noqa: SIM905 - readable
)
"""Of what phones, browsers and archives write, and libsndfile does not read."""
STARTS = (
    (4, b"ftyp"),  # MP4 and 3GP
    (0, b"\x1a\x45\xdf\xa3"),  # Matroska and WebM
    (0, b"#!AMR"),
    (0, b"\x30\x26\xb2\x75"),  # ASF: WMA
    (0, b"ADIF"),
    (0, b"wvpk"),  # WavPack
    (0, b"TTA1"),
    (0, b"\x0b\x77"),  # AC-3
    (0, b"MAC "),  # Monkey's Audio
    (0, b"caff"),  # of which libsndfile refuses those without a length
    (0, b"\xff\xf1"),  # AAC in ADTS
    (0, b"\xff\xf9"),
    (28, b"Speex   "),
)
"""How such files begin, and where."""
BLOCK_FRAMES = 65536
ENDS_WITHIN_S = 5.0


def may_read(start: bytes, extension: str) -> bool:
    """Return whether a file that begins so, or is named so, is one for ffmpeg."""
    return extension.lower() in EXTENSIONS or any(start[at:].startswith(name) for at, name in STARTS)


@contextlib.contextmanager
def decode(path: str) -> Generator[Sound]:
    """Decode the first stream of sound in a file, at its own rate and number of channels.

    Raises
    ------
    AudioFileError
        If ffmpeg is not installed, or finds no sound. Blocks raise it where the file is damaged.
    """
    program = shutil.which("ffmpeg")
    if program is None:
        raise AudioFileError(
            f"expected a recording that libsndfile reads, found {path}: install ffmpeg to read it (apt-get install "
            "ffmpeg), or convert it to WAV or FLAC"
        )
    # A playlist in the disguise of a recording fetches nothing from a network.
    command = [program, "-nostdin", "-v", "error", "-protocol_whitelist", "file,pipe", "-i", f"file:{path}"]
    command += ["-map", "0:a:0", "-c:a", "pcm_f32le", "-f", "wav", "pipe:1"]
    with tempfile.TemporaryFile() as messages:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=messages)
        try:
            assert process.stdout is not None
            header = read_header(process.stdout.read)
            if header is None:
                process.wait()
                raise AudioFileError(
                    f"expected a recording, found {path} that is not audio ({_read_last(messages, path)})"
                )
            yield Sound(header.rate_hz, header.n_channels, _read(process, header.n_channels, messages, path))
        finally:
            process.kill()
            with process:
                process.wait(ENDS_WITHIN_S)


def _read(
    process: subprocess.Popen[bytes], n_channels: int, messages: IO[bytes], path: str
) -> Iterator[NDArray[np.float32]]:
    assert process.stdout is not None
    frame_bytes = 4 * n_channels
    while content := process.stdout.read(BLOCK_FRAMES * frame_bytes):
        whole = content[: len(content) // frame_bytes * frame_bytes]
        if whole:
            yield np.frombuffer(whole, dtype="<f4").reshape(-1, n_channels).astype(np.float32)
    if process.wait() != 0:
        raise AudioFileError(f"expected a whole recording, found {path} damaged ({_read_last(messages, path)})")


def _read_last(messages: IO[bytes], path: str) -> str:
    """Return the last line that ffmpeg wrote, without the name of the file."""
    messages.seek(0)
    lines = messages.read().decode(errors="replace").split("\n")
    return next(
        (line.strip().removeprefix(f"file:{path}: ") for line in reversed(lines) if line.strip()),
        "ffmpeg ended without a word",
    )
