"""Runs the commands: as a user does, in a process of its own, or in this one, which costs no start."""

from __future__ import annotations

import contextlib
import fcntl
import importlib
import json
import logging
import os
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

WITHIN_S = 120.0
"""What a test waits for comes much sooner; on a machine that is starved of time it comes late, and is awaited."""
LOOKS_IDLE = 10
"""In a row, 20 ms apart: a thread that polls is asleep at most of them, one that works is not."""
STARTED: list[subprocess.Popen[str]] = []
"""What was started since the test began, ended with it: see `end_started`."""
KEYWORD_DETECTOR = [sys.executable, "-m", "detector"]
# What Python buffers is part of what is tested.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
KEYWORD_TRAINER = [sys.executable, "-m", "training"]


def patched(program: str) -> list[str]:
    """Return the command of a detector in whose process something else is done first."""
    return [sys.executable, "-c", f"{program}\nfrom detector.__main__ import main\nraise SystemExit(main())\n"]


def run(
    *arguments: object, command: Sequence[str] = KEYWORD_DETECTOR, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    text = {"text": True} if not isinstance(options.get("input"), bytes) else {}
    options = {"timeout": WITHIN_S, "capture_output": True, "env": ENVIRONMENT} | text | options
    finished = subprocess.run([*command, *map(str, arguments)], check=False, **options)
    if not text:
        finished.stdout, finished.stderr = finished.stdout.decode(), finished.stderr.decode()
    return finished


def call(*arguments: object, command: Sequence[str] = KEYWORD_DETECTOR) -> subprocess.CompletedProcess[str]:
    """Run a command to its end in this process, where what it needs has been imported already.

    For what a command answers. What a process does, such as signals, pipes and its exit, needs `run` or `start`.
    """
    parser = importlib.import_module("detector.cli.parser" if command is KEYWORD_DETECTOR else "training.cli")
    with tempfile.TemporaryFile("w+") as stdout, tempfile.TemporaryFile("w+") as stderr:
        with _as_a_process_has_them(), contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
            try:
                code = parser.run([str(argument) for argument in arguments])
            except SystemExit as exc:  # of the parser of the command line
                code = int(exc.code or 0)
        stdout.seek(0)
        stderr.seek(0)
        return subprocess.CompletedProcess(arguments, code, stdout.read(), stderr.read())


@contextlib.contextmanager
def _as_a_process_has_them() -> Iterator[None]:
    """Give a command a log and warnings that nobody has set up; put back afterwards what it changes for good."""
    root = logging.getLogger()
    handlers, level, on_terminate = root.handlers[:], root.level, signal.getsignal(signal.SIGTERM)
    root.handlers.clear()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        signal.signal(signal.SIGTERM, on_terminate)


def replaced(arguments: Sequence[object], flag: str, *values: object) -> list[object]:
    """Return a command line with other values of an option, in place of those that it has."""
    kept, is_dropped = [], False
    for argument in arguments:
        if str(argument).startswith("--"):
            is_dropped = argument == flag
        if not is_dropped:
            kept.append(argument)
    return [*kept, flag, *values]


def start(*arguments: object, command: Sequence[str] = KEYWORD_DETECTOR, **options: Any) -> subprocess.Popen[str]:
    """Start a command that goes on until it is stopped."""
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "env": ENVIRONMENT} | options
    process = subprocess.Popen([*command, *map(str, arguments)], **options)
    STARTED.append(process)
    return process


def end_started() -> None:
    """End what was started and still runs: a test that fails leaves no process behind."""
    while STARTED:
        process = STARTED.pop()
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):  # what was buffered for a process that has ended
                    pipe.close()


@contextlib.contextmanager
def ended(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """Leave no process behind."""
    with process:
        try:
            yield process
        finally:
            process.kill()


def wait_until(is_so: Callable[[], bool], *, at_most_s: float = WITHIN_S) -> None:
    """Return when something is so; fail when it takes too long."""
    give_up_s = time.monotonic() + at_most_s
    while not is_so():
        assert time.monotonic() < give_up_s
        time.sleep(0.02)


def wait_until_says(process: subprocess.Popen[str], text: str) -> str:
    """Return the first line on stderr that holds a text; a process that never says it is ended."""
    assert process.stderr is not None
    lines = []
    with _killed_after(process, WITHIN_S):
        for line in process.stderr:
            lines.append(line)
            if text in line:
                return line
    raise AssertionError(f"expected a line with '{text}', found {lines}")


def wait_until_listening(process: subprocess.Popen[str]) -> None:
    """Return when the daemon says that it listens."""
    wait_until_says(process, "listening to")


def read_until_heard(process: subprocess.Popen[str], n_words: int) -> str:
    """Return the next lines of JSON on stdout, as far as so many detections; a process that hears fewer is ended."""
    assert process.stdout is not None
    lines: list[str] = []
    with _killed_after(process, WITHIN_S):
        while sum("keyword" in json.loads(line) for line in lines) < n_words:
            line = process.stdout.readline()
            assert line, f"expected {n_words} words, found {lines}"
            lines.append(line)
    return "".join(lines)


def wait_until_idle(process: subprocess.Popen[str]) -> None:
    """Return when a process has read its standard input empty and every thread of it waits for something to happen.

    A thread that has something to do and is not given a core is runnable, not asleep: so this holds on any machine.
    """
    assert process.stdin is not None
    n_looks = 0
    give_up_s = time.monotonic() + WITHIN_S
    while n_looks < LOOKS_IDLE:
        assert process.poll() is None
        assert time.monotonic() < give_up_s, "expected a process that waits, found one that is busy"
        n_unread = struct.unpack("i", fcntl.ioctl(process.stdin.fileno(), termios.FIONREAD, bytes(4)))[0]
        n_looks = n_looks + 1 if n_unread == 0 and _is_asleep(process.pid) else 0
        time.sleep(0.02)


def _is_asleep(pid: int) -> bool:
    states = []
    for stat in Path(f"/proc/{pid}/task").glob("*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # the thread has just ended
            states.append(stat.read_text().rpartition(")")[2].split()[0])
    return set(states) <= {"S"}


def end(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Stop a daemon; return what it has written to stdout and stderr and nobody has read."""
    assert process.stdout is not None
    assert process.stderr is not None
    process.send_signal(signal.SIGTERM)
    with process, _killed_after(process, WITHIN_S):
        stdout, stderr = process.stdout.read(), process.stderr.read()
        assert process.wait() == 0, stderr
    return stdout, stderr


@contextlib.contextmanager
def _killed_after(process: subprocess.Popen[str], timeout_s: float) -> Iterator[None]:
    timer = threading.Timer(timeout_s, process.kill)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def keywords(stdout: str) -> list[str]:
    """Return the words of JSON Lines."""
    return [json.loads(line)["keyword"] for line in stdout.splitlines()]


def assert_one_line(finished: subprocess.CompletedProcess[str], code: int, *parts: str) -> None:
    """Check that a command ended with a code and one line on stderr, and said nothing on stdout."""
    assert finished.returncode == code, finished.stderr
    assert finished.stdout == ""
    assert len(finished.stderr.splitlines()) == 1, finished.stderr
    for part in parts:
        assert part in finished.stderr


def assert_last_line(finished: subprocess.CompletedProcess[str], code: int, *parts: str) -> None:
    """Check that a command ended with a code and a last line on stderr, below what it had understood."""
    assert finished.returncode == code, finished.stderr
    assert finished.stdout == ""
    assert "Traceback" not in finished.stderr
    for part in parts:
        assert part in finished.stderr.splitlines()[-1]
