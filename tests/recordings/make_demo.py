"""Makes demo.flac and its truth, demo.json: synthetic voices say yes, no and other words, with noise between.

Needs espeak-ng, a free speech synthesiser: `apt-get install espeak-ng`. Run from the root of the checkout:

    python tests/recordings/make_demo.py
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import soundfile
import soxr

RATE_HZ = 16000
FOLDER = Path(__file__).parent
LINES = [  # (voice, words a minute, pitch, word or text, how it is spelled to the voice, gain)
    ("en-us", 150, 50, "welcome to the kitchen", "", 0.8),
    ("en-us+Jacky", 170, 65, "yes", "[[j'Ess]]", 1.0),
    ("en-us+klatt3", 130, 50, "no", "no", 0.9),
    ("en-us+f3", 160, 50, "seven lemons and a cabbage", "", 0.8),
    ("en-gb-scotland+klatt4", 110, 75, "yes", "[[j'Ess]]", 0.9),
    ("en-us+m7", 130, 50, "no", "no", 1.0),
    ("en-us+m2", 160, 50, "close the window please", "", 0.7),
    ("en-gb-scotland+Jacky", 160, 60, "yes", "[[j'Ess]]", 0.8),
    ("en-us+m8", 130, 50, "no", "no", 1.0),
    ("en-gb-x-rp", 150, 50, "tomorrow it may rain", "", 0.9),
    ("en-us-nyc+Jacky", 150, 65, "yes", "[[j'Ess]]", 1.0),
    ("en-gb-x-rp", 130, 50, "no", "no", 1.0),
]
"""Keywords are lines of their own. Their voices were searched for: every shipped model hears them at its default
thresholds, which lie near what a synthetic voice can score. So the demo shows that the pipeline works, not how good a
model is: docs/evaluation.md has that, from people's voices."""


def say(voice: str, words_per_minute: int, pitch: int, text: str) -> np.ndarray:
    """Return a synthetic voice's words, shape (n,), without the silence around them."""
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        command = ["espeak-ng", "-v", voice, "-s", str(words_per_minute), "-p", str(pitch), "-w", file.name, text]
        subprocess.run(command, check=True, timeout=60)
        samples, rate_hz = soundfile.read(file.name)
    samples = soxr.resample(samples, rate_hz, RATE_HZ)
    loud = np.flatnonzero(np.abs(samples) > 0.01)
    return samples[loud[0] : loud[-1] + 1]


def main() -> None:
    """Write the recording and its truth."""
    rng = np.random.default_rng(0)
    pieces, words, position = [np.zeros(RATE_HZ)], [], RATE_HZ
    for voice, words_per_minute, pitch, text, spelling, gain in LINES:
        sound = 0.5 * gain * say(voice, words_per_minute, pitch, spelling or text)
        if text in ("yes", "no"):
            words.append({"word": text, "start_s": position / RATE_HZ, "end_s": (position + len(sound)) / RATE_HZ})
        pause = np.zeros(round(rng.uniform(0.7, 1.1) * RATE_HZ))
        pieces += [sound, pause]
        position += len(sound) + len(pause)
    stream = np.concatenate(pieces)
    # A room: noise falling by 3 dB an octave, 15 dB louder in the second half, as if a fan came on.
    spectrum = np.fft.rfft(rng.standard_normal(len(stream)))
    noise = np.fft.irfft(spectrum / np.sqrt(np.maximum(np.arange(len(spectrum)), 1.0)), len(stream))
    level_db = np.interp(np.arange(len(stream)) / len(stream), [0.0, 0.45, 0.5, 1.0], [-60.0, -60.0, -45.0, -45.0])
    stream += noise / noise.std() * 10.0 ** (level_db / 20.0)
    soundfile.write(FOLDER / "demo.flac", stream, RATE_HZ, subtype="PCM_16")
    truth = {"words": words, "hours": len(stream) / RATE_HZ / 3600.0}
    (FOLDER / "demo.json").write_text(json.dumps(truth, indent=1) + "\n")


if __name__ == "__main__":
    main()
