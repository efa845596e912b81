"""The one thread that does the work of all clients, in turn.

What is due when it has a moment is done together, in one trip to the thread; what comes meanwhile waits for the next.
No client has more than one piece of work in it, and none is long: so a client that floods waits for its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")

MOST_TOGETHER = 64
"""Pieces of work that are done in one trip: who waits for the last of them waits for them all."""


class _Work(NamedTuple):
    do: Callable[[], Any]
    done: asyncio.Future[Any]


class Scoring:
    """Work of many clients, done in one thread while `run` runs."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="scoring")
        self._waiting: list[_Work] = []
        self._is_due = asyncio.Event()

    async def do(self, work: Callable[[], T]) -> T:
        """Return what some work returns, or raise what it raises, once it has been its turn."""
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Work(work, done))
        self._is_due.set()
        return await done

    async def run(self) -> None:
        """Have work done, until cancelled."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                await self._is_due.wait()
                self._is_due.clear()
                while self._waiting:
                    together, self._waiting = self._waiting[:MOST_TOGETHER], self._waiting[MOST_TOGETHER:]
                    outcomes = await loop.run_in_executor(self._thread, _do_all, together)
                    for work, outcome in zip(together, outcomes, strict=True):
                        _hand_over(work.done, outcome)
        finally:
            self._thread.shutdown(wait=False, cancel_futures=True)


def _do_all(together: Sequence[_Work]) -> list[tuple[Any, Exception | None]]:
    """Return what each work returned or raised; one that has been given up is left out."""
    outcomes: list[tuple[Any, Exception | None]] = []
    for work in together:
        try:
            outcomes.append((None if work.done.cancelled() else work.do(), None))
        except Exception as exc:
            outcomes.append((None, exc))
    return outcomes


def _hand_over(done: asyncio.Future[Any], outcome: tuple[Any, Exception | None]) -> None:
    result, error = outcome
    if done.done():  # who waited for it has gone
        return
    if error is None:
        done.set_result(result)
    else:
        done.set_exception(error)
