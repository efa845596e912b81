"""Runs commands at detections, each in a session of its own, within limits of number and time."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Self

from detector.events import Closed, Detection, Event, Opened, Progress
from detector.outputs.settings import CommandSettings
from detector.outputs.template import ANY_WORD, Template, fields_of_detection
from detector.process.signals import StopFlag
from detector.text import printable

log = logging.getLogger(__name__)

GRACE_S = 1.0
"""Between SIGTERM and SIGKILL for a command that is over its time limit."""
END_GRACE_S = 0.1
"""The same when the detector is asked to end, which has little time itself."""
KILLED_S = 0.05
"""A command that gets SIGKILL is gone within this time, unless a device or a network file system holds it."""
PIECE_BYTES = 65536
"""Of stderr that is read at once: a command that floods it waits, and nobody for it."""
TAIL_BYTES = 4096
"""Of stderr that is kept."""
MOST_SHOWN = 200
"""Of its last line, in characters."""
NOT_FOR_COMMANDS = ("NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")
"""By these a supervisor talks to its service alone."""
OWN_VARIABLES = "KEYWORD_DETECTOR_"
"""Names that begin so are for this process alone: one holds the password of a broker."""


# Before Python 3.11.4 (Bookworm has 3.11.2) no other thread runs from vfork until the program is loaded, which may
# have to wait for a disk: findings/python-vfork.sh. A fork costs more, but only what this process itself costs. The
# switch is documented, for cases such as this.
if sys.version_info < (3, 11, 4):
    setattr(subprocess, "_USE_VFORK", False)  # noqa: B010 - it is typed as final


class Commands:
    """A listener that runs commands; it stands aside, since starting one may have to wait for a disk.

    A command has no terminal, nothing on its standard input, and no descriptor of this process; what it writes to
    standard output is dropped, and of its standard error the last line is logged where it fails. It is over when its
    own process is: what it leaves in the background goes on, but for its standard error, which is closed.

    Looked after at each `Progress`: several times a second, whether there is sound or not.
    """

    def __init__(
        self,
        templates: Sequence[Template],
        settings: CommandSettings,
        opened: Opened,
        *,
        environment: Mapping[str, str],
        stop: StopFlag,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Run nothing yet.

        Parameters
        ----------
        templates : sequence of Template
        settings : CommandSettings
        opened : Opened
            The stream, until another is opened.
        environment : mapping
            Of this process.
        stop : StopFlag
            Set when this process is asked to end.
        clock : callable
            Returns seconds of a monotonic clock.
        """
        self._templates = templates
        self._settings = settings
        self._stream = opened
        self._environment = {
            name: value
            for name, value in environment.items()
            if name not in NOT_FOR_COMMANDS and not name.startswith(OWN_VARIABLES)
        }
        self._stop = stop
        self._clock = clock
        self._running: list[_Running] = []
        self._waiting: deque[tuple[Template, dict[str, str]]] = deque()
        self._counts = Counter(dict.fromkeys(("run", "failed", "timed_out", "dropped"), 0))
        self._logged: set[str] = set()

    def __enter__(self) -> Self:
        """Return it."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let commands run to their end or limit, unless this process is asked to end: then end them."""
        while (self._running or self._waiting) and error is None and not self._stop.is_set():
            self._maintain()
            time.sleep(0.01)
        self._end()

    def count(self) -> dict[str, int]:
        """Return how many were run, have failed, were ended at their limit, or were dropped. Any thread."""
        return dict(self._counts)

    def hear(self, event: Event) -> None:
        """Run what a detection asks for, or look after what runs."""
        if isinstance(event, Progress):
            if self._running:
                self._maintain()
        elif isinstance(event, Opened):
            self._stream = event
        elif isinstance(event, Detection):
            fields = fields_of_detection(event, self._stream)
            for template in self._templates:
                if template.word in (event.keyword, ANY_WORD):
                    self._ask(template, fields)
        elif isinstance(event, Closed) and event.was_stopped:
            self._end()

    def _ask(self, template: Template, fields: dict[str, str]) -> None:
        """Run a command now, or later, or never."""
        self._maintain()
        if len(self._running) < self._settings.most_at_once:
            self._start(template, fields)
            return
        text = f"{len(self._running)} commands run already: what comes on top is dropped"
        if self._settings.when_busy == "queue":
            self._waiting.append((template, fields))
            if len(self._waiting) <= self._settings.most_waiting:
                return
            self._waiting.popleft()
            text = f"{len(self._waiting)} commands wait already: of more the oldest are dropped"
        self._counts["dropped"] += 1
        self._log_once("dropped", text)

    def _start(self, template: Template, fields: dict[str, str]) -> None:
        try:
            with _no_signal_blocked():
                process = subprocess.Popen(
                    template.fill(fields),
                    executable=template.program,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    env=self._environment | {name.upper(): value for name, value in fields.items()},
                    start_new_session=True,
                    bufsize=0,
                )
        except (OSError, ValueError) as exc:  # ValueError: the locale cannot encode what is filled in
            why = exc.strerror if isinstance(exc, OSError) else exc
            self._fail(template.word, f"cannot be started: {why}", "")
            return
        self._counts["run"] += 1
        self._running.append(_Running(process, template.word, self._clock() + self._settings.limit_s))

    def _maintain(self) -> None:
        """Take note of commands that have ended, end those over their limit, and start what waits."""
        now_s = self._clock()
        for running in self._running[:]:
            if running.is_over(now_s):
                self._running.remove(running)
                self._note(running)
        while self._waiting and len(self._running) < self._settings.most_at_once:
            self._start(*self._waiting.popleft())

    def _note(self, running: _Running) -> None:
        """Count a command that is over, and log the first of a kind of failure."""
        status = running.status
        if running.is_late:
            self._counts["timed_out"] += 1
            limit_s = self._settings.limit_s
            self._log_once(
                f"{running.word} late", f"the command for '{running.word}' was ended after {limit_s:g} s, its limit"
            )
        elif status < 0:
            self._fail(running.word, f"was ended by signal {-status}", running.last_line)
        elif status > 0:
            self._fail(running.word, f"failed with exit status {status}", running.last_line)

    def _fail(self, word: str, how: str, last_line: str) -> None:
        self._counts["failed"] += 1
        self._log_once(f"{word} {how}", f"the command for '{word}' {how}{last_line and f': {last_line}'}")

    def _log_once(self, kind: str, text: str) -> None:
        if kind not in self._logged:
            self._logged.add(kind)
            log.warning("%s; from now on this is counted", printable(text))

    def _end(self) -> None:
        """End what runs, and drop what waits."""
        self._counts["dropped"] += len(self._waiting)
        self._waiting.clear()
        if not self._running:
            return
        log.info("%d commands are ended, as they were still running", len(self._running))
        end_s = self._clock() + END_GRACE_S
        for running in self._running:
            running.end(end_s)
        while self._running and self._clock() < end_s + KILLED_S:
            for running in self._running[:]:
                if running.is_over(self._clock()):
                    self._running.remove(running)
            time.sleep(0.005)


