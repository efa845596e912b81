"""The one scorer: samples of a stream in, scores of its windows out.

A live stream, a recording, calibration, a benchmark and a replay all use it, so that they agree bit for bit.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from detector.core.frontend import StreamingLogMel
from detector.core.level import LevelRule
from detector.core.model import Model
from detector.core.readout import push
from detector.errors import SettingsError
from detector.events import Scored
from detector.types import Count, PositiveInt

FRAMES_AT_ONCE = 64
"""Frames computed in one call where many samples come at once: few enough to stay in a processor's cache."""
SILENCE_AFTER_S = 1.0
"""Silence that follows the end of a stream, so that a word that ends with it is scored in every position."""


class ScorerState(msgspec.Struct, frozen=True):
    """State of a scorer between two samples, by value."""

    n_samples: Count
    n_windows: Count
    next_end: Count
    full_at: Count
    stride_factor: PositiveInt
    frames: bytes
    """float32, shape (n_frames, n_mels)."""
    rest: bytes
    """int16: samples that the front end keeps for its next frames."""
    levels: bytes = b""
    """float32, shape (n,): of the latest frames since the segment began; none where the model has no level rule."""
    outputs: bytes = b""
    """int8, shape (n_strides, n_outputs): of the network in the latest strides; none where only the next ones count."""


