"""The level rule: quiet sound is raised to a level that the network was trained at.

The front end adds a floor to every band's power, and what lies below it is lost to the network: speech of a microphone
without a level control, though 16 bits hold it. The logarithm can be undone, so the rule needs no second spectrogram:
a feature f = -1 + G ln(1 + p / floor), with G = -2 / ln(floor), becomes the feature of a gain g on the power p,

    f' = -1 + G ln(1 + g (exp((f + 1) / G) - 1)).

Digital silence stays -1 under every gain. The gain follows from the sound of the last seconds alone, so that any split
of a stream into calls gives the same features, and is 1 at ordinary levels: features are then what they were, bit for
bit.
"""

from __future__ import annotations

import math
from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from detector.core.frontend import FrontendSettings, hz_to_mel


class LevelSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How quiet sound is raised. Written in a model's manifest, never set by a user."""

    raised_to_db: Annotated[float, msgspec.Meta(ge=-120, le=0)] = -30.0
    """Band power that the loudest bands of quiet sound are raised to, in dB: 10 lg p, as the front end's floor."""
    most_db: Annotated[float, msgspec.Meta(gt=0, le=80)] = 40.0
    """Largest gain."""
    memory_s: Annotated[float, msgspec.Meta(gt=0, le=60)] = 10.0
    """The gain follows from the frames of this long."""
    sustained_frames: Annotated[int, msgspec.Meta(ge=1, le=100)] = 5
    """This many frames have to be as loud, so that a click does not count."""
    low_hz: Annotated[float, msgspec.Meta(ge=0)] = 300.0
    """Bands that begin below do not count: mains hum is no speech."""


class LevelRule:
    """Levels of frames, and the frames of a window as the network is to see them. Immutable, safe between threads."""

    def __init__(self, settings: LevelSettings, frontend: FrontendSettings) -> None:
        self._log_gain = -2.0 / math.log(frontend.floor)
        self._n_sustained = settings.sustained_frames
        self._raised_to = 1.0 + self._log_gain * math.log(10.0) / 10.0 * settings.raised_to_db
        self._most = 10.0 ** (settings.most_db / 10.0)
        self.n_remembered = max(settings.sustained_frames, round(settings.memory_s / frontend.hop_s))
        """Frames that the gain follows from."""
        edges_mel = np.linspace(hz_to_mel(frontend.low_hz), hz_to_mel(frontend.high_hz), frontend.n_mels + 2)
        first = int(np.searchsorted(edges_mel, hz_to_mel(settings.low_hz)))
        self._first_band = min(first, frontend.n_mels - 1)

    def levels(self, frames: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return each frame's loudest feature: shape (..., n_mels) -> (...)."""
        loudest: NDArray[np.float32] = frames[..., self._first_band :].max(axis=-1)
        return loudest

    def gain(self, levels: NDArray[np.float32]) -> float:
        """Return the factor on powers, at least 1, for the levels of frames, shape (n,).

        The latest `n_remembered` of them count. Fewer than have to be as loud leave the sound as it is.
        """
        levels = levels[-self.n_remembered :]
        if len(levels) < self._n_sustained:
            return 1.0
        level = float(np.partition(levels, -self._n_sustained)[-self._n_sustained])
        if level >= self._raised_to:
            return 1.0
        return float(min(self._most, self._power(self._raised_to) / max(self._power(level), 1e-30)))

    def raise_frames(self, frames: NDArray[np.float32], gain: float) -> NDArray[np.float32]:
        """Return features as they were if the sound had been louder, same shape.

        Parameters
        ----------
        frames : ndarray of float32, shape (..., n_mels)
        gain : float
            Factor on powers; 1 returns the frames themselves.
        """
        if gain == 1.0:
            return frames
        log_gain = np.float32(self._log_gain)
        powers = np.exp((frames + np.float32(1.0)) / log_gain) - np.float32(1.0)
        raised: NDArray[np.float32] = log_gain * np.log(np.float32(gain) * powers + np.float32(1.0)) - np.float32(1.0)
        return raised

    def raise_window(self, window: NDArray[np.float32], levels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return a window, shape (n_frames, n_mels), as the network is to see it, by the levels up to its end."""
        return self.raise_frames(window, self.gain(levels))

    def raise_windows(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the features of windows that nothing precedes, shape (n, n_frames, n_mels), each by its own level."""
        return np.stack([self.raise_window(window, self.levels(window)) for window in windows])

    def _power(self, feature: float) -> float:
        """Return the band power of a feature in units of the floor."""
        return float(math.expm1((feature + 1.0) / self._log_gain))
