"""Detectors that run on this machine, and how to have one read its settings anew, or keep what it has just heard.

A process is one where its command line says so; whether it takes a signal as a request, and not as its end, the kernel
knows. It is signalled by a descriptor of its own, so that none that has got its number since is hit.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath
from typing import NamedTuple

PROCESSES = Path("/proc")
_UNIT = re.compile(r"(?P<user>/user@\d+\.service/.*)?/(?P<name>keyword-detector(@[^/]+)?)\.service$", re.MULTILINE)
_CAUGHT = re.compile(r"^SigCgt:\s*([0-9a-f]+)$", re.MULTILINE)


class Daemon(NamedTuple):
    """A process that listens."""

    pid: int
    caught: int
    """The signals that it takes as requests, a bit each; others would end it."""
    unit: str | None
    """The unit of systemd that it is, as systemctl takes it: "keyword-detector", or with "--user " before it."""
    command: tuple[str, ...] = ()
    """Its command line."""
    folder: Path | None = None
    """Where it runs, from which its paths lead; None where this user may not know."""

    @property
    def can_reload(self) -> bool:
        """Whether it reads its settings anew when it is asked to."""
        return self.takes(signal.SIGHUP)

    def takes(self, number: signal.Signals) -> bool:
        """Return whether it takes a signal as a request."""
        return bool(self.caught >> (number - 1) & 1)


def find_daemons() -> Iterator[Daemon]:
    """Yield the detectors of this machine that this user may look at, lowest number first."""
    for pid in sorted(int(entry.name) for entry in PROCESSES.iterdir() if entry.name.isdecimal()):
        daemon = look_at(pid)
        if daemon is not None:
            yield daemon


def look_at(pid: int) -> Daemon | None:
    """Return what a process is as a detector that listens; None if it is none, or nobody may know."""
    with contextlib.suppress(OSError, ValueError):
        process = PROCESSES / str(pid)
        command = (process / "cmdline").read_bytes().decode(errors="surrogateescape").split("\0")
        if is_listening(command):
            caught = _CAUGHT.search((process / "status").read_text())
            unit = _UNIT.search((process / "cgroup").read_text())
            name = f"{'--user ' if unit['user'] else ''}{unit['name']}" if unit else None
            folder = None
            with contextlib.suppress(OSError):
                folder = (process / "cwd").readlink()
            return Daemon(pid, int(caught[1], 16) if caught else 0, name, tuple(command[:-1]), folder)
    return None


def is_listening(command: Sequence[str]) -> bool:
    """Return whether a command line is `keyword-detector listen` or `python -m detector listen`."""
    if "listen" not in command:
        return False
    before = command[: command.index("listen")]
    return bool(before) and (PurePath(before[-1]).name == "keyword-detector" or before[-2:] == ["-m", "detector"])


def find_holder(folder: Path) -> Daemon | None:
    """Return the detector that has a folder open, as one has that records into it."""
    try:
        wanted = folder.stat()
    except OSError:
        return None
    for daemon in find_daemons():
        with contextlib.suppress(OSError):
            for descriptor in (PROCESSES / str(daemon.pid) / "fd").iterdir():
                with contextlib.suppress(OSError):
                    if os.path.samestat(descriptor.stat(), wanted):
                        return daemon
    return None


def request_reload(daemon: Daemon) -> bool:
    """Have a detector read its settings, and models whose files have changed, anew; return whether it was asked to."""
    return _signal(daemon, signal.SIGHUP)


def request_keep(daemon: Daemon) -> bool:
    """Have a detector that records keep what is around this moment; return whether it was asked to."""
    return _signal(daemon, signal.SIGUSR2)


def _signal(daemon: Daemon, number: signal.Signals) -> bool:
    try:
        process = os.pidfd_open(daemon.pid)
    except OSError:
        return False
    try:
        now = look_at(daemon.pid)
        if now is None or not now.takes(number):
            return False
        signal.pidfd_send_signal(process, number)
    except OSError:
        return False
    finally:
        os.close(process)
    return True
