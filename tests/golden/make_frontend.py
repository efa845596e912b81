"""Makes frontend.npz: log-mel features by SciPy's STFT and a dense filter matrix, sharing no code with the detector.

python tests/golden/make_frontend.py
"""

from pathlib import Path

import numpy as np
from scipy import signal

RATE, FRAME, HOP, FFT, BANDS, LOW, HIGH, FLOOR = 16000, 480, 320, 512, 40, 60.0, 7600.0, 1e-8


def main() -> None:
    """Write samples and their features."""
    rng = np.random.default_rng(3)
    time = np.arange(RATE) / RATE
    sound = 0.3 * signal.chirp(time, 100, 1.0, 7000) + 0.01 * rng.standard_normal(RATE)
    sound[10000:12000] = 0.0
    samples = np.rint(sound * 32768).astype(np.int16)

    window = signal.get_window("hann", FRAME, fftbins=True)
    frames = [samples[first : first + FRAME] / 32768.0 for first in range(0, RATE - FRAME + 1, HOP)]
    power = np.array([np.abs(np.fft.fft(frame * window, FFT)[: FFT // 2 + 1]) ** 2 for frame in frames])
    power /= window.sum() ** 2

    mel_edges = np.linspace(1127.0 * np.log(1 + LOW / 700), 1127.0 * np.log(1 + HIGH / 700), BANDS + 2)
    edges = 700 * (np.exp(mel_edges / 1127.0) - 1)
    bins = np.linspace(0, RATE / 2, FFT // 2 + 1)
    filters = np.array([np.interp(bins, edges[b : b + 3], [0, 1, 0], left=0, right=0) for b in range(BANDS)])
    decibels = 10 * np.log10(power @ filters.T + FLOOR)
    features = 1 + 2 * decibels / 80  # the floor of 1e-8 lies at -80 dB

    np.savez_compressed(Path(__file__).parent / "frontend.npz", samples=samples, features=features.astype(np.float32))


if __name__ == "__main__":
    main()
