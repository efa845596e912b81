"""The time of day of an event, the same in all outputs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import datetime

from detector.events import Event, Opened

MOST_KEPT = 1000
"""Of events; an output that is further behind takes the time at which it writes."""


def look_at_clock() -> datetime:
    """Return the time of day, with its zone."""
    return datetime.now().astimezone()


class Stamps:
    """Says when events happened, as the first output that asks of one finds it. For any threads."""

    def __init__(self, clock: Callable[[], datetime] = look_at_clock) -> None:
        self._clock = clock
        # With the event itself, so that its identity is no other's meanwhile. Each step is one of the interpreter's.
        self._kept: dict[int, tuple[Event, datetime]] = {}

    def of(self, event: Event, stream: Opened) -> datetime | None:
        """Return the time of day of an event of a stream; None where that means nothing (recordings)."""
        if not stream.is_live:
            return None
        _, at = self._kept.setdefault(id(event), (event, self._clock()))
        while len(self._kept) > MOST_KEPT:
            with contextlib.suppress(KeyError, StopIteration, RuntimeError):  # another thread has just taken it out
                del self._kept[next(iter(self._kept))]
        return at
