"""The core: samples in, detections out.

>>> import numpy as np
>>> from detector import Detector
>>> detector = Detector.load("yes-no")
>>> detector.feed(np.zeros(32000, dtype=np.int16))
[]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from detector.core.decision import Decision, DecisionState
from detector.core.exchange import exchange
from detector.core.manifest import DecisionSettings
from detector.core.model import Model, load_model
from detector.core.operating import pick_of_model
from detector.core.scorer import Scorer, ScorerState
from detector.errors import SettingsError
from detector.events import Detection, Scored
from detector.samples import check_samples
from detector.types import is_number

Words = Sequence[str] | str | None
Thresholds = Mapping[str, float] | float | None


class DetectorState(ScorerState, frozen=True, kw_only=True):
    """State of a detector between two samples, by value."""

    decision: DecisionState


class Detector:
    """Detects keywords in a stream of audio: 16 kHz (the manifest's rate), mono. One thread only.

    Examples
    --------
    >>> import soundfile
    >>> detector = Detector.load("yes-no", thresholds={"no": 0.9})
    >>> samples, _ = soundfile.read("tests/recordings/demo.flac", dtype="int16")
    >>> for first in range(0, len(samples), 800):
    ...     for detection in detector.feed(samples[first : first + 800]):
    ...         print(detection.keyword, detection.time_s)
    >>> for detection in detector.finish():
    ...     print(detection.keyword, detection.time_s)
    """

    def __init__(self, model: Model, *, words: Words = None, thresholds: Thresholds = None) -> None:
        """Detect with a model.

        Parameters
        ----------
        model : Model
        words : sequence of str, or str, optional
            The words to report, `["yes", "no"]` or `"yes,no"`; all of the model's by default.
        thresholds : mapping of str to float, or float, optional
            Scores in (0, 1] at or above which a word is reported, where they are to differ from the manifest's: by
            word, or one for all.

        Raises
        ------
        SettingsError
            If a word is not one of the model's, or a threshold is out of range.
        """
        self.model = model
        self._scorer = Scorer(model)
        self.n_whole_windows = 0
        """Windows so far that may report a word: those that end a window's length or more after the start, or a gap."""
        self.words, self.decision_settings, self._decision = _configure(model, words, thresholds)

    @classmethod
    def load(
        cls,
        name_or_path: str | Sequence[str],
        *,
        words: Words = None,
        thresholds: Thresholds = None,
        false_accepts_per_hour: float | None = None,
    ) -> Self:
        """Load a model by name or path, or several, and detect with it; see `Detector` and `load_model`.

        `false_accepts_per_hour`, above 0, picks the thresholds from the model's operating curve instead of giving them.

        Raises
        ------
        DetectorError
            If there is no such model, or it does not fit what is asked for.
        """
        model = load_model(name_or_path)
        if false_accepts_per_hour is not None:
            if thresholds is not None:
                raise SettingsError("expected either thresholds or false_accepts_per_hour, found both")
            chosen = choose_words(model.manifest.words, words)
            points = pick_of_model(model.manifest, chosen, false_accepts_per_hour)
            thresholds = {word: point.threshold for word, point in points.items()}
        return cls(model, words=words, thresholds=thresholds)

    @property
    def n_samples(self) -> int:
        """Samples of the stream so far, skipped ones included."""
        return self._scorer.n_samples

    @property
    def n_windows(self) -> int:
        """Windows of the stream that were scored so far."""
        return self._scorer.n_windows

    @property
    def n_samples_to_next_window(self) -> int:
        """Samples that complete the next window; fewer lead to no decision."""
        return self._scorer.next_end - self._scorer.n_samples

    @property
    def stride_factor(self) -> int:
        """Strides from one window to the next: more than one while the machine is too slow."""
        return self._scorer.stride_factor

    @stride_factor.setter
    def stride_factor(self, factor: int) -> None:
        self._scorer.stride_factor = factor

    @property
    def thresholds(self) -> dict[str, float]:
        """The score at or above which each word is reported."""
        return {word: self.decision_settings.words[word].threshold for word in self.words}

    def feed(self, samples: ArrayLike) -> list[Detection]:
        """Take the next samples of the stream and return what was detected in them.

        Any split of a stream into calls gives the same detections.

        Parameters
        ----------
        samples : array of int16, or of floats in [-1, 1), shape (n_samples,)

        Raises
        ------
        ValueError
            If the array is not one-dimensional, of another type, or its floats are not finite or of other units: far
            above 1, or whole numbers above 1.
        """
        return [event for event in self.events(samples) if isinstance(event, Detection)]

    def finish(self) -> list[Detection]:
        """Return what is detected at the end of the stream, such as a word that ends with its last sample.

        The detector is fed a second of silence. `reset` begins another stream.
        """
        return self.feed(self.silence_after())

    def events(self, samples: ArrayLike) -> list[Scored | Detection]:
        """Take samples as `feed` does, and return the scores of each window too; a detection follows its window."""
        events: list[Scored | Detection] = []
        for scored in self._scorer.feed(check_samples(samples)):
            events.append(scored)
            self.n_whole_windows += scored.end_sample >= self._scorer.full_at
            detection = self._decision.decide(scored)
            if detection is not None:
                events.append(detection)
        return events

    def silence_after(self) -> NDArray[np.int16]:
        """Return what `finish` feeds, shape (n_samples,): a second of silence; nothing if there was no sample."""
        return self._scorer.silence_after()

    def skip(self, n_samples: int) -> None:
        """Account for lost samples: they are counted as part of the stream, and no window spans the gap."""
        self._scorer.skip(n_samples)
        self._decision.forget_windows(self._scorer.full_at)

    def reset(self) -> None:
        """Begin a new stream: the next sample is the first."""
        self._scorer.reset()
        self.n_whole_windows = 0
        self._decision.reset()

    def reconfigure(self, model: Model | None = None, *, words: Words = None, thresholds: Thresholds = None) -> None:
        """Detect other words, by other thresholds or with another model, from the next window on.

        Parameters are those of the constructor; without a model it stays. The stream continues: no sample is used twice
        or lost, and a word reported just now is not reported again.

        Raises
        ------
        SettingsError
            As the constructor does; nothing changes then.
        ModelMismatchError
            If another model has another spectrogram, window, stride or level rule; nothing changes then.
        """
        model, scorer, decided = model or self.model, self._scorer, self._decision.snapshot()
        words, settings, decision = _configure(model, words, thresholds)
        if model is not self.model:
            scorer, decided = exchange(scorer, decided, model)
        decision.restore(decided, scorer.full_at)
        self.model, self._scorer = model, scorer
        self.words, self.decision_settings, self._decision = words, settings, decision

    def snapshot(self) -> DetectorState:
        """Return the state; a detector of the same model and settings continues from it bit for bit."""
        return DetectorState(
            **msgspec.structs.asdict(self._scorer.snapshot()),
            decision=self._decision.snapshot(),
        )

    def restore(self, state: DetectorState) -> None:
        """Continue from the state of another detector.

        Raises
        ------
        SettingsError
            If the state is of another model or of other words, or is not valid.
        """
        n_labels = len(self.model.manifest.labels)
        if not set(self.words) <= set(state.decision.words) or any(len(s) != n_labels for s in state.decision.recent):
            raise SettingsError("expected the state of a detector of the same model and words, found another")
        self._scorer.restore(state)
        self._decision.restore(state.decision, state.full_at)


def _configure(
    model: Model, words: Words, thresholds: Thresholds
) -> tuple[tuple[str, ...], DecisionSettings, Decision]:
    manifest = model.manifest
    chosen = choose_words(manifest.words, words)
    if is_number(thresholds):
        thresholds = dict.fromkeys(manifest.words, float(thresholds))
    if not isinstance(thresholds, Mapping | None):
        raise SettingsError(f"expected thresholds to be a number, or numbers by word, found {thresholds!r}")
    settings = override_thresholds(manifest.decision, thresholds or {})
    return chosen, settings, Decision.of_model(manifest, chosen, settings)


def choose_words(of_model: Sequence[str], chosen: Words) -> tuple[str, ...]:
    """Return the words to report, in the model's order; a text holds them with commas between.

    Raises
    ------
    SettingsError
        If a chosen word is not one of the model's, or none is chosen.
    """
    if chosen is None:
        return tuple(of_model)
    if isinstance(chosen, str):
        chosen = [word.strip() for word in chosen.split(",")]
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
        if not is_number(threshold):
            raise SettingsError(f"expected a threshold for '{word}' to be a number, found {threshold!r}")
        if not 0.0 < threshold <= 1.0:
            raise SettingsError(f"expected a threshold for '{word}' above 0 and at most 1, found {threshold:g}")
        old = words[word]
        rearm = threshold * old.rearm / old.threshold
        if not 0.0 < rearm < threshold:
            raise SettingsError(f"expected a threshold for '{word}' far enough above 0, found {threshold:g}")
        words[word] = msgspec.structs.replace(old, threshold=float(threshold), rearm=float(rearm))
    return msgspec.structs.replace(decision, words=words)
