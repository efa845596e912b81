"""What a clip looks like on its way to the network: spectrogram, mel spectrogram, MFCC, int8 features, scores.

Spectrogram, mel spectrogram and features share frames: the front end's own, of the model that looks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy.fft
import scipy.signal
from numpy.typing import NDArray

from detector.core.frontend import FrontendSettings, LogMel, hz_to_mel, mel_to_hz
from detector.core.level import LevelRule
from detector.core.manifest import Manifest
from detector.core.model import Model
from detector.samples import to_float
from training.evaluate.curve import score_stream

N_MFCC = 13
FLOOR_DB = -100.0
"""Below it nothing is drawn: 16-bit samples have no more range."""


@dataclass(frozen=True)
class Views:
    """One clip, seen in every way."""

    waveform: NDArray[np.float32]
    """Shape (n_samples,), in [-1, 1)."""
    sample_rate_hz: int
    frame_times_s: NDArray[np.float64]
    """Shape (n_frames,): the middle of each frame."""
    spectrogram_db: NDArray[np.float64]
    """Shape (n_frames, n_bins), dB below a full-scale sine."""
    bins_hz: NDArray[np.float64]
    mel_db: NDArray[np.float64]
    """Shape (n_frames, n_mels), in the same dB."""
    bands_hz: NDArray[np.float64]
    """Shape (n_mels,): the middle of each band."""
    mfcc: NDArray[np.float64]
    """Shape (n_frames, n_mfcc)."""
    seen: NDArray[np.int8]
    """Shape (n_frames_of_window, n_mels): the window that scored highest for a keyword, as the network gets it."""
    seen_until_s: float
    """Where that window ends."""
    scores: NDArray[np.float32]
    """Shape (n_windows, n_labels)."""
    score_times_s: NDArray[np.float64]
    """Shape (n_windows,): the end of each window."""


def view(samples: NDArray[np.int16], model: Model) -> Views:
    """Look at a clip, with a second of silence before and after it, as the model's front end does.

    Parameters
    ----------
    samples : ndarray of int16, shape (n_samples,)
    model : Model
    """
    manifest, settings = model.manifest, model.manifest.frontend
    rate_hz = settings.sample_rate_hz
    padded = np.concatenate((samples, np.zeros(max(0, manifest.window_samples - len(samples)), dtype=np.int16)))
    silence = np.zeros(rate_hz, dtype=np.int16)
    stream = np.concatenate((silence, padded))
    whole = [scored for scored in score_stream(model, stream) if scored.end_sample >= manifest.window_samples]
    scores = np.array([scored.scores for scored in whole], dtype=np.float32)
    ends = np.array([scored.end_sample for scored in whole])
    score_times_s = ends / rate_hz - 1.0
    words = [manifest.labels.index(word) for word in manifest.words]
    best = int(scores[:, words].max(axis=1).argmax())
    window = np.concatenate((stream, silence))[ends[best] - manifest.window_samples : ends[best]]
    features = LogMel(settings)(padded)
    return Views(
        waveform=to_float(samples),
        sample_rate_hz=rate_hz,
        frame_times_s=(np.arange(len(features)) * settings.hop_samples + settings.frame_samples / 2) / rate_hz,
        spectrogram_db=spectrogram_db(padded, settings),
        bins_hz=scipy.fft.rfftfreq(settings.fft_samples, 1.0 / rate_hz),
        mel_db=mel_db(features, settings),
        bands_hz=bands_hz(settings),
        mfcc=mfcc(features, settings),
        seen=model.network.quantize(_raise(LogMel(settings)(window), stream[: ends[best]], manifest)),
        seen_until_s=float(score_times_s[best]),
        scores=scores,
        score_times_s=score_times_s,
    )


def _raise(window: NDArray[np.float32], before: NDArray[np.int16], manifest: Manifest) -> NDArray[np.float32]:
    """Return a window's features as the network sees them, shape (n_frames, n_mels), after samples that end with it."""
    if manifest.level is None:
        return window
    rule = LevelRule(manifest.level, manifest.frontend)
    return rule.raise_window(window, rule.levels(LogMel(manifest.frontend)(before)))


def spectrogram_db(samples: NDArray[np.int16], settings: FrontendSettings) -> NDArray[np.float64]:
    """Return the power of each frame at each frequency, shape (n_frames, fft_samples / 2 + 1).

    In dB below a full-scale sine. A short-time Fourier transform with the front end's frame, hop and window.
    """
    n = settings.frame_samples
    window = scipy.signal.get_window("hann", n)
    n_frames = settings.count_frames(len(samples))
    frames = np.lib.stride_tricks.sliding_window_view(to_float(samples).astype(np.float64), n)[:: settings.hop_samples]
    amplitude = np.abs(scipy.fft.rfft(frames[:n_frames] * window, settings.fft_samples)) * (2.0 / window.sum())
    decibels: NDArray[np.float64] = np.maximum(20.0 * np.log10(np.maximum(amplitude, 1e-12)), FLOOR_DB)
    return decibels


def log_power(features: NDArray[np.float32], settings: FrontendSettings) -> NDArray[np.float64]:
    """Return the natural logarithm of the band power that features stand for, same shape."""
    return np.asarray((features.astype(np.float64) - 1.0) * math.log(settings.floor) / -2.0)


def mel_db(features: NDArray[np.float32], settings: FrontendSettings) -> NDArray[np.float64]:
    """Return features, any shape, in dB below a full-scale sine, whose band power is 0.25."""
    return np.asarray(10.0 / math.log(10.0) * (log_power(features, settings) + math.log(4.0)))


def mfcc(
    features: NDArray[np.float32], settings: FrontendSettings, n_coefficients: int = N_MFCC
) -> NDArray[np.float64]:
    """Return mel-frequency cepstral coefficients, shape (n_frames, n_coefficients), of features (n_frames, n_mels).

    The cosine transform (DCT-II, orthonormal) of the logarithm of band power (Davis and Mermelstein 1980).
    """
    return np.asarray(scipy.fft.dct(log_power(features, settings), axis=-1, norm="ortho")[:, :n_coefficients])


def bands_hz(settings: FrontendSettings) -> NDArray[np.float64]:
    """Return the frequency in the middle of each mel band, shape (n_mels,)."""
    edges = np.linspace(hz_to_mel(settings.low_hz), hz_to_mel(settings.high_hz), settings.n_mels + 2)
    return mel_to_hz(edges[1:-1])
