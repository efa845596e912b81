"""The spectrogram: samples in, log-mel frames out.

There is one spectrogram in the project. `LogMel` computes the frames of an array, `StreamingLogMel` those that new
samples complete; both give bit-identical numbers, for any split of the samples. Training and evaluation use them too,
and a model's manifest carries every parameter.

Why the parameters of the shipped models are what they are:

- *frame 30 ms, hop 20 ms*: long enough to resolve the harmonics of a low voice (33 Hz), short enough that the burst of
  a consonant fills a frame of its own. A hop of 20 ms gives 49 frames to a second; 10 ms doubles the network's cost.
- *512-point FFT*: the next power of two above the frame's 480 samples.
- *40 mel bands from 60 to 7,600 Hz*: fewer bands blur the formants that distinguish vowels; with more, the lowest
  triangles become narrower than a bin. Below 60 Hz lies mains hum, above 7,600 Hz the roll-off of resamplers and
  speech codecs, which depends on the recorder rather than on the word.
- *floor*: added to every band's power before the logarithm. It is near the self-noise of a typical microphone, so that
  digital silence, bins that a codec emptied and a quiet room give the same features. Without it the logarithm magnifies
  inaudible differences.
"""

from __future__ import annotations

import math
from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from detector.samples import INT16_SCALE
from detector.types import Positive


class FrontendSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything that determines what a model sees. Written in its manifest, never set by a user."""

    sample_rate_hz: Annotated[int, msgspec.Meta(gt=0, le=192000)] = 16000
    frame_s: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.030
    """Length of one frame, in seconds."""
    hop_s: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.020
    """From the start of one frame to the start of the next, in seconds."""
    fft_samples: Annotated[int, msgspec.Meta(gt=0, le=65536)] = 512
    n_mels: Annotated[int, msgspec.Meta(gt=0, le=512)] = 40
    low_hz: Positive = 60.0
    high_hz: Positive = 7600.0
    floor: Positive = 1e-8
    """Band power added before the logarithm (a full-scale sine has 0.25); a band of this power is feature -1."""

    def __post_init__(self) -> None:
        """Reject combinations that make no spectrogram.

        Raises
        ------
        ValueError
            If the parameters contradict each other, or a mel band would cover no FFT bin.
        """
        if self.hop_samples < 1 or self.hop_samples > self.frame_samples:
            raise ValueError(f"hop_s must lie between one sample and frame_s, found {self.hop_s:g}")
        if self.fft_samples < self.frame_samples:
            raise ValueError(f"fft_samples must be at least the frame's {self.frame_samples}, found {self.fft_samples}")
        if not self.low_hz < self.high_hz <= self.sample_rate_hz / 2:
            raise ValueError(
                f"low_hz < high_hz <= {self.sample_rate_hz / 2:g} Hz, found {self.low_hz:g}, {self.high_hz:g}"
            )
        if self.floor >= 1.0:
            raise ValueError(f"floor must be below 1, found {self.floor:g}")
        band, _ = mel_runs(self)
        missing = np.setdiff1d(np.arange(self.n_mels + 1), band)
        if missing.size:
            raise ValueError(
                f"n_mels: {self.n_mels} bands are too narrow for a {self.fft_samples}-point FFT; use fewer"
            )

    @property
    def frame_samples(self) -> int:
        """Length of one frame in samples."""
        return round(self.frame_s * self.sample_rate_hz)

    @property
    def hop_samples(self) -> int:
        """Samples from the start of one frame to the start of the next."""
        return round(self.hop_s * self.sample_rate_hz)

    def count_frames(self, n_samples: int) -> int:
        """Return how many whole frames lie in `n_samples` consecutive samples."""
        return max(0, (n_samples - self.frame_samples) // self.hop_samples + 1)


def hz_to_mel(frequency_hz: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Return mels for Hz: 2595 log10(1 + f / 700), the formula of O'Shaughnessy (1987) that HTK uses."""
    return np.asarray(2595.0 * np.log10(1.0 + np.asarray(frequency_hz, dtype=np.float64) / 700.0))


