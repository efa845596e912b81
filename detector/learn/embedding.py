"""The shared embedding: streams in, what every window of them sounds like out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from detector.core.frontend import LogMel
from detector.core.level import LevelRule
from detector.core.manifest import Manifest
from detector.core.network import Network


class Embedder(Protocol):
    """What embeds streams of 16 kHz; window k of a stream ends at sample `first_end + k * stride`."""

    first_end: int
    stride: int
    tap_strides: int

    def embed(self, samples: NDArray[np.int16]) -> NDArray[np.float32]:
        """Return the embeddings of a stream's windows, shape (n_windows, n_outputs)."""


@dataclass
class NetworkEmbedder:
    """Embeds with a model's network, bit for bit as the scorer does. One thread only."""

    manifest: Manifest
    network: Network
    first_end: int
    stride: int
    tap_strides: int

    def embed(self, samples: NDArray[np.int16]) -> NDArray[np.float32]:
        """Return the embeddings of a stream's windows, shape (n_windows, n_outputs).

        Windows that begin before the stream are padded with silence.
        """
        frontend, n_frames = self.manifest.frontend, self.manifest.n_frames
        padding = np.full((n_frames, frontend.n_mels), -1.0, dtype=np.float32)
        frames = np.concatenate((padding, LogMel(frontend)(samples)))
        rule = None if self.manifest.level is None else LevelRule(self.manifest.level, frontend)
        levels = np.empty(0, dtype=np.float32) if rule is None else rule.levels(frames[n_frames:])
        embeddings = []
        for end in range(self.first_end, len(samples) + 1, self.stride):
            last = frontend.count_frames(end)
            window = frames[last : last + n_frames]
            if rule is not None:
                window = rule.raise_window(window, levels[max(0, last - rule.n_remembered) : last])
            embeddings.append(self.network.score(window))
        return np.array(embeddings, dtype=np.float32).reshape(-1, self.network.output_shape[-1])
