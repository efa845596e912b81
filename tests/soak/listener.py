"""The daemon as a process of its own, and somebody who says words to it."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import soundfile
from commands import ENVIRONMENT, start, wait_until_listening
from lenient import FALSE_ACCEPTS_PER_HOUR
from room import EVERY_S, RATE_HZ, Room, Word, list_files, resident_kb, threads_and_files

IN_TIME = ["chrt", "-f", "5"]
"""Who speaks does so without a stammer on a busy machine, where that is allowed: it is the listener who is tried."""
if shutil.which("chrt") is None or subprocess.run([*IN_TIME, "true"], capture_output=True, check=False).returncode != 0:
    IN_TIME = []
HEARD_WITHIN_S = 1.5
"""After a word's end, at most: the sound server's buffers come on top of the detector's delay."""


class Listener:
    """The daemon, and what it has said so far."""

    def __init__(self, environment: dict[str, str], device: str, settings: Path) -> None:
        self.settings = settings
        self.disk = settings.parent / "disk"
        arguments = [
            "--device",
            device,
            "--false-accepts-per-hour",
            FALSE_ACCEPTS_PER_HOUR,
            "--json",
            "--events",
            "--config",
            settings,
        ]
        if self.disk.is_dir():
            arguments += ["--record", self.disk]
        self.process = start("listen", *arguments, env=ENVIRONMENT | environment)
        self.heard: list[tuple[float, str]] = []
        self.gaps: list[tuple[float, dict[str, Any]]] = []
        self.log: list[tuple[float, str]] = []
        self.may_read = threading.Event()
        self.may_read.set()
        wait_until_listening(self.process)
        self._threads = [threading.Thread(target=read, daemon=True) for read in (self._read_output, self._read_log)]
        for thread in self._threads:
            thread.start()

    def _read_output(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.may_read.wait()
            if not line.strip():
                continue
            fields = json.loads(line)
            if "keyword" in fields:
                self.heard.append((time.monotonic(), fields["keyword"]))
            elif fields["event"] == "gap":
                self.gaps.append((time.monotonic(), fields))

    def _read_log(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.may_read.wait()
            if line.strip():
                self.log.append((time.monotonic(), line))

    def count_resources(self) -> tuple[int, int, int]:
        """Return its threads, its open files but those that it records to, and its memory in kB."""
        return (*threads_and_files(self.process.pid, but=self.disk), resident_kb(self.process.pid))

    def list_files(self) -> list[str]:
        """Return what its open files lead to."""
        return list_files(self.process.pid, but=self.disk)

    def stop(self) -> int:
        """End it; return the exit code."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(10)
        for thread in self._threads:
            thread.join(5)
        return code


class Speaker:
    """Says a word every two seconds, whether somebody hears it or not."""

    def __init__(self, folder: Path, environment: dict[str, str], play: Sequence[str]) -> None:
        self._environment = environment
        self._play = play
        self.said: list[Word] = []
        """With the times at which playing began and ended."""
        self.begun: list[Word] = []
        """Those that were cut short, or that no sound server took, too."""
        room = Room()
        self._words = list(room.words(0.0, len(room.loop) / RATE_HZ))
        self._files = []
        for k, word in enumerate(self._words):
            self._files.append(folder / f"{k}.wav")
            first = round(word.start_s * RATE_HZ)
            soundfile.write(self._files[-1], room.loop[first : first + RATE_HZ], RATE_HZ)
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._speak, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Say nothing more."""
        self._is_over.set()
        self._thread.join(10)

    def _speak(self) -> None:
        k, next_s = 0, time.monotonic()
        while not self._is_over.wait(max(0.0, next_s - time.monotonic())):
            next_s = max(next_s + EVERY_S, time.monotonic())
            word, file = self._words[k % len(self._words)], self._files[k % len(self._words)]
            k += 1
            start_s = time.monotonic()
            self.begun.append(Word(word.keyword, start_s, start_s + word.end_s - word.start_s))
            with contextlib.suppress(subprocess.TimeoutExpired):
                done = subprocess.run(
                    [*IN_TIME, *self._play, str(file)],
                    env=self._environment,
                    capture_output=True,
                    timeout=1.9,
                    check=False,
                )
                if done.returncode == 0:
                    self.said.append(self.begun[-1])
