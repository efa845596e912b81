"""Whether a device that is polled delivers: what is lost, announced or not, and when the device itself is."""

from __future__ import annotations

from detector.audio.clock import TOLERANCE_S, SampleClock
from detector.audio.gaps import Loss
from detector.events import GapCause
from detector.process.running import RunningTime

LOST_AFTER_S = 1.0
"""Without a new sample for this long the device is lost."""
GRACE_S = 3.0
"""The first samples may take this long after opening."""
STALL_S = 0.2
"""Between two polls further apart than this the process was not running."""
STALE_AFTER_S = 1.0
"""What waited for longer, while the process was not running, is dropped."""


class Delivery:
    """Watches what polls of a device bring, by a clock that never steps. One thread only.

    There are three kinds of discontinuity: the device reports that it lost samples (or they were dropped here), it
    pauses and does not make up for it, or the samples do not keep up with time (`SampleClock`).

    Parameters
    ----------
    rate_hz : int
        The device's rate.
    now_s : float
        When it was started.
    """

    def __init__(self, rate_hz: int, now_s: float) -> None:
        self._rate_hz = rate_hz
        self._clock = SampleClock(rate_hz)
        self._running = RunningTime(now_s, most_s=STALL_S)  # standing still does not count against the device
        self._last_sample_s = GRACE_S - LOST_AFTER_S

    def is_stale(self, now_s: float) -> bool:
        """Whether the last poll was too long ago to use what waits."""
        return now_s - self._running.updated_s > STALE_AFTER_S

    def is_lost(self, now_s: float) -> bool:
        """Note a poll that brought nothing; return whether there has been none for too long."""
        return self._running.update(now_s) - self._last_sample_s > LOST_AFTER_S

    def observe(self, n_samples: int, now_s: float, *, has_loss: bool) -> Loss | None:
        """Note a poll that brought samples; return what was lost before them.

        Parameters
        ----------
        n_samples : int
            At the device's rate.
        now_s : float
            Of a clock that never steps.
        has_loss : bool
            Whether it is known that samples were lost before these.
        """
        running_s = self._running.update(now_s)
        # The device was quiet although it was asked, and what it hands over now is not what was missing.
        is_short = running_s - self._last_sample_s - n_samples / self._rate_hz > TOLERANCE_S
        self._last_sample_s = max(self._last_sample_s, running_s)
        missing_s = self._clock.observe(n_samples, now_s, has_loss=has_loss or is_short)
        if has_loss:
            return Loss(GapCause.OVERFLOW, missing_s)
        if is_short or missing_s is not None:
            return Loss(GapCause.DRIFT, missing_s)
        return None
