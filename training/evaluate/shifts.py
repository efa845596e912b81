"""How much a word's score depends on where the windows happen to fall: its spread over shifts by single samples."""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from detector.core.frontend import LogMel
from detector.core.model import Model
from detector.errors import SettingsError
from training.data.collection import Collection
from training.data.decode import find_word
from training.data.items import Split
from training.evaluate.streams import SELF_NOISE
from training.progress import progress
from training.windows.features import compute_features


class Spread(msgspec.Struct, frozen=True):
    """The difference of a word's highest and lowest score over the shifts, over many clips."""

    median: float
    p90: float
    n_clips: int
    n_offsets: int

    def lines(self) -> list[str]:
        """Return the spread for people to read."""
        shown = f"median {self.median:.3f}, 90 % within {self.p90:.3f} ({self.n_clips} clips)"
        return [f"score spread of a clip over {self.n_offsets} sample offsets: {shown}"]


def measure_spread(
    model: Model,
    collection: Collection,
    *,
    split: Split,
    n_offsets: int,
    n_clips_per_word: int,
    seed: int,
) -> Spread:
    """Score keyword clips in windows that begin one sample later each time, the word in the middle.

    Raises
    ------
    SettingsError
        If the split has no clips of the keywords, or there are more offsets than samples in a window.
    """
    manifest = model.manifest
    if n_offsets > manifest.window_samples:
        raise SettingsError(f"expected at most {manifest.window_samples} offsets, a window, found {n_offsets}")
    rng = np.random.default_rng(seed)
    log_mel = LogMel(manifest.frontend)
    chosen: list[tuple[int, str]] = []
    clips = collection.words(split)
    for word in manifest.words:
        chosen += [(int(k), word) for k in rng.permutation(clips.get(word, []))[:n_clips_per_word]]
    if not chosen:
        raise SettingsError(f"expected clips of {', '.join(manifest.words)} in the {split} split, found none")
    spreads = []
    for position, word in progress(chosen, "shifting", unit="clip"):
        stream, start = _surround(collection[position], manifest.window_samples, manifest.frontend.sample_rate_hz, rng)
        first = start - n_offsets // 2
        windows = np.lib.stride_tricks.sliding_window_view(stream, manifest.window_samples)[first : first + n_offsets]
        label = manifest.labels.index(word)
        seen = compute_features(log_mel, windows, manifest.level)
        scores = [float(model.score(features)[label]) for features in seen]
        spreads.append(max(scores) - min(scores))
    return Spread(
        median=float(np.median(spreads)),
        p90=float(np.quantile(spreads, 0.9)),
        n_clips=len(spreads),
        n_offsets=n_offsets,
    )


def _surround(
    samples: NDArray[np.int16], window_samples: int, sample_rate_hz: int, rng: np.random.Generator
) -> tuple[NDArray[np.int16], int]:
    """Return a clip with faint noise around it, and where a window begins that has the word in its middle."""
    first, last = find_word(samples, sample_rate_hz)
    quiet = rng.standard_normal(len(samples) + 2 * window_samples) * SELF_NOISE
    stream = np.rint(quiet).astype(np.int16)
    stream[window_samples : window_samples + len(samples)] = samples
    return stream, window_samples + (first + last - window_samples) // 2
