"""From several channels to one: which of them is listened to.

Averaged channels are what most recordings want: twice the same, or two microphones that hear the same. They fail where
one channel is the inverse of another, as of a balanced line that was wired as stereo, which cancels; and where one has
steady noise alone, as of an input with nothing plugged in, which drowns the other. Both show in how the channels are
correlated and how steady they are.
"""

from __future__ import annotations

import logging
import math
from collections import deque
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

log = logging.getLogger(__name__)

Choice = int | Literal["mix", "auto"]
"""A channel, of which 1 is the first; the mean of all; or the mean, unless that cancels or drowns."""

PIECE_S = 0.1
"""The channels are looked at in pieces of this length, counted from the first sample: blocks do not matter."""
LOOKED_AT = 10
"""Pieces that are looked at together: a second."""
CANCELS = -0.5
"""Correlation below which channels cancel; of two microphones in a room it is above -0.3."""
AGREES = 0.3
"""Correlation above which they no longer do."""
STEADY_DB = 6.0
"""What varies by no more than this over a second is noise, not speech."""
LOUDER_DB = 10.0
"""By this much steady noise lies above the quietest of another channel when it drowns that."""
NO_LONGER_LOUDER_DB = 6.0
DROWNING_DBFS = -55.0
"""Fainter noise drowns nothing that could be understood."""
STAYS = 50
"""Pieces without a reason after which the mean is taken again: five seconds."""
LEAST_POWER = 1e-9
"""Of a channel that carries anything, -90 dBFS."""


class _Reason(NamedTuple):
    """Why one channel is used alone."""

    good: int
    """That channel, from 0."""
    bad: int
    """The channel that cancels or drowns it."""
    detail: str
    cancels: bool


class Mixer:
    """Makes mono of a stream of channels. One thread only."""

    def __init__(self, choice: Choice, *, n_channels: int, rate_hz: int, name: str) -> None:
        """Begin a stream.

        Parameters
        ----------
        choice : int, "mix" or "auto"
            A channel has to be one of `n_channels`.
        n_channels : int
        rate_hz : int
            Samples a second of each channel.
        name : str
            Of the source, for the log.
        """
        self._choice = choice
        self._n_channels = n_channels
        self._name = name
        self._chosen = choice - 1 if isinstance(choice, int) else None
        """The channel that is taken alone, from 0; none: the mean."""
        self._piece_samples = max(1, round(PIECE_S * rate_hz))
        self._n_in_piece = 0
        self._sums = np.zeros((n_channels, n_channels))
        self._pieces: deque[NDArray[np.float64]] = deque(maxlen=LOOKED_AT)
        self._reason: _Reason | None = None
        self._n_without_reason = 0
        self._reported: set[bool] = set()

    def mix(self, frames: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return one channel, shape (n,), of frames of shape (n, n_channels).

        A piece is mixed by what was known when it began.
        """
        if self._n_channels == 1:
            return frames[:, 0]
        if self._choice != "auto":
            return self._take(frames)
        mixed = []
        while len(frames):
            part, frames = np.split(frames, [self._piece_samples - self._n_in_piece])
            mixed.append(self._take(part))
            exact = part.astype(np.float64)
            self._sums += exact.T @ exact
            self._n_in_piece += len(part)
            if self._n_in_piece == self._piece_samples:
                self._pieces.append(self._sums / self._n_in_piece)
                self._sums, self._n_in_piece = np.zeros_like(self._sums), 0
                self._choose()
        return np.concatenate(mixed) if mixed else np.empty(0, dtype=np.float32)

    def _take(self, frames: NDArray[np.float32]) -> NDArray[np.float32]:
        if self._chosen is None:
            mean: NDArray[np.float32] = frames.mean(axis=1, dtype=np.float32)
            return mean
        return frames[:, self._chosen]

    def _choose(self) -> None:
        """Choose by the latest pieces; keep a choice until its reason has been gone for a while."""
        powers = np.array([np.diag(piece) for piece in self._pieces])
        found = self._find_cancelling(powers) or self._find_drowning(powers)
        is_worse = found is not None and found.bad == self._chosen and not found.cancels
        if found is not None and (self._reason is None or is_worse):
            self._reason, self._chosen = found, found.good
            self._report(found)
        if self._reason is None:
            return
        self._n_without_reason = self._n_without_reason + 1 if self._has_gone(self._reason, powers) else 0
        if self._n_without_reason >= STAYS:
            self._reason = self._chosen = None

    def _has_gone(self, reason: _Reason, powers: NDArray[np.float64]) -> bool:
        if reason.cancels:  # silence says nothing of it
            return bool((self._correlation(reason.good) > AGREES).all())
        floors = powers.min(axis=0)
        return bool(floors[reason.bad] < floors[reason.good] * 10 ** (NO_LONGER_LOUDER_DB / 10))

    def _find_cancelling(self, powers: NDArray[np.float64]) -> _Reason | None:
        good = int(powers.sum(axis=0).argmax())
        correlation = self._correlation(good)
        bad = int(correlation.argmin())
        if correlation[bad] >= CANCELS:
            return None
        detail = f"channels {good + 1} and {bad + 1} cancel each other (correlation {correlation[bad]:.2f})"
        return _Reason(good, bad, detail, cancels=True)

    def _find_drowning(self, powers: NDArray[np.float64]) -> _Reason | None:
        floors, peaks = powers.min(axis=0), powers.max(axis=0)
        bad = int(floors.argmax())
        is_steady = len(powers) > 1 and peaks[bad] < floors[bad] * 10 ** (STEADY_DB / 10)
        if not is_steady or floors[bad] < 10 ** (DROWNING_DBFS / 10):
            return None
        can_be_heard = (
            (floors * 10 ** (LOUDER_DB / 10) < floors[bad])
            & (peaks > LEAST_POWER)
            & (np.abs(self._correlation(bad)) < AGREES)
        )
        if not can_be_heard.any():
            return None
        good = int(np.where(can_be_heard, peaks, -1.0).argmax())
        detail = f"channel {bad + 1} has steady noise at {_db(floors[bad]):.0f} dBFS, channel {good + 1} less"
        return _Reason(good, bad, detail, cancels=False)

    def _correlation(self, channel: int) -> NDArray[np.float64]:
        """Return how each channel is correlated with one, shape (n_channels,); 1 where one of them carries nothing."""
        sums = np.sum(self._pieces, axis=0)
        powers = np.diag(sums)
        scale = np.sqrt(powers * powers[channel])
        carries = np.minimum(powers, powers[channel]) > LEAST_POWER * len(self._pieces)
        return np.where(carries, sums[channel] / np.where(carries, scale, 1.0), 1.0)

    def _report(self, reason: _Reason) -> None:
        if reason.cancels not in self._reported:
            self._reported.add(reason.cancels)
            log.warning(
                "%s: %s; channel %d is used alone, another by --channel N, the mean of all by --channel mix",
                self._name,
                reason.detail,
                reason.good + 1,
            )


def _db(power: float) -> float:
    return 10.0 * math.log10(max(power, 1e-12))
