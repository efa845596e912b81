"""Notifications to systemd, or another supervisor: readiness, watchdog, status. The protocol of sd_notify(3)."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Mapping

from detector.text import printable

log = logging.getLogger(__name__)

SOCKET_VARIABLE = "NOTIFY_SOCKET"
WATCHDOG_VARIABLE = "WATCHDOG_USEC"
WATCHDOG_PID_VARIABLE = "WATCHDOG_PID"


class Notifier:
    """Sends states to a supervisor's datagram socket; without one it does nothing. One thread only."""

    def __init__(self, address: str | None) -> None:
        """Send to a path, or to an abstract address that begins with "@"."""
        self._address = "\0" + address[1:] if address and address.startswith("@") else address

    def send(self, **fields: str | int) -> bool:
        """Send fields (READY=1, STATUS=...); return whether they were taken. A supervisor that is gone is no error."""
        if not self._address:
            return False
        message = "\n".join(f"{name}={value}" for name, value in fields.items())
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.setblocking(False)
                sender.sendto(message.encode(), self._address)
        except OSError as exc:
            log.debug("the supervisor did not take %s: %s", message, exc.strerror)
            return False
        return True

    def reloading(self) -> None:
        """Report that settings are read anew; `ready` ends it."""
        self.send(RELOADING=1, MONOTONIC_USEC=time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000)

    def ready(self) -> bool:
        """Report that the service does its work; return False if a supervisor that is behind must be notified again."""
        return self.send(READY=1) or not self._address

    def stopping(self) -> None:
        """Report that it ends."""
        self.send(STOPPING=1)

    def status(self, text: str) -> None:
        """Report in a line how things stand."""
        self.send(STATUS=printable(text.replace("\n", " ")))


class Watchdog:
    """Pings while both capture and scoring move on; what stands still lets the supervisor restart. One thread only."""

    def __init__(self, notifier: Notifier, timeout_s: float | None) -> None:
        """Ping three times within timeout_s; never if that is None."""
        self._notifier = notifier
        self._interval_s = None if timeout_s is None else timeout_s / 3.0
        self._pinged_s = float("-inf")
        self._at_ping = (0, 0)
        self._timeout_s = timeout_s
        self._deaf_since_s: float | None = None

    def progress(self, n_captured: int, n_scored: int, now_s: float) -> None:
        """Note how many samples were captured and windows scored so far."""
        if self._interval_s is None or now_s - self._pinged_s < self._interval_s:
            return
        captured_before, scored_before = self._at_ping
        if n_captured > captured_before and n_scored > scored_before and self._notifier.send(WATCHDOG=1):
            self._at_ping = (n_captured, n_scored)
            self._pinged_s = now_s

    def check_start(self, *, is_deaf: bool, now_s: float) -> None:
        """Have a service restarted that was deaf for timeout_s: systemd waits for no ping before it is ready."""
        if not is_deaf:
            self._deaf_since_s = None
        elif self._deaf_since_s is None:
            self._deaf_since_s = now_s
        elif self._timeout_s is not None and now_s - self._deaf_since_s >= self._timeout_s:
            self._notifier.send(WATCHDOG="trigger")
            self._deaf_since_s = now_s


def open_service(environment: Mapping[str, str]) -> tuple[Notifier, Watchdog]:
    """Return what the supervisor of this process asks for in its environment."""
    notifier = Notifier(environment.get(SOCKET_VARIABLE))
    timeout_us = environment.get(WATCHDOG_VARIABLE, "")
    is_ours = environment.get(WATCHDOG_PID_VARIABLE, str(os.getpid())) == str(os.getpid())
    timeout_s = int(timeout_us) / 1e6 if timeout_us.isdecimal() and int(timeout_us) > 0 and is_ours else None
    return notifier, Watchdog(notifier, timeout_s)
