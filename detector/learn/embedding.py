"""The shared embedding: streams in, what every window of them sounds like out."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from detector.core.model import Model
from detector.core.readout import Part, Readout
from detector.core.scorer import Scorer


class Embedder(Protocol):
    """What embeds streams of 16 kHz; window k of a stream ends at sample `first_end + k * stride`."""

    first_end: int
    stride: int
    tap_strides: int
    silence: NDArray[np.float32]
    """The embedding of silence, shape (n_outputs,)."""

    def embed(self, samples: NDArray[np.int16]) -> NDArray[np.float32]:
        """Return the embeddings of a stream's windows, shape (n_windows, n_outputs)."""


class Embedding:
    """Embeds streams as the scorer of a learnt word does, bit for bit: it is one. One thread only."""

    def __init__(self, model: Model) -> None:
        """Take a model with a head on the embedding's network."""
        manifest, network = model.manifest, model.network
        if manifest.head is None:
            raise ValueError(f"expected a model with a head, found '{manifest.name}' without")
        self._network = network
        self._readout = _Recorder(model.parts)
        self._scorer = Scorer(Model.of_parts(manifest, model.parts, size_bytes=model.size_bytes, readout=self._readout))
        self.stride = manifest.stride_samples
        self.tap_strides = manifest.head.taps[1]
        self.first_end = self._scorer.next_end
        self.silence = network.dequantize(self._readout.silence()[0])

    def embed(self, samples: NDArray[np.int16]) -> NDArray[np.float32]:
        """Return the embeddings of a stream's windows, shape (n_windows, n_outputs)."""
        return self._network.dequantize(self.outputs(samples))

    def outputs(self, samples: NDArray[np.int16]) -> NDArray[np.int8]:
        """Return them as the network gives them, int8."""
        self._scorer.reset()
        self._readout.recorded = []
        self._scorer.feed(samples)
        return np.array(self._readout.recorded, dtype=np.int8).reshape(-1, self._network.n_outputs)


class _Recorder(Readout):
    """A readout that keeps what the network gives of each window."""

    def __init__(self, parts: tuple[Part, ...]) -> None:
        self.recorded: list[NDArray[np.int8]] = []
        super().__init__(parts)

    def run(self, features: NDArray[np.float32]) -> NDArray[np.int8]:
        """Run the network and keep its outputs, shape (n_outputs,)."""
        self.recorded.append(super().run(features))
        return self.recorded[-1]
