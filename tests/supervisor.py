"""A supervisor of a service, as systemd is one: receives what a daemon reports of itself, and when."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from pathlib import Path

from commands import WITHIN_S

WATCHDOG_S = 1.5


class Supervisor:
    """Receives messages in a thread of its own, from its construction until it is closed."""

    def __init__(self, folder: Path) -> None:
        """Listen on a socket in a folder."""
        self.messages: list[tuple[float, str]] = []
        """Each with the second of the monotonic clock at which it came."""
        self._changed = threading.Condition()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(folder / "notify"))
        self._socket.settimeout(0.1)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._receive)
        self._thread.start()
        self.environment = {"NOTIFY_SOCKET": str(folder / "notify")}
        self.environment_with_watchdog = self.environment | {"WATCHDOG_USEC": str(round(WATCHDOG_S * 1e6))}

    def _receive(self) -> None:
        while not self._stop.is_set():
            with contextlib.suppress(TimeoutError):
                message = self._socket.recv(4096).decode()
                with self._changed:
                    self.messages.append((time.monotonic(), message))
                    self._changed.notify_all()

    def close(self) -> None:
        """Receive nothing more."""
        self._stop.set()
        self._thread.join(WITHIN_S)
        self._socket.close()

    def count(self, message: str, since_s: float = 0.0) -> int:
        """Return how often a message came."""
        return sum(text == message and when >= since_s for when, text in self.messages)

    def wait_for(self, message: str, *, since_s: float = 0.0, n_times: int = 1) -> None:
        """Return when a message has come, so many times; fail when it does not come."""
        with self._changed:
            is_there = self._changed.wait_for(lambda: self.count(message, since_s) >= n_times, WITHIN_S)
            assert is_there, self.messages

    def wait_until_ready(self) -> None:
        """Return when a daemon has scored a window, so that what is said from now on is heard."""
        self.wait_for("READY=1")
