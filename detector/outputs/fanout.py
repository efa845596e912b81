"""Passes events on to whoever acts on them. The one module of the way out that starts threads."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from detector.errors import DetectorError, OutputClosed
from detector.events import Event, Listener, Progress, Scored

log = logging.getLogger(__name__)

MOST_EVENTS = 1000
"""Events that wait for a listener aside, half a minute of them; of more the oldest are dropped."""
ROUTINE = (Scored, Progress)
"""They come many times a second, and each is as the next: of events that wait they are dropped first."""
FINISH_S = 0.2
"""How long the listeners aside may take for their last events, together."""


class Fanout:
    """Passes each event on: to some listeners in order, in the calling thread, to others in threads of their own.

    Who must act before the detector goes on (the recorder notes its state; the console of a recording writes every
    line) is called in order, and must not wait for anybody. Who may wait, for a network or a disk, stands aside: it
    holds up nobody, and what it is too slow for is dropped and counted: windows and turns of the loop first, and
    detections last.

    A listener that fails goes on being called: what it fails at may be one event, or a server that comes back, and a
    listener that was taken out would stay deaf for months. Its first failure is logged, the others are counted. The
    errors that the project raises on purpose are no such failure: `OutputClosed` and `DetectorError` of a listener
    that is called in order end the command, as they do anywhere else.
    """

    def __init__(self, listeners: Sequence[Listener], *, aside: Sequence[Listener] = ()) -> None:
        self._listeners = [_Guarded(listener) for listener in listeners]
        self._aside = [_Aside(listener) for listener in aside]

    def __enter__(self) -> Self:
        """Start the threads."""
        for listener in self._aside:
            listener.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let the listeners aside finish, for at most `FINISH_S` together, and report failures and drops."""
        deadline_s = time.monotonic() + FINISH_S
        for listener in self._aside:
            listener.stop()
        for listener in self._aside:
            listener.join(max(0.0, deadline_s - time.monotonic()))
        for guarded in (*self._listeners, *self._aside):
            guarded.report()

    def hear(self, event: Event) -> None:
        """Pass an event on.

        Raises
        ------
        OutputClosed, DetectorError
            What a listener raised that is called in order.
        """
        for listener in self._aside:
            listener.put(event)
        for guarded in self._listeners:
            guarded.hear(event)


class _Guarded:
    """A listener whose failures are logged once and counted."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._name = type(listener).__name__
        self._n_failures = 0

    def hear(self, event: Event) -> None:
        try:
            self._listener.hear(event)
        except (OutputClosed, DetectorError):
            raise
        except Exception as exc:
            self._fail(event, exc)

    def _fail(self, event: Event, error: Exception) -> None:
        self._n_failures += 1
        if self._n_failures == 1:
            where = type(event).__name__
            log.error("%s failed at a %s; it goes on being called", self._name, where, exc_info=error)

    def report(self) -> None:
        if self._n_failures > 1:
            log.warning("%s failed %d times", self._name, self._n_failures)


class _Aside(_Guarded):
    """A listener in a thread of its own, behind a queue that drops its oldest."""

    def __init__(self, listener: Listener) -> None:
        super().__init__(listener)
        self._events: deque[Event] = deque()
        self._changed = threading.Condition()
        self._is_stopping = False
        self._n_dropped = 0
        self._thread = threading.Thread(target=self._run, name=f"aside {self._name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def put(self, event: Event) -> None:
        with self._changed:
            self._events.append(event)
            is_full = len(self._events) > MOST_EVENTS
            if is_full:
                self._drop()
                self._n_dropped += 1
            self._changed.notify()
        if is_full and self._n_dropped == 1:
            log.warning("%s is too slow: the oldest of %d events are dropped", self._name, MOST_EVENTS)

    def _drop(self) -> None:
        """Drop the oldest event of those that can be spared, or else the oldest."""
        spared = (k for k, event in enumerate(self._events) if isinstance(event, ROUTINE))
        del self._events[next(spared, 0)]

    def stop(self) -> None:
        with self._changed:
            self._is_stopping = True
            self._changed.notify()

    def join(self, timeout_s: float) -> None:
        self._thread.join(timeout_s)

    def report(self) -> None:
        super().report()
        n_lost = self._n_dropped + len(self._events)
        if n_lost:
            log.warning("%s was too slow for %d events", self._name, n_lost)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._events or self._is_stopping)
                if not self._events:
                    return
                event = self._events.popleft()
            try:
                self._listener.hear(event)
            except Exception as exc:  # of its own thread nobody else would learn
                self._fail(event, exc)
