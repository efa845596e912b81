"""Another program that records from the microphone, to know what a daemon could have heard."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile
from lenient import open_lenient_detector
from listener import HEARD_WITHIN_S, IN_TIME
from numpy.typing import NDArray
from room import RATE_HZ, Word

from detector import load_model

PIECE_BYTES = 2048


class Control:
    """Records since the latest fault, and detects in what it has recorded when it is asked.

    A sound server, or who plays, may lose sound on a machine that is starved of time. A word that this program has not
    got either was not played as it should have been.
    """

    def __init__(self, environment: dict[str, str], record: Sequence[str]) -> None:
        """Record nothing yet; `record` writes 16-bit samples, mono, at `RATE_HZ`."""
        self._environment, self._record = environment, record
        self._process: subprocess.Popen[bytes] | None = None
        self._thread: threading.Thread | None = None
        self._pieces: list[bytes] = []
        self._end_s = 0.0

    def begin(self) -> None:
        """Begin anew, with the sound server as it is."""
        self.stop()
        self._pieces = []
        self._process = subprocess.Popen(
            [*IN_TIME, *self._record], env=self._environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self._thread = threading.Thread(target=self._read, args=(self._process,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Record nothing more."""
        if self._process is not None and self._thread is not None:
            self._process.kill()
            self._process.wait(10)
            self._thread.join(10)

    def has(self, word: Word) -> bool:
        """Return whether a word is detected in the recording."""
        samples, end_s = self._take()
        start_s = end_s - len(samples) / RATE_HZ
        found = open_lenient_detector(load_model("yes-no")).feed(samples)
        times = [start_s + one.time_s for one in found if one.keyword == word.keyword]
        return any(word.start_s <= at_s <= word.end_s + HEARD_WITHIN_S for at_s in times)

    def save(self, file: Path) -> None:
        """Write the recording to a file."""
        soundfile.write(file, self._take()[0], RATE_HZ)

    def _take(self) -> tuple[NDArray[np.int16], float]:
        return np.frombuffer(b"".join(list(self._pieces)), dtype="<i2"), self._end_s

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        with process.stdout:
            while piece := process.stdout.read(PIECE_BYTES):
                self._pieces.append(piece)
                self._end_s = time.monotonic()
