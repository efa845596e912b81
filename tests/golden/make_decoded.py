"""Makes decoded.npz: what recordings of several kinds are decoded to, under the number of the format.

PYTHONPATH=tests python tests/golden/make_decoded.py
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import soundfile
from golden import made

from training.data.decode import DECODED_FORMAT
from training.data.items import Item, Kind, Split
from training.data.store import WaveformStore

NAME, WITHIN = "decoded.npz", 1
"""Resamplers of other versions, and on other processors, round differently."""


def decode(folder: Path) -> dict[str, np.ndarray]:
    """Write recordings below a folder and decode them at 16 kHz, through a store: int16 each."""
    samples, _ = soundfile.read(made.DEMO, start=52000, frames=4000)
    stereo = np.stack([samples, 0.5 * samples[::-1]], axis=1)
    files = {
        "stereo.flac": (stereo, 16000, "PCM_16"),
        "loud.wav": (40.0 * samples, 16000, "FLOAT"),
        "fine.wav": (0.03 * samples, 16000, "PCM_24"),
        "fast.wav": (stereo, 48000, "PCM_16"),
        "slow.wav": (samples[:1500], 8000, "PCM_16"),
    }
    for name, (content, rate_hz, subtype) in files.items():
        soundfile.write(folder / name, content, rate_hz, subtype)
    items = [Item(path=str(folder / name), kind=Kind.WORD, split=Split.TRAINING) for name in files]
    items.append(Item(path=made.DEMO, kind=Kind.WORD, split=Split.TRAINING, span_s=(3.3, 3.4)))
    store = WaveformStore.build(items, folder=folder / "cache", sample_rate_hz=16000)
    return dict(zip((*files, "part"), store, strict=True))


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        made.write(NAME, decode(Path(folder)), number=DECODED_FORMAT, within=WITHIN)