@contextlib.contextmanager
def _no_signal_blocked() -> Iterator[None]:
    """Block no signal in this thread: children inherit what is, and PortAudio leaves SIGPIPE blocked where it began."""
    before = signal.pthread_sigmask(signal.SIG_SETMASK, ())
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Running:
    """A command that runs."""

    def __init__(self, process: subprocess.Popen[bytes], word: str, limit_s: float) -> None:
        """Look after a process; `limit_s` is the moment at which it has to be over."""
        assert process.stderr is not None
        self.word = word
        self.is_late = False
        """It was over its limit."""
        self.status = 0
        """Its exit status once it is over; below 0 the signal that ended it."""
        self._process = process
        self._stderr = process.stderr
        self._limit_s = limit_s
        self._kill_s: float | None = None
        self._tail = b""
        os.set_blocking(self._stderr.fileno(), False)

    @property
    def last_line(self) -> str:
        """The last line of its standard error that holds anything."""
        lines = [line.strip() for line in self._tail.decode(errors="backslashreplace").splitlines()]
        return next((line[:MOST_SHOWN] for line in reversed(lines) if line), "")

    def is_over(self, now_s: float) -> bool:
        """Read what it says, end it if it is late, and return whether it is over."""
        self._read()
        # Its process stays a zombie while its group is signalled: the number is nobody else's meanwhile.
        if os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            if self._kill_s is not None:  # what it has started may go on
                self._signal(signal.SIGKILL)
            self._read()
            self._stderr.close()
            self.status = self._process.wait()
            return True
        if self._kill_s is not None:
            if now_s >= self._kill_s:
                self._signal(signal.SIGKILL)
        elif now_s >= self._limit_s:
            self.is_late = True
            self.end(now_s + GRACE_S)
        return False

    def end(self, kill_s: float) -> None:
        """Ask it and what it has started to end; from a moment on `is_over` insists."""
        self._kill_s = kill_s if self._kill_s is None else min(kill_s, self._kill_s)
        self._signal(signal.SIGTERM)

    def _signal(self, number: signal.Signals) -> None:
        # Of another user, as behind sudo: its limit is not ours to enforce.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def _read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._tail = (self._tail + os.read(self._stderr.fileno(), PIECE_BYTES))[-TAIL_BYTES:]
