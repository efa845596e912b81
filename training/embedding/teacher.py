"""The teacher: Google's speech embedding, as the package pyopen-wakeword carries it.

"Training Keyword Spotters with Limited and Synthesized Speech Data" (Lin et al. 2020): 96 numbers every 80 ms, each of
775 ms of sound. Its convolutions are not padded in time, so that one call on a long sound gives the numbers of all
windows in it.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detector.core.native import native_messages_to_log
from detector.core.network import find_interpreter
from detector.errors import SettingsError

PACKAGE = "pyopen_wakeword"
INSTALL = "pip install 'pyopen-wakeword>=1.1,<2'"
N_OUTPUTS = 96
HOP_SAMPLES = 1280
"""Samples of 16 kHz from one embedding to the next."""
MEL_HOP_SAMPLES = 160
MEL_FRAMES = 76
MEL_FRAME_SAMPLES = 512
FRAME_END_SAMPLES = 456
"""Where a frame's window function ends: 400 samples in the middle of its 512."""
SPAN_SAMPLES = (MEL_FRAMES - 1) * MEL_HOP_SAMPLES + FRAME_END_SAMPLES
"""From the first sample that is given to the end of what the first embedding hears."""


class Teacher:
    """Embeds sounds. One thread only."""

    def __init__(self, folder: Path | None = None) -> None:
        """Load the two networks of a folder: melspectrogram.tflite and embedding_model.tflite.

        Raises
        ------
        SettingsError
            If they are not there.
        """
        folder = folder or find_teacher()
        interpreter_class, _ = find_interpreter()
        self._networks = []
        for name in ("melspectrogram", "embedding_model"):
            file = folder / f"{name}.tflite"
            if not file.is_file():
                raise SettingsError(f"expected {file.name} in {folder}, found none: {INSTALL}")
            with native_messages_to_log():
                self._networks.append(interpreter_class(model_path=str(file), num_threads=1))

    def embed(self, samples: NDArray[np.int16]) -> NDArray[np.float32]:
        """Return the embeddings of a sound, shape (n, 96): one every 80 ms.

        The k-th hears nothing after sample `SPAN_SAMPLES + k * HOP_SAMPLES`.
        """
        spectrogram, embedding = self._networks
        mel = _run(spectrogram, samples.astype(np.float32)[None]).reshape(-1, 32) / 10.0 + 2.0
        return _run(embedding, mel[None, :, :, None].astype(np.float32)).reshape(-1, N_OUTPUTS)


def _run(network: object, values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Run a network on values of a shape of their own."""
    put, get = network.get_input_details()[0], network.get_output_details()[0]  # type: ignore[attr-defined]
    if tuple(put["shape"]) != values.shape:
        network.resize_tensor_input(put["index"], values.shape)  # type: ignore[attr-defined]
        with native_messages_to_log():
            network.allocate_tensors()  # type: ignore[attr-defined]
    network.set_tensor(put["index"], values)  # type: ignore[attr-defined]
    network.invoke()  # type: ignore[attr-defined]
    result: NDArray[np.float32] = network.get_tensor(get["index"])  # type: ignore[attr-defined]
    return result


def find_teacher() -> Path:
    """Return the folder of the installed package's networks.

    Raises
    ------
    SettingsError
        If the package is not installed.
    """
    found = importlib.util.find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise SettingsError(f"expected the package pyopen-wakeword, which carries the teacher, found none: {INSTALL}")
    return Path(found.origin).parent / "models"
