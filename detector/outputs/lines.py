"""JSON Lines to a file or a FIFO, beside what the console prints."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import stat
from pathlib import Path
from types import TracebackType
from typing import Self

from detector.errors import SettingsError
from detector.events import Closed, Detection, Event, Opened, Progress
from detector.files import KINDS
from detector.outputs.console import WRITTEN
from detector.outputs.stamps import Stamps
from detector.process.outlet import Outlet
from detector.settings import Settings
from detector.text import printable

log = logging.getLogger(__name__)

PRIVATE_FILE = 0o600
"""Of a file that is made; one that is there keeps what it has."""
FINISH_S = 0.1
"""The last lines are written for at most this long."""
NOBODY_READS = "nobody reads it"


class JsonLines:
    """A listener that writes what the console would write as JSON Lines; it stands aside, since a disk may be slow.

    A file is appended to. A FIFO is opened when there is a line for it and somebody reads; until then, and when the
    reader has gone, lines are dropped and counted. So they are, from the oldest on, when the disk is full, or a reader
    too slow, for a thousand of them.
    """

    def __init__(self, path: Path, opened: Opened, *, with_events: bool, stamps: Stamps) -> None:
        """Write to a path, of a stream that is replaced when another is opened; `with_events` as the console does."""
        self._path = path
        self._stream = opened
        self._with_events = with_events
        self._stamps = stamps
        self._outlet = Outlet(-1)
        self._descriptor: int | None = None
        self._n_lines = 0
        self._must_reopen = False
        self._logged: set[str] = set()

    def __enter__(self) -> Self:
        """Open the path.

        Raises
        ------
        SettingsError
            If it cannot be written to. That nobody reads a FIFO yet is no error.
        """
        try:
            self._descriptor = _open(self._path)
        except OSError as exc:
            if exc.errno not in (
                errno.ENOSPC,
                errno.EDQUOT,
            ):  # those may end, and must not keep a service from starting
                raise SettingsError(f"expected to write to {self._path}, found: {exc.strerror}") from exc
            self._log_once(exc.strerror, "are dropped")
        if self._descriptor is not None:
            self._outlet.redirect(self._descriptor)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the path; what was not written is dropped."""
        self._outlet.drop()
        self._close()

    def count(self) -> dict[str, int]:
        """Return how many lines were written, or dropped. Any thread."""
        n_dropped = self._outlet.n_dropped
        return {"written": self._n_lines - n_dropped - self._outlet.n_waiting, "dropped": n_dropped}

    def reopen(self, settings: Settings) -> None:
        """Have the path opened anew at the next event, as after a rotation of logs. Any thread."""
        self._with_events = settings.events
        self._must_reopen = True

    def hear(self, event: Event) -> None:
        """Write an event, or what waits."""
        if self._must_reopen:
            self._must_reopen = False
            self._reopen()
        if isinstance(event, Opened):
            self._stream = event
        elif isinstance(event, Detection) or (self._with_events and isinstance(event, WRITTEN)):
            self._outlet.write(f"{event.encode(self._stream, self._stamps.of(event, self._stream))}\n")
            self._n_lines += 1
            self._flush()
        elif isinstance(event, Progress) and self._outlet.n_waiting:
            self._flush()
        elif isinstance(event, Closed):
            self._flush(FINISH_S)

    def _flush(self, timeout_s: float = 0.0) -> None:
        """Write what waits, for at most timeout_s; what can be written nowhere is dropped."""
        try:
            if self._descriptor is None:
                self._descriptor = _open(self._path)
                if self._descriptor is None:
                    raise BrokenPipeError(errno.EPIPE, NOBODY_READS)
                self._outlet.redirect(self._descriptor)
            self._outlet.finish(timeout_s)
        except OSError as exc:
            self._close()
            self._outlet.drop()
            self._log_once(NOBODY_READS if isinstance(exc, BrokenPipeError) else exc.strerror, "are dropped")
        else:
            if self._outlet.trouble:
                self._log_once(self._outlet.trouble, "wait, and of too many the oldest are dropped")
            else:
                self._logged &= {NOBODY_READS}  # a disk that is full again is worth a line, a reader's comings are not

    def _reopen(self) -> None:
        """Open the path anew; where that fails, what is open stays so."""
        try:
            descriptor = _open(self._path)
        except OSError as exc:
            log.warning("expected to open %s anew, found: %s; the file of before stays open", self._path, exc.strerror)
            return
        if self._descriptor is not None:
            self._flush()  # lines of before the rotation belong into the file of before
        self._close()
        self._descriptor = descriptor
        if descriptor is not None:
            self._outlet.redirect(descriptor)

    def _close(self) -> None:
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            os.close(descriptor)

    def _log_once(self, why: str | None, what_becomes: str) -> None:
        why = why or "an error without a name"
        if why not in self._logged:
            self._logged.add(why)
            log.warning("lines for %s %s: %s", printable(str(self._path)), what_becomes, why)


def check_path(path: Path) -> None:
    """Refuse a path that cannot be written to, without opening it.

    Raises
    ------
    SettingsError
        As `JsonLines` does when it opens it.
    """
    try:
        exists = _find_kind(path) is not None
    except OSError as exc:
        raise SettingsError(f"expected to write to {path}, found: {exc.strerror}") from exc
    if not exists and not path.parent.is_dir():
        raise SettingsError(f"expected to write to {path}, found: {os.strerror(errno.ENOENT)}")
    if not os.access(path if exists else path.parent, os.W_OK if exists else os.W_OK | os.X_OK):
        raise SettingsError(f"expected to write to {path}, found: {os.strerror(errno.EACCES)}")


def _find_kind(path: Path) -> int | None:
    """Return the kind of file at a path, None where there is none.

    Raises
    ------
    OSError
        If it is neither a file nor a FIFO.
    """
    try:
        kind = stat.S_IFMT(path.stat().st_mode)
    except FileNotFoundError:
        return None
    except ValueError as exc:
        raise OSError(errno.EINVAL, "a name with a null byte") from exc
    _check_kind(kind)
    return kind


def _check_kind(kind: int) -> None:
    if kind not in (stat.S_IFREG, stat.S_IFIFO):
        raise OSError(errno.EINVAL, f"{KINDS.get(kind, 'something else')}, neither a file nor a FIFO")


def _open(path: Path) -> int | None:
    """Open a file, which is made if there is none, or a FIFO, for appending; None where nobody reads the FIFO.

    Raises
    ------
    OSError
        If it cannot be opened, or is neither.
    """
    is_fifo = _find_kind(path) == stat.S_IFIFO
    flags = os.O_APPEND | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags | (os.O_WRONLY if is_fifo else os.O_RDWR | os.O_CREAT), PRIVATE_FILE)
    except OSError as exc:
        if is_fifo and exc.errno == errno.ENXIO:
            return None
        raise
    try:
        opened = os.fstat(descriptor)
        _check_kind(stat.S_IFMT(opened.st_mode))  # another may have taken its place
        if stat.S_ISREG(opened.st_mode) and opened.st_size and os.pread(descriptor, 1, opened.st_size - 1) != b"\n":
            with contextlib.suppress(OSError):  # on a full disk as any line
                os.write(descriptor, b"\n")  # a line that was cut by the end of power spoils itself alone
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
