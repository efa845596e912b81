"""What learning needs that ships: the embedding, the bank, and speech to put words into."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detector.audio.recordings import Recording
from detector.core.folders import SHIPPED_FOLDERS
from detector.core.manifest import Manifest
from detector.core.model import Model, load_model
from detector.errors import ModelNotFoundError
from detector.files import read_file
from detector.learn.bank import Bank, read_bank
from detector.learn.embedding import Embedding
from detector.learn.examples import RATE_HZ

FOLDER, EMBEDDING, BANK_FILE, SPEECH_FILE = "learn", "embedding", "bank.npz", "speech.ogg"
MOST_BYTES = 2**24


@dataclass(frozen=True, eq=False)
class Resources:
    """Opened once, for as many words as are learnt. One thread only."""

    model: Model
    """The embedding, as a pair whose head knows no word yet."""
    flatbuffer: bytes
    embedding: Embedding
    bank: Bank
    speech: NDArray[np.int16]
    """Running speech, 16 kHz: sentences that synthesisers read."""

    @property
    def manifest(self) -> Manifest:
        """The manifest that a learnt word's begins as."""
        return self.model.manifest


def open_resources(folder: Path | None = None) -> Resources:
    """Open and verify them.

    Raises
    ------
    ModelError
        If they are not there, damaged, or do not belong together.
    """
    folder = folder or find_folder()
    model = load_model(str(folder / f"{EMBEDDING}.json"))
    flatbuffer = read_file(folder / f"{EMBEDDING}.tflite", MOST_BYTES)
    bank = read_bank(folder / BANK_FILE, n_outputs=model.network.n_outputs, sha256=model.manifest.sha256)
    with Recording(folder / SPEECH_FILE, sample_rate_hz=RATE_HZ, block_s=1.0) as source:
        blocks = []
        while (block := source.read()) is not None:
            blocks.append(block.samples)
    return Resources(model, flatbuffer, Embedding(model), bank, np.concatenate(blocks))


def find_folder() -> Path:
    """Return the folder that ships with the detector.

    Raises
    ------
    ModelNotFoundError
        If it is not there.
    """
    for models in SHIPPED_FOLDERS:
        if (models / FOLDER / f"{EMBEDDING}.json").is_file():
            return models / FOLDER
    raise ModelNotFoundError(
        f"expected the embedding that words are learnt on in models/{FOLDER}, found none: install the detector anew"
    )
