"""A source that comes back: closed when it is lost, and opened again when it can be."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from detector.audio.gaps import Loss
from detector.audio.sources import NOTHING, AudioSource, Block
from detector.errors import CaptureError, CaptureFailure, SettingsError
from detector.events import GapCause
from detector.settings import RecoverySettings

log = logging.getLogger(__name__)


class Recovering:
    """The first of some sources that can be opened; when it is lost, or not there yet, it is waited for.

    Between two tries passes a time that doubles up to a limit, with jitter, so that several programs do not call a
    sound server in step. A loss is logged once, and so is its end. It begins where the source's own samples end, though
    a sound server put others in their place. One thread only.
    """

    is_live = True
    can_wait = False

    def __init__(
        self,
        sources: Sequence[AudioSource],
        settings: RecoverySettings,
        *,
        clock: Callable[[], float] = time.monotonic,
        rng: random.Random | None = None,
    ) -> None:
        """Wait for `sources`, the first of them rather than the second.

        Parameters
        ----------
        sources : sequence of AudioSource
            Each can be entered and left any number of times.
        settings : RecoverySettings
        clock : callable
            Seconds of a clock that never steps.
        rng : random.Random, optional
            Of the jitter.
        """
        self._sources = sources
        self._settings = settings
        self._clock = clock
        self._rng = rng or random.Random()  # noqa: S311 - jitter
        self._chosen = 0
        self._is_open = False
        self._has_delivered = False
        self._wait_s = settings.first_wait_s
        self._next_try_s = 0.0
        self._lost_since_s: float | None = None
        self._last_sample_s = 0.0
        self.n_losses = 0
        """How often the source was lost."""

    @property
    def name(self) -> str:
        """The name of the source in use, or of the one waited for."""
        return self._sources[self._chosen].name

    @property
    def is_waiting(self) -> bool:
        """The source is lost, or was never there, and is waited for."""
        return self._lost_since_s is not None

    def __enter__(self) -> Self:
        """Open the source, or begin to wait for it.

        Raises
        ------
        CaptureError
            If there is nothing to wait for: PortAudio is missing.
        SettingsError
            If the settings of a source do not fit what there is.
        """
        self._last_sample_s = self._clock()
        self._try_to_open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the source; may be done twice."""
        self._close()

    def read(self) -> Block | None:
        """Return what has arrived; nothing while the source is lost.

        Raises
        ------
        CaptureError
            If the source was lost for as long as the settings permit.
        """
        if not self._is_open:
            if self._clock() >= self._next_try_s:
                self._try_to_open()
            return Block(NOTHING)
        try:
            block = self._sources[self._chosen].read()
        except CaptureError as exc:
            self._close()
            self._lose(exc, self._clock())
            return Block(NOTHING)
        if block is None or not len(block.samples):
            return block
        now_s = self._clock()
        if self._lost_since_s is not None:
            block = self._find(block, now_s)
        self._has_delivered = True
        self._last_sample_s = now_s
        return block

    def _try_to_open(self) -> None:
        tried_s = self._clock()  # before: a sound server may take long to say no
        try:
            self._sources[self._chosen].__enter__()
        except CaptureError as exc:
            if exc.reason is CaptureFailure.NO_LIBRARY:
                raise
            self._lose(exc, tried_s)
        except SettingsError as exc:
            if self._lost_since_s is None:
                raise
            # It fitted, or was not needed, at the start.
            self._lose(CaptureError(CaptureFailure.NOT_FOUND, str(exc)), tried_s)
        else:
            self._is_open = True

    def _close(self) -> None:
        if self._is_open:
            self._is_open = False
            self._sources[self._chosen].__exit__(None, None, None)

    def _lose(self, error: CaptureError, tried_s: float) -> None:
        """Note that a source is lost, or still was when it was tried, and plan the next try."""
        if self._lost_since_s is None:
            self._lost_since_s = self._last_sample_s - error.replaced_s
            self._chosen = 0
            self.n_losses += 1
            log.warning("%s; waiting for it to come back", error)
        else:
            log.debug("still waiting: %s", error)
            self._chosen = (self._chosen + 1) % len(self._sources)
        lost_s, give_up_after_s = tried_s - self._lost_since_s, self._settings.give_up_after_s
        if give_up_after_s is not None and lost_s >= give_up_after_s:
            raise CaptureError(error.reason, f"{error}; gave up after {round(lost_s, 1):g} s") from error
        self._next_try_s = self._clock() + self._wait_s * (1.0 - self._settings.jitter * self._rng.random())
        if give_up_after_s is not None:  # the last try comes when the time is over, not up to a pause later
            self._next_try_s = min(self._next_try_s, self._lost_since_s + give_up_after_s)
        self._wait_s = min(2.0 * self._wait_s, self._settings.longest_wait_s)

    def _find(self, block: Block, now_s: float) -> Block:
        """Note that samples come again, and return their first block, marked."""
        assert self._lost_since_s is not None
        lost_s = now_s - self._lost_since_s
        log.warning("hearing '%s' again after %.1f s", self.name, lost_s)
        self._lost_since_s = None
        self._wait_s = self._settings.first_wait_s
        return Block(block.samples, Loss(GapCause.RECONNECT, lost_s)) if self._has_delivered else block
