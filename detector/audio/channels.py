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
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detector.types import Channel

log = logging.getLogger(__name__)

PIECE_S = 0.1
"""The channels are looked at in pieces of this length, counted from the first sample: blocks do not matter."""
LOOKED_AT = 10
"""Pieces that are looked at together: a second."""
CANCELS = -0.5
"""Correlation below which channels cancel; of two microphones in a room it is above -0.3."""
AGREES = 0.3
"""Correlation above which they no longer do."""
STEADY_DB = 6.0
"""What varies by no more than this over a second is noise, not speech;"""
SPOKEN_DB = 12.0
"""what varies by this has been spoken into."""
LOUDER_DB = 10.0
"""Steady noise drowns another channel if it lies by this much above the faintest of that. A microphone in a noisy room
lies so above an idle input, too, but nobody speaks into that."""
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

    def __init__(self, choice: Channel, *, n_channels: int, rate_hz: int, name: str, is_live: bool = True) -> None:
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
        is_live : bool
            What is not may wait for the end of a piece, so that a piece is mixed by what is known of it itself.
        """
        self._choice = choice
        self._n_channels = n_channels
        self._name = name
        self._chosen = choice - 1 if isinstance(choice, int) else None
        """The channel that is taken alone, from 0; none: the mean."""
        self._is_live = is_live
        self._piece_samples = max(1, round(PIECE_S * rate_hz))
        self._n_in_piece = 0
        self._held = np.empty((0, n_channels), dtype=np.float32)
        self._sums = np.zeros((n_channels, n_channels))
        self._pieces: deque[NDArray[np.float64]] = deque(maxlen=LOOKED_AT)
        self._reason: _Reason | None = None
        self._n_without_reason = 0
        self._reported: set[bool] = set()

    def mix(self, frames: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return one channel, shape (n,), of frames of shape (n, n_channels); what is not live holds some back."""
        if self._n_channels == 1:
            return frames[:, 0]
        if self._choice != "auto":
            return self._take(frames)
        if not self._is_live:
            return self._mix_whole(np.concatenate((self._held, frames)))
        mixed = []
        while len(frames):
            part, frames = np.split(frames, [self._piece_samples - self._n_in_piece])
            mixed.append(self._take(part))
            self._look_at(part)
        return np.concatenate(mixed) if mixed else np.empty(0, dtype=np.float32)

    def finish(self) -> NDArray[np.float32]:
        """Return what was held back, shape (n,), at the end of the stream."""
        held, self._held = self._held, self._held[:0]
        return self._take(held)

    def _mix_whole(self, frames: NDArray[np.float32]) -> NDArray[np.float32]:
        """Mix whole pieces, each when it was looked at, and hold the rest back."""
        mixed = [np.empty(0, dtype=np.float32)]
        n_whole = len(frames) // self._piece_samples * self._piece_samples
        for first in range(0, n_whole, self._piece_samples):
            piece = frames[first : first + self._piece_samples]
            self._look_at(piece)
            mixed.append(self._take(piece))
        self._held = frames[n_whole:]
        return np.concatenate(mixed)

    def _look_at(self, part: NDArray[np.float32]) -> None:
        exact = part.astype(np.float64)
        self._sums += exact.T @ exact
        self._n_in_piece += len(part)
        if self._n_in_piece == self._piece_samples:
            self._pieces.append(self._sums / self._n_in_piece)
            self._sums, self._n_in_piece = np.zeros_like(self._sums), 0
            self._choose()

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
        if self._n_without_reason >= STAYS or self._was_wrong(self._reason, powers):
            self._reason = self._chosen = None
            self._n_without_reason = 0

    def _has_gone(self, reason: _Reason, powers: NDArray[np.float64]) -> bool:
        if reason.cancels:  # silence says nothing of it
            return bool((self._correlation(reason.good) > AGREES).all())
        floors = powers.min(axis=0)
        return bool(floors[reason.bad] < floors[reason.good] * _ratio(NO_LONGER_LOUDER_DB))

    def _was_wrong(self, reason: _Reason, powers: NDArray[np.float64]) -> bool:
        """Return whether somebody speaks into the channel that is left out, and nobody into the other."""
        varies = powers.max(axis=0) / np.maximum(powers.min(axis=0), LEAST_POWER)
        is_spoken_into = varies[reason.bad] > _ratio(SPOKEN_DB) and varies[reason.good] < _ratio(STEADY_DB)
        return not reason.cancels and bool(is_spoken_into)

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
        is_steady = len(powers) > 1 and peaks[bad] < floors[bad] * _ratio(STEADY_DB)
        if not is_steady or floors[bad] < _ratio(DROWNING_DBFS):
            return None
        is_drowned = (
            (floors * _ratio(LOUDER_DB) < floors[bad])
            & (peaks > np.maximum(floors, LEAST_POWER) * _ratio(SPOKEN_DB))
            & (np.abs(self._correlation(bad)) < AGREES)
        )
        if not is_drowned.any():
            return None
        good = int(np.where(is_drowned, peaks, -1.0).argmax())
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


def _ratio(level_db: float) -> float:
    return float(10.0 ** (level_db / 10.0))


def _db(power: float) -> float:
    return 10.0 * math.log10(max(power, 1e-12))
