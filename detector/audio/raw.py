"""A stream of raw samples of any kind: bytes, as they come, to 16-bit mono."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detector.audio.channels import Mixer
from detector.audio.pcm import CODINGS
from detector.audio.resample import open_resampler
from detector.errors import AudioFileError
from detector.samples import to_int16
from detector.types import Channel

PLAIN = "s16le"
"""What needs no conversion, in mono and at the right rate."""


class RawDecoder:
    """Converts a stream of raw samples. One thread only."""

    def __init__(
        self, coding: str, *, rate_hz: int, n_channels: int, to_hz: int, name: str, channel: Channel = "auto"
    ) -> None:
        """Begin a stream.

        Parameters
        ----------
        coding : str
            One of `CODINGS`.
        rate_hz, n_channels : int
            Of what comes.
        to_hz : int
            Of what is returned.
        name : str
            Of the source, for the log and for errors.
        channel : int, "mix" or "auto"
            Which channels are used; a channel has to be one of `n_channels`.

        Raises
        ------
        SettingsError
            If the rates differ and soxr is not installed.
        """
        self.frame_bytes = n_channels * CODINGS[coding].sample_bytes
        """A sample of each channel."""
        self._n_channels = n_channels
        self._decode = CODINGS[coding].decode
        self._is_plain = (coding, rate_hz, n_channels) == (PLAIN, to_hz, 1)
        self._name = name
        self._resampler = open_resampler(rate_hz, to_hz)
        self._mixer = Mixer(channel, n_channels=n_channels, rate_hz=rate_hz, name=name)

    def decode(self, content: bytes, *, is_last: bool = False) -> NDArray[np.int16]:
        """Take the next bytes, of whole frames, and return the samples that are ready, shape (n_samples,).

        Raises
        ------
        AudioFileError
            If a sample is not finite.
        """
        if self._is_plain:
            return np.frombuffer(content, dtype="<i2").astype(np.int16)
        frames = self._decode(content).reshape(-1, self._n_channels)
        if not np.isfinite(frames).all():
            raise AudioFileError(f"expected finite samples on {self._name}, found NaN or infinity")
        mono = self._mixer.mix(np.clip(frames, -1.0, 1.0))
        return to_int16(self._resampler.convert(mono, is_last=is_last))
