"""The core: samples in, detections out.

>>> import numpy as np
>>> from detector import Detector
>>> detector = Detector.load("yes-no")
>>> detector.feed(np.zeros(32000, dtype=np.int16))
[]
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Self

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from detector.core.decision import Decision, DecisionState
from detector.core.frontend import StreamingLogMel
from detector.core.manifest import DecisionSettings, WordDecision
from detector.core.model import Model, load_model
from detector.errors import SettingsError
from detector.samples import to_int16
from detector.types import Count, PositiveInt


class Detection(msgspec.Struct, frozen=True):
    """A keyword that was heard."""

    keyword: str
    score: float
    """Average score of the windows that decided, 0 to 1."""
    time_s: float
    """Seconds from the first sample of the stream to the end of the window in which the decision stood."""
    start_s: float
    """Estimated start of the word, in seconds from the first sample: when a window first held the whole word, less
    the word's usual length."""


class DetectorState(msgspec.Struct, frozen=True):
    """What a detector remembers between two samples, by value."""

    n_samples: Count
    n_windows: Count
    next_end: Count
    full_at: Count
    stride_factor: PositiveInt
    frames: bytes
    """float32, shape (n_frames, n_mels)."""
    rest: bytes
    """int16: what the front end keeps for its next frame."""
    decision: DecisionState


class Detector:
    """Hears keywords in a stream of audio: 16 kHz (the manifest's rate), mono. One thread only.

    Examples
    --------
    >>> import soundfile
    >>> detector = Detector.load("yes-no", thresholds={"no": 0.9})
    >>> samples, _ = soundfile.read("tests/recordings/demo.flac", dtype="int16")
    >>> for first in range(0, len(samples), 800):
    ...     for detection in detector.feed(samples[first : first + 800]):
    ...         print(detection.keyword, detection.time_s)
    """

    def __init__(
        self, model: Model, *, words: Sequence[str] | None = None, thresholds: Mapping[str, float] | None = None
    ) -> None:
        """Listen with a model.

        Parameters
        ----------
        model : Model
        words : sequence of str, optional
            The words to report; all of the model's by default.
        thresholds : mapping of str to float, optional
            Scores in (0, 1] from which on a word is reported, where they shall differ from the manifest's.

        Raises
        ------
        SettingsError
            If a word is not the model's, or a threshold is out of range.
        """
        manifest = model.manifest
        self.model = model
        self.stride_factor = 1
        """Windows are this many strides apart: more than one where a machine is too slow for the moment."""
        self.on_scores: Callable[[int, list[float]], None] | None = None
        """Called with each window's end, in samples, and its scores, in the order of the labels."""
        self._sample_rate_hz = manifest.frontend.sample_rate_hz
        self._frontend = StreamingLogMel(manifest.frontend)
        self._frames: NDArray[np.float32]
        self.words, self.decision_settings, self._decision = self._configure(words, thresholds)
        self.reset()

    @classmethod
    def load(
        cls, name_or_path: str, *, words: Sequence[str] | None = None, thresholds: Mapping[str, float] | None = None
    ) -> Self:
        """Load a model by name or path and listen with it; see `Detector` and `load_model`."""
        return cls(load_model(name_or_path), words=words, thresholds=thresholds)

    @property
    def n_samples(self) -> int:
        """Samples of the stream so far, skipped ones included."""
        return self._n_samples

    @property
    def n_windows(self) -> int:
        """Windows of the stream that were scored so far."""
        return self._n_windows

    @property
    def n_samples_to_next_window(self) -> int:
        """Samples that complete the next window; fewer bring no decision."""
        return self._next_end - self._n_samples

    def reconfigure(self, *, words: Sequence[str] | None = None, thresholds: Mapping[str, float] | None = None) -> None:
        """Listen for other words, or at other thresholds, from the next window on; as at the construction.

        The stream goes on: no sample is heard twice or lost, and a word reported just now is not reported again.

        Raises
        ------
        SettingsError
            As `Detector` does; nothing has changed then.
        """
        words, settings, decision = self._configure(words, thresholds)
        decision.restore(self._decision.snapshot())
        self.words, self.decision_settings, self._decision = words, settings, decision

    def _configure(
        self, words: Sequence[str] | None, thresholds: Mapping[str, float] | None
    ) -> tuple[tuple[str, ...], DecisionSettings, Decision]:
        manifest = self.model.manifest
        chosen = choose_words(manifest.words, words)
        settings = override_thresholds(manifest.decision, thresholds or {})
        return chosen, settings, Decision(settings, manifest.labels, chosen, sample_rate_hz=self._sample_rate_hz)

    def reset(self) -> None:
        """Begin a new stream: nothing was heard, the next sample is the first."""
        self._n_samples = 0
        self._n_windows = 0
        self._decision.reset()
        self._begin_segment()

    def snapshot(self) -> DetectorState:
        """Return all that is remembered: a detector of the same model and settings goes on from it to the bit."""
        return DetectorState(
            n_samples=self._n_samples,
            n_windows=self._n_windows,
            next_end=self._next_end,
            full_at=self._full_at,
            stride_factor=self.stride_factor,
            frames=self._frames.tobytes(),
            rest=self._frontend.rest.tobytes(),
            decision=self._decision.snapshot(),
        )

    def restore(self, state: DetectorState) -> None:
        """Go on from where another detector was.

        Raises
        ------
        SettingsError
            If it was of another model, listened for other words, or cannot have been.
        """
        if not self._can_be(state):
            raise SettingsError("expected the state of a detector of the same model and words, found another")
        self._n_samples, self._n_windows = state.n_samples, state.n_windows
        self._next_end, self._full_at = state.next_end, state.full_at
        self.stride_factor = state.stride_factor
        shape = (self.model.manifest.n_frames, self.model.manifest.frontend.n_mels)
        self._frames = np.frombuffer(state.frames, dtype=np.float32).reshape(shape).copy()
        self._frontend.restore(np.frombuffer(state.rest, dtype=np.int16))
        self._decision.restore(state.decision)

    def _can_be(self, state: DetectorState) -> bool:
        manifest = self.model.manifest
        return (
            len(state.frames) == self._frames.nbytes
            and bool(np.isfinite(np.frombuffer(state.frames, dtype=np.float32)).all())
            and len(state.rest) in range(0, 2 * manifest.frontend.frame_samples, 2)
            and state.next_end > state.n_samples
            and set(self.words) <= set(state.decision.words)
            and all(len(scores) == len(manifest.labels) for scores in state.decision.recent)
        )

    def skip(self, n_samples: int) -> None:
        """Account for samples that were lost: no window spans the gap, and the clock of samples goes on."""
        self._n_samples += n_samples
        self._decision.forget_windows()
        self._begin_segment()

    def feed(self, samples: ArrayLike) -> list[Detection]:
        """Take the next samples of the stream and return what was heard in them.

        Any split of a stream into calls gives the same detections.

        Parameters
        ----------
        samples : array of int16, or of floats in [-1, 1), shape (n_samples,)

        Raises
        ------
        ValueError
            If the array is not one-dimensional, or of another type.
        """
        pending = _check_samples(samples)
        detections = []
        while len(pending):
            taken, pending = pending[: self._next_end - self._n_samples], pending[self._next_end - self._n_samples :]
            self._n_samples += len(taken)
            self._append_frames(self._frontend.feed(taken))
            if self._n_samples == self._next_end:
                self._next_end += self.stride_factor * self.model.manifest.stride_samples
                detection = self._score_window()
                if detection is not None:
                    detections.append(detection)
        return detections

    def _begin_segment(self) -> None:
        """Begin after nothing: the window is filled with silence, and nothing is reported until it is full.

        The last windows before that are scored already, so that the average over windows is complete by then: a word
        in the first half second is heard too.
        """
        manifest = self.model.manifest
        self._full_at = self._n_samples + manifest.window_samples
        n_before = min(
            self.decision_settings.smoothing_windows - 1, (manifest.window_samples - 1) // manifest.stride_samples
        )
        self._next_end = self._full_at - n_before * manifest.stride_samples
        self._frontend.reset()
        self._frames = np.full((manifest.n_frames, manifest.frontend.n_mels), -1.0, dtype=np.float32)

    def _append_frames(self, frames: NDArray[np.float32]) -> None:
        n_new = len(frames)
        if n_new >= len(self._frames):
            self._frames[:] = frames[-len(self._frames) :]
        elif n_new:
            self._frames[:-n_new] = self._frames[n_new:]
            self._frames[-n_new:] = frames

    def _score_window(self) -> Detection | None:
        self._n_windows += 1
        scores = self.model.score(self._frames).tolist()
        if self.on_scores is not None:
            self.on_scores(self._n_samples, scores)
        decided = self._decision.decide(scores, self._n_samples, can_fire=self._n_samples >= self._full_at)
        if decided is None:
            return None
        rate_hz, window_samples = self._sample_rate_hz, self.model.manifest.window_samples
        word_samples = round(self.decision_settings.words[decided.word].duration_s * rate_hz)
        start = max(decided.first_sample - word_samples, self._n_samples - window_samples, 0)
        return Detection(decided.word, decided.score, self._n_samples / rate_hz, start / rate_hz)


