"""Progress of long work: a bar where stderr is a terminal, and elsewhere, as in a file, a line a minute."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sized
from datetime import datetime, timedelta
from time import monotonic
from typing import NoReturn, Self, TypeVar

from tqdm import tqdm

log = logging.getLogger(__name__)

LINE_EVERY_S = 60.0
T = TypeVar("T")


class Progress:
    """Counts what is done, in a bar of tqdm, or in lines where it would be disabled."""

    def __init__(
        self, *, desc: str, total: float | None = None, unit: str, unit_scale: bool = False, initial: int = 0
    ) -> None:
        """Begin work of `total` units, if that is known, of which `initial` are done; the arguments are tqdm's."""
        self._bar: tqdm[NoReturn] = tqdm(
            desc=desc, total=total, unit=unit, unit_scale=unit_scale, initial=initial, disable=None
        )
        self._lines = Lines(desc, total, unit, initial) if self._bar.disable else None

    def update(self, n: float = 1) -> None:
        """Count n more."""
        if self._lines is None:
            self._bar.update(n)
        else:
            self._lines.add(n)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._bar.close()


def progress(items: Iterable[T], title: str, total: int | None = None, *, unit: str) -> Iterator[T]:
    """Yield items, showing how many of `total`, their length by default, are done."""
    n_items = len(items) if total is None and isinstance(items, Sized) else total
    with Progress(desc=title, total=n_items, unit=unit) as shown:
        for item in items:
            yield item
            shown.update()


class Lines:
    """Counts what is done, and logs it once a minute, with its share of the whole and when that is to be done."""

    def __init__(self, title: str, total: float | None, unit: str, n_before: float = 0) -> None:
        self._title = title
        self._total = total
        self._unit = unit
        self._n = self._n_before = n_before
        self._began_s = monotonic()
        self._due_s = self._began_s + LINE_EVERY_S

    def add(self, n: float) -> None:
        """Count n more; log them if the last line is a minute old."""
        self._n += n
        now_s = monotonic()
        if now_s >= self._due_s:
            self._due_s = now_s + LINE_EVERY_S
            log.info("%s", self._describe(now_s - self._began_s))

    def _describe(self, took_s: float) -> str:
        done = f"{self._title}: {_amount(self._n, self._unit)}"
        if not self._total:
            return done
        done += f" of {_amount(self._total, self._unit)}, {100.0 * self._n / self._total:.0f} %"
        n_now = self._n - self._n_before
        if n_now <= 0:
            return done
        left_s = max(0.0, self._total - self._n) * took_s / n_now
        end = datetime.now().astimezone() + timedelta(seconds=left_s)
        return f"{done}, ends about {end:%Y-%m-%d %H:%M}"


def _amount(n: float, unit: str) -> str:
    return f"{n / 1e6:.0f} MB" if unit == "B" else f"{n:.0f}"