class Scorer:
    """Scores every window of a stream: 16 kHz (the manifest's rate), mono. One thread only.

    A window is scored every `stride_factor` strides. The first windows end before there are samples for a whole window,
    and are padded with silence: as many as the decision averages over and the model looks back, so that its average is
    complete at the first whole window. Before them was silence.
    """

    def __init__(self, model: Model) -> None:
        manifest = model.manifest
        self.model = model
        self.stride_factor = 1
        """Strides from one window to the next: more than one while the machine is too slow."""
        self._frontend = StreamingLogMel(manifest.frontend)
        self._window_samples, self._stride_samples = manifest.window_samples, manifest.stride_samples
        self._rate_hz, self._n_frames = manifest.frontend.sample_rate_hz, manifest.n_frames
        self._block_samples = FRAMES_AT_ONCE * manifest.frontend.hop_samples
        n_before = manifest.decision.longest_smoothing - 1 + model.readout.n_strides - 1
        self._n_partial = min(n_before, (manifest.window_samples - 1) // manifest.stride_samples)
        self._level = None if manifest.level is None else LevelRule(manifest.level, manifest.frontend)
        self._n_remembered = 0 if self._level is None else self._level.n_remembered
        self._frames: NDArray[np.float32]
        self._levels: NDArray[np.float32]
        self._outputs: NDArray[np.int8]
        self.reset()

    @property
    def n_samples(self) -> int:
        """Samples of the stream so far, skipped ones included."""
        return self._n_samples

    @property
    def n_windows(self) -> int:
        """Windows of the stream that were scored so far."""
        return self._n_windows

    @property
    def next_end(self) -> int:
        """Where the next window ends, in samples of the stream."""
        return self._next_end

    @property
    def full_at(self) -> int:
        """End of the first window that is not padded: it holds only samples since the start, or the last gap."""
        return self._full_at

    def reset(self) -> None:
        """Begin a new stream: the next sample is the first."""
        self._n_samples = self._n_windows = 0
        self._begin_segment()

    def skip(self, n_samples: int) -> None:
        """Account for lost samples, 0 where their number is unknown: no window spans the gap."""
        self._n_samples += n_samples
        self._begin_segment()

    def feed(self, samples: NDArray[np.int16]) -> list[Scored]:
        """Take the next samples, shape (n_samples,), and return the scores of the windows they complete.

        Any split of a stream into calls gives the same scores.
        """
        if len(samples) <= self._block_samples:
            return self._feed_block(samples)
        blocks = range(0, len(samples), self._block_samples)
        return [scored for first in blocks for scored in self._feed_block(samples[first : first + self._block_samples])]

    def finish(self) -> list[Scored]:
        """Return the scores of the windows that reach into the silence after the stream's last sample."""
        return self.feed(self.silence_after())

    def silence_after(self) -> NDArray[np.int16]:
        """Return what follows the last sample: a second of silence; nothing if there was no sample."""
        return np.zeros(round(SILENCE_AFTER_S * self._rate_hz) if self._n_samples else 0, dtype=np.int16)

    def snapshot(self) -> ScorerState:
        """Return the state; a scorer of the same model continues from it bit for bit."""
        return ScorerState(
            n_samples=self._n_samples,
            n_windows=self._n_windows,
            next_end=self._next_end,
            full_at=self._full_at,
            stride_factor=self.stride_factor,
            frames=self._frames.tobytes(),
            rest=self._frontend.rest.tobytes(),
            levels=self._levels.tobytes(),
            outputs=self._outputs.tobytes(),
        )

    def restore(self, state: ScorerState) -> None:
        """Continue from the state of another scorer.

        Raises
        ------
        SettingsError
            If the state is of another model, or is not valid.
        """
        if not self._is_valid(state):
            raise SettingsError("expected the state of a scorer of the same model, found another")
        self._n_samples, self._n_windows = state.n_samples, state.n_windows
        self._next_end, self._full_at = state.next_end, state.full_at
        self.stride_factor = state.stride_factor
        self._frames = np.frombuffer(state.frames, dtype=np.float32).reshape(self._frames.shape).copy()
        self._levels = np.frombuffer(state.levels, dtype=np.float32).copy()
        self._outputs = np.frombuffer(state.outputs, dtype=np.int8).reshape(self._outputs.shape).copy()
        self._frontend.restore(np.frombuffer(state.rest, dtype=np.int16))

    def _is_valid(self, state: ScorerState) -> bool:
        frame_samples = self.model.manifest.frontend.frame_samples
        return (
            len(state.frames) == self._frames.nbytes
            and bool(np.isfinite(np.frombuffer(state.frames, dtype=np.float32)).all())
            and len(state.rest) in range(0, 2 * frame_samples, 2)
            and len(state.levels) in range(0, 4 * self._n_remembered + 1, 4)
            and bool(np.isfinite(np.frombuffer(state.levels, dtype=np.float32)).all())
            and len(state.outputs) == self._outputs.nbytes
            and state.next_end > state.n_samples
        )

    def _begin_segment(self) -> None:
        """Begin a segment: silence precedes the next sample."""
        self._full_at = self._n_samples + self._window_samples
        self._next_end = self._full_at - self._n_partial * self._stride_samples
        self._frontend.reset()
        self._frames = np.full((self._n_frames, self.model.manifest.frontend.n_mels), -1.0, dtype=np.float32)
        self._levels = np.empty(0, dtype=np.float32)
        readout = self.model.readout
        self._outputs = readout.silence() if readout.n_strides > 1 else np.empty((0, 0), dtype=np.int8)

    def _feed_block(self, samples: NDArray[np.int16]) -> list[Scored]:
        """Compute the frames that some samples complete in one call, then score the windows that end within them."""
        end = self._n_samples + len(samples)
        new = self._frontend.feed(samples)
        frames = np.concatenate((self._frames, new)) if len(new) else self._frames
        if self._level is not None and len(new):
            self._levels = np.concatenate((self._levels, self._level.levels(new)))
        scored = self._score_until(end, frames) if self._next_end <= end else []
        self._n_windows += len(scored)
        self._n_samples = end
        if len(new):
            self._frames = frames[-self._n_frames :]
            self._levels = self._levels[-self._n_remembered :] if self._n_remembered else self._levels
        return scored

    def _score_until(self, end: int, frames: NDArray[np.float32]) -> list[Scored]:
        """Score the windows that end at or before sample `end`; `frames`, shape (n, n_mels), are the latest by then."""
        count_frames, begin = self.model.manifest.frontend.count_frames, self._full_at - self._window_samples
        n_after_start = count_frames(end - begin) - len(frames)
        scored = []
        while self._next_end <= end:
            last = count_frames(self._next_end - begin) - n_after_start
            window = frames[last - self._n_frames : last]
            if self._level is not None:
                window = self._level.raise_window(window, self._levels[: len(self._levels) - (len(frames) - last)])
            scores = self._score_next(window) if len(self._outputs) else self.model.score(window)
            scored.append(Scored(self._next_end, scores.tolist()))
            self._next_end += self.stride_factor * self._stride_samples
        return scored

    def _score_next(self, window: NDArray[np.float32]) -> NDArray[np.float32]:
        """Score a window of a model that looks back; in strides that are left out after it, it is seen again."""
        outputs = self.model.readout.run(window)
        self._outputs = push(self._outputs, outputs)
        scores = self.model.readout.read(self._outputs)
        if self.stride_factor > 1:
            self._outputs = push(self._outputs, outputs, self.stride_factor - 1)
        return scores