def mel_to_hz(mel: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Return Hz for mels: the inverse of `hz_to_mel`."""
    return np.asarray(700.0 * (10.0 ** (np.asarray(mel, dtype=np.float64) / 2595.0) - 1.0))


def mel_runs(settings: FrontendSettings) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Divide the FFT bins among the triangular mel filters.

    n_mels + 2 edges, equally spaced in mel, make n_mels + 1 runs of bins. In run r triangle r rises from 0 to 1 while
    triangle r - 1 falls from 1 to 0 (Davis and Mermelstein 1980; peaks of 1, linear in Hz).

    Returns
    -------
    run : ndarray of int, shape (fft_samples // 2 + 1,)
        Run of each bin; -1 below `low_hz`, n_mels + 1 from `high_hz` on.
    rise : ndarray of float64, same shape
        Weight of the rising triangle; the falling one has 1 - rise. Meaningless outside the runs.
    """
    bins_hz = np.arange(settings.fft_samples // 2 + 1) * (settings.sample_rate_hz / settings.fft_samples)
    edges_hz = mel_to_hz(np.linspace(hz_to_mel(settings.low_hz), hz_to_mel(settings.high_hz), settings.n_mels + 2))
    run = np.searchsorted(edges_hz, bins_hz, side="right") - 1
    left = edges_hz[np.clip(run, 0, settings.n_mels)]
    right = edges_hz[np.clip(run, 0, settings.n_mels) + 1]
    return run, (bins_hz - left) / (right - left)


class LogMel:
    """Log-mel frames of arrays of samples. Immutable, safe between threads.

    Frames are computed one by one, in double precision, so that a frame's numbers do not depend on how many others are
    computed with it: a matrix product would be shorter, but BLAS sums in another order for one row than for 49.
    """

    def __init__(self, settings: FrontendSettings) -> None:
        self.settings = settings
        # Periodic Hann window (Harris 1978), scaled so that a sine of amplitude A (full scale 1) has power A^2 / 4 and
        # 16-bit samples need no conversion of their own.
        n = settings.frame_samples
        hann = 0.5 - 0.5 * np.cos(2.0 * math.pi * np.arange(n) / n)
        self._window = hann / (hann.sum() * INT16_SCALE)
        run, rise = mel_runs(settings)
        inside = np.flatnonzero((run >= 0) & (run <= settings.n_mels))
        self._bins = slice(int(inside[0]), int(inside[-1]) + 1)
        self._rise = rise[self._bins]
        self._fall = 1.0 - self._rise
        self._run_starts = np.searchsorted(run[self._bins], np.arange(settings.n_mels + 1))
        self._gain = -2.0 / math.log(settings.floor)

    def __call__(self, samples: NDArray[np.int16]) -> NDArray[np.float32]:
        """Compute the whole frames of some samples.

        Parameters
        ----------
        samples : ndarray of int16, shape (..., n_samples)

        Returns
        -------
        ndarray of float32, shape (..., n_frames, n_mels)
            1 + 2 ln(p + floor) / -ln(floor) for band power p: -1 in silence, about 1 at full scale.
        """
        settings = self.settings
        if samples.shape[-1] < settings.frame_samples:
            return np.empty((*samples.shape[:-1], 0, settings.n_mels), dtype=np.float32)
        *outer, step = samples.strides
        frames = np.lib.stride_tricks.as_strided(  # a third of the cost of sliding_window_view
            samples,
            (*samples.shape[:-1], settings.count_frames(samples.shape[-1]), settings.frame_samples),
            (*outer, settings.hop_samples * step, step),
            writeable=False,
        )
        spectrum = np.fft.rfft(frames * self._window, settings.fft_samples)[..., self._bins]
        power = spectrum.real**2 + spectrum.imag**2
        rising = np.add.reduceat(power * self._rise, self._run_starts, axis=-1)
        falling = np.add.reduceat(power * self._fall, self._run_starts, axis=-1)
        mel = rising[..., :-1] + falling[..., 1:]
        return (1.0 + self._gain * np.log(mel + settings.floor)).astype(np.float32)


class StreamingLogMel:
    """Log-mel frames of a stream: each frame once, as soon as its last sample is there. One thread only."""

    def __init__(self, settings: FrontendSettings) -> None:
        self._log_mel = LogMel(settings)
        self._rest = np.empty(0, dtype=np.int16)

    def reset(self) -> None:
        """Discard all samples: the next one fed is the first of a frame."""
        self._rest = np.empty(0, dtype=np.int16)

    @property
    def rest(self) -> NDArray[np.int16]:
        """Samples that the next frames need, shape (n,)."""
        return self._rest

    def restore(self, rest: NDArray[np.int16]) -> None:
        """Continue with an earlier value of `rest`."""
        self._rest = rest.copy()

    def feed(self, samples: NDArray[np.int16]) -> NDArray[np.float32]:
        """Take the next samples of the stream; return the frames they complete.

        Parameters
        ----------
        samples : ndarray of int16, shape (n_samples,)

        Returns
        -------
        ndarray of float32, shape (n_frames, n_mels)
            Bit-identical to what `LogMel` gives for the whole stream at once.
        """
        pending = np.concatenate((self._rest, samples))
        frames = self._log_mel(pending)
        self._rest = pending[len(frames) * self._log_mel.settings.hop_samples :].copy()
        return frames
