"""What is fuzzed: each target takes the bytes of a stranger's file or pipe, and checks what must hold of any.

A target raises what is a defect: anything but the project's own errors, or a result that cannot be.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import soundfile

from detector.audio.recordings import Recording
from detector.audio.stdin import Stdin
from detector.core.detector import Detector
from detector.core.folders import find_model
from detector.core.manifest import read_manifest
from detector.core.model import Model
from detector.errors import AudioFileError, DetectorError, ModelError, SettingsError
from detector.flight.replay import read_flight, replay
from detector.settings import read_settings, thresholds_of

MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""Where a target's file lies: nothing is written to a disk a million times."""
MOST_BLOCKS = 200
"""Of a recording: a header may promise hours."""
NETWORK = find_model("yes-no").with_suffix(".tflite").read_bytes()
SHIPPED = read_manifest(find_model("yes-no"))


@contextlib.contextmanager
def _file(data: bytes, suffix: str):
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        path = Path(folder) / f"input{suffix}"
        path.write_bytes(data)
        yield path


def settings(data: bytes) -> None:
    """Read a settings file and choose thresholds."""
    with _file(data, ".toml") as path, contextlib.suppress(SettingsError):
        found = read_settings(path, {})
        assert all(isinstance(value, float | int) for value in thresholds_of(found, ("yes", "no")).values())


def manifest(data: bytes) -> None:
    """Read a manifest and, as if the checksum fitted, join it with a network and hear a second."""
    with _file(data, ".json") as path, contextlib.suppress(ModelError):
        found = read_manifest(path)
        model = Model(msgspec.structs.replace(found, sha256=SHIPPED.sha256), NETWORK)
        for detection in Detector(model).feed(np.zeros(16000, dtype=np.int16)):
            assert detection.keyword in found.words


def recording(data: bytes) -> None:
    """Read a recording to its end."""
    with (
        _file(data, ".wav") as path,
        contextlib.suppress(AudioFileError),
        Recording(path, sample_rate_hz=16000) as source,
    ):
        for _ in range(MOST_BLOCKS):
            block = source.read()
            if block is None:
                break
            assert block.samples.dtype == np.int16
            assert block.samples.ndim == 1


def stdin(data: bytes) -> None:
    """Pipe bytes in pieces, whose lengths the first bytes give: the samples do not depend on the pieces."""
    lengths, data = data[:8], data[8 : 8 + 60000]
    reading, writing = os.pipe()
    found = []
    try:
        with Stdin(sample_rate_hz=16000, file_descriptor=reading, poll_s=0.0) as source:
            rest = data
            for length in lengths:
                os.write(writing, rest[:length])
                rest = rest[length:]
                if length and (block := source.read()) is not None:
                    found.append(block.samples)
            os.write(writing, rest)
            os.close(writing)
            while (block := source.read()) is not None:
                found.append(block.samples)
    finally:
        os.close(reading)
    samples = np.concatenate(found) if found else np.empty(0, dtype=np.int16)
    assert samples.tobytes() == data[: len(data) // 2 * 2]


def flight(data: bytes) -> None:
    """Read what claims to be the flight recorder's, and replay it over a second of silence."""
    with _file(data, ".json") as path, contextlib.suppress(DetectorError):
        read_flight(path)
        soundfile.write(path.with_suffix(".flac"), np.zeros(16000, dtype=np.int16), 16000)
        replay(path, None)


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target for target in (settings, manifest, recording, stdin, flight)
}
