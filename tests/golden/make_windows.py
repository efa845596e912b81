"""Makes windows.npz: features and labels of composed windows, under the number of the format.

PYTHONPATH=tests python tests/golden/make_windows.py
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from golden import made

from training.data.collection import Collection
from training.data.items import Item, Kind, Split
from training.run.settings import TrainSettings
from training.windows.features import WINDOWS_FORMAT, ShardMaker
from training.windows.settings import WindowSettings

NAME, WITHIN = "windows.npz", 1
N_WINDOWS, EVERY = 128, 7
"""One frame in seven is kept: enough to see that a window is another."""
WORDS = {
    "yes": [(3.1, 3.9), (8.0, 8.9), (13.3, 14.2)],
    "no": [(4.3, 5.3), (9.4, 10.3)],
    "welcome": [(0.9, 1.5)],
    "seven": [(5.8, 6.5), (6.0, 6.4)],
}
SPOKEN = {"no": [(14.8, 15.7)], "close": [(10.8, 11.5)], "tomorrow": [(16.0, 16.9)]}
SPEECH_S, NOISE_S = [(0.8, 3.0), (5.5, 7.9), (10.6, 13.2)], [(3.7, 4.4), (20.6, 21.2), (8.7, 9.5)]


def compose(folder: Path) -> dict[str, np.ndarray]:
    """Compose windows out of the demo, decoded into a folder: int8 features, shape (128, 7, 40), and labels."""
    settings = TrainSettings(
        data=("data",), synthetic=("synthetic",), words=("yes", "no"), seed=7, windows=WindowSettings(n_rooms=6)
    )
    items = []
    for name, words in (("data", WORDS), ("synthetic", SPOKEN)):
        for word, spans in words.items():
            items += [Item(made.DEMO, Kind.WORD, Split.TRAINING, word=word, span_s=span, folder=name) for span in spans]
    items += [Item(made.DEMO, Kind.SPEECH, Split.TRAINING, transcript="WELCOME", span_s=span) for span in SPEECH_S]
    items += [Item(made.DEMO, Kind.NOISE, Split.TRAINING, span_s=span) for span in NOISE_S]
    collection = Collection.open(items, cache=folder, sample_rate_hz=16000)
    features, labels = ShardMaker(settings, collection, Split.TRAINING).make(0, N_WINDOWS)
    return {"features": features[:, ::EVERY], "labels": labels}


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        made.write(NAME, compose(Path(folder)), number=WINDOWS_FORMAT, within=WITHIN)
