"""From features to scores, through the networks of a model's parts: each network once, whoever needs it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detector.core.head import Head, HeadSettings, Units
from detector.core.manifest import Manifest
from detector.core.network import Network
from detector.errors import ModelMismatchError


class Part(NamedTuple):
    """A pair of files: what a model is made of, or one of several that listen as one."""

    manifest: Manifest
    network: Network


class Readout:
    """The scores of all labels of some parts, one part's after the other's. One thread only.

    Parts with the same network, by its checksum, share it. Scores follow from the networks' outputs in the latest
    `n_strides` strides, which whoever scores a stream keeps, and begins with `silence`: shape (n_strides, n_outputs),
    the latest last, one network's columns after the other's.
    """

    def __init__(self, parts: Iterable[Part]) -> None:
        """Take verified parts.

        Raises
        ------
        ModelMismatchError
            If a head does not fit its network.
        """
        shared: dict[str, Network] = {}
        self.parts = tuple(
            part._replace(network=shared.setdefault(part.manifest.sha256.lower(), part.network)) for part in parts
        )
        self._networks = tuple(shared.values())
        ends = np.cumsum([network.n_outputs for network in self._networks]).tolist()
        self.columns = {
            checksum: slice(end - network.n_outputs, end)
            for (checksum, network), end in zip(shared.items(), ends, strict=True)
        }
        """Where in the outputs those of each network are, by its checksum."""
        self.n_outputs = sum(network.n_outputs for network in self._networks)
        self._plain: list[tuple[slice, slice, Network]] = []
        heads: dict[tuple[str, tuple[int, ...]], dict[int, tuple[Units, Units]]] = {}
        self._n_labels = 0
        self.n_strides = 1
        """Strides whose outputs the scores follow from."""
        for manifest, network in self.parts:
            checksum = manifest.sha256.lower()
            first, self._n_labels = self._n_labels, self._n_labels + len(manifest.labels)
            if manifest.head is None:
                self._plain.append((slice(first, self._n_labels), self.columns[checksum], network))
                continue
            _check_head(manifest.head, manifest.name, network)
            self.n_strides = max(self.n_strides, manifest.head.n_strides)
            words = heads.setdefault((checksum, manifest.head.taps), {})
            of_word, of_voice = manifest.head.words, manifest.head.voices
            words |= {first + k: (of_word[word], of_voice.get(word, ())) for k, word in enumerate(manifest.labels)}
        self._heads = [
            (
                list(words),
                self.columns[checksum],
                Head(
                    taps,
                    [units for units, _ in words.values()],
                    [voices for _, voices in words.values()],
                    scale=shared[checksum].output_scale,
                    zero_point=shared[checksum].output_zero,
                ),
            )
            for (checksum, taps), words in heads.items()
        ]
        self._only = self._networks[0] if len(self.parts) == 1 and not heads else None
        self._silence: NDArray[np.int8] | None = None

    def silence(self) -> NDArray[np.int8]:
        """Return the outputs of strides of silence, shape (n_strides, n_outputs)."""
        if self._silence is None:
            manifest = self.parts[0].manifest
            features = np.full((manifest.n_frames, manifest.frontend.n_mels), -1.0, dtype=np.float32)
            self._silence = np.tile(self.run(features), (self.n_strides, 1))
        return self._silence

    def run(self, features: NDArray[np.float32]) -> NDArray[np.int8]:
        """Return the outputs of all networks, shape (n_outputs,), for one window, shape (n_frames, n_mels)."""
        if len(self._networks) == 1:
            return self._networks[0].run(features)
        return np.concatenate([network.run(features) for network in self._networks])

    def read(self, outputs: NDArray[np.int8]) -> NDArray[np.float32]:
        """Return the scores in [0, 1], shape (n_labels,), for outputs of shape (n_strides, n_outputs)."""
        scores = np.empty(self._n_labels, dtype=np.float32)
        for labels, columns, network in self._plain:
            scores[labels] = network.dequantize(outputs[-1, columns])
        for places, columns, head in self._heads:
            scores[places] = head.score(outputs[:, columns])
        return scores

    def score(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the scores, shape (n_labels,), for one window that silence precedes, shape (n_frames, n_mels)."""
        if self._only is not None:
            return self._only.score(features)
        return self.read(push(self.silence(), self.run(features)))


def push(outputs: NDArray[np.int8], latest: NDArray[np.int8], n_strides: int = 1) -> NDArray[np.int8]:
    """Return outputs, shape (n, n_outputs), with `latest` as those of the last strides, in place of the first."""
    n_strides = min(n_strides, len(outputs))
    return np.concatenate((outputs[n_strides:], *[latest[np.newaxis]] * n_strides))


def _check_head(head: HeadSettings, name: str, network: Network) -> None:
    expected = len(head.taps) * network.n_outputs
    for word, units in (*head.words.items(), *head.voices.items()):
        for unit in units:
            if len(unit.weights) != expected:
                raise ModelMismatchError(
                    f"expected {expected} weights for '{word}' of {name}, {len(head.taps)} taps of a network with "
                    f"{network.n_outputs} outputs, found {len(unit.weights)}"
                )
