"""Takes of words: spoken by espeak-ng, or made up where any sound will do, in a room that is never quite silent."""

from __future__ import annotations

import io
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile

from detector.audio.resample import resample
from detector.samples import to_int16

RATE_HZ = 16000
ROOM_DBFS = -65.0
VOICES = ("en-us", "en-gb", "en-us+f3", "en-us+m3", "en-gb-scotland")

needs_espeak = pytest.mark.skipif(
    shutil.which("espeak-ng") is None, reason="needs espeak-ng: apt-get install espeak-ng"
)


def say(text: str, *, voice: str = "en-us", words_per_minute: int = 150, peak: float = 0.3) -> np.ndarray:
    """Return a word of espeak-ng without the silence around it: from the first to the last 10 ms above -40 dB."""
    command = ["espeak-ng", "-v", voice, "-s", str(words_per_minute), "--stdout", text]
    wav = subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=60).stdout
    said, rate_hz = soundfile.read(io.BytesIO(wav), dtype="float32")
    sound = resample(said, rate_hz, RATE_HZ)
    steps = (sound[: len(sound) // 160 * 160].reshape(-1, 160) ** 2).mean(axis=1)
    loud = np.flatnonzero(steps > 1e-4 * steps.max())
    return peak * sound[loud[0] * 160 : (loud[-1] + 1) * 160] / np.abs(sound).max()


def buzz(pitch_hz: float = 120.0, *, length_s: float = 0.6, formant_hz: float = 700.0, peak: float = 0.3) -> np.ndarray:
    """Return a made-up word of two syllables, float: harmonics of a voice around a formant that glides."""
    time_s = np.arange(round(length_s * RATE_HZ)) / RATE_HZ
    glide_hz = formant_hz * (1.0 + time_s / length_s)
    sound = np.zeros(len(time_s))
    for harmonic in range(1, int(6000 / pitch_hz)):
        weight = np.exp(-np.abs(harmonic * pitch_hz - glide_hz) / 900.0)
        sound += weight * np.sin(2 * np.pi * harmonic * pitch_hz * time_s)
    sound *= np.abs(np.sin(2 * np.pi * time_s / length_s)) ** 0.3
    return peak * sound / np.abs(sound).max()


def record(
    *words: np.ndarray, before_s: float = 1.0, pause_s: float = 0.7, after_s: float = 1.0, room_dbfs: float = ROOM_DBFS
) -> np.ndarray:
    """Return words in a room of white noise, int16, one after the other."""
    parts = [np.zeros(round(before_s * RATE_HZ))]
    for k, word in enumerate(words):
        parts += [np.zeros(round(pause_s * RATE_HZ))] * (k > 0) + [word]
    clean = np.concatenate([*parts, np.zeros(round(after_s * RATE_HZ))])
    noise = np.random.default_rng(len(clean)).standard_normal(len(clean))
    return to_int16(clean + noise * 10 ** (room_dbfs / 20))


def write_takes(folder: Path, text: str, n_takes: int = 5, **room: float) -> list[Path]:
    """Write takes of a word, each by another voice or at another pace, as "take-1.wav" and so on; return the files."""
    files = []
    for k in range(n_takes):
        word = say(text, voice=VOICES[k % len(VOICES)], words_per_minute=130 + 10 * (k // len(VOICES)))
        files.append(folder / f"take-{k + 1}.wav")
        soundfile.write(files[-1], record(word, **room), RATE_HZ)
    return files