def choose_words(of_model: Sequence[str], chosen: Sequence[str] | None) -> tuple[str, ...]:
    """Return the words to report, in the model's order.

    Raises
    ------
    SettingsError
        If a chosen word is not one of the model's, or none is chosen.
    """
    if chosen is None:
        return tuple(of_model)
    for word in chosen:
        if word not in of_model:
            raise SettingsError(f"expected words of the model ({', '.join(of_model)}), found '{word}'")
    if not chosen:
        raise SettingsError(f"expected at least one of the words {', '.join(of_model)}, found none")
    return tuple(word for word in of_model if word in chosen)


def override_thresholds(decision: DecisionSettings, thresholds: Mapping[str, float]) -> DecisionSettings:
    """Return decision settings with other thresholds; the re-arm level keeps its ratio to the threshold.

    Raises
    ------
    SettingsError
        If a word is unknown or a threshold is not in (0, 1].
    """
    words = dict(decision.words)
    for word, threshold in thresholds.items():
        if word not in words:
            raise SettingsError(f"expected a threshold for one of {', '.join(words)}, found one for '{word}'")
        if not 0.0 < threshold <= 1.0:
            raise SettingsError(f"expected a threshold for '{word}' above 0 and at most 1, found {threshold:g}")
        old = words[word]
        words[word] = WordDecision(
            threshold=threshold, rearm=threshold * old.rearm / old.threshold, duration_s=old.duration_s
        )
    return msgspec.structs.replace(decision, words=words)


def _check_samples(samples: ArrayLike) -> NDArray[np.int16]:
    array = np.asarray(samples)
    if array.ndim != 1:
        raise ValueError(f"expected samples of shape (n_samples,), found {array.shape}")
    if array.dtype == np.int16:
        return array
    if array.dtype.kind != "f":
        raise ValueError(f"expected int16 or float samples, found {array.dtype}")
    if not np.isfinite(array).all():
        raise ValueError("expected finite samples, found NaN or infinity")
    return to_int16(array)
