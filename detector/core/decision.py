"""The decision: scores of consecutive windows in, detections out.

The score of each word is averaged over the last few windows. A word is reported when its average reaches the word's
threshold, and again only after the average has fallen below a lower level (hysteresis) and the refractory time is over:
one spoken word, one detection. After Google's RecognizeCommands, but with a state for each word, so that a word can be
spoken twice in a row.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from detector.core.manifest import DecisionSettings, Manifest, WordDecision
from detector.events import Detection, Scored


class WordState(msgspec.Struct):
    """State of one word."""

    is_armed: bool = True
    quiet_until: int = 0
    """End of the refractory time, in samples."""
    risen_at: int | None = None
    """End of the window in which the score rose above the re-arm level."""


class DecisionState(msgspec.Struct, frozen=True):
    """State of a decision, by value."""

    recent: list[list[float]]
    """Scores of the last windows, the oldest first."""
    words: dict[str, WordState]


class _Word(NamedTuple):
    """What is decided on, and how."""

    word: str
    position: int
    """Of its score among those of a window."""
    limits: WordDecision
    n_windows: int
    """Scores that are averaged."""
    n_early_samples: int
    """From the end of the first window that counts to the end of the first whole one."""
    refractory_samples: int


class Decision:
    """Smoothing, thresholds, hysteresis and refractory time of all words. One thread only."""

    def __init__(
        self,
        settings: DecisionSettings,
        labels: Sequence[str],
        words: Sequence[str],
        *,
        sample_rate_hz: int,
        window_samples: int,
        stride_samples: int,
    ) -> None:
        """Decide on `words`, a subset of `labels`; scores come in the order of the labels.

        Nothing is reported before `window_samples` of the stream: earlier windows are padded with silence. Of these a
        word counts as many as its average takes in, however many there are: it is decided on as if it were alone.
        """
        self._settings = settings
        self._sample_rate_hz = sample_rate_hz
        self._window_samples = window_samples
        self._words = [
            _Word(
                word,
                labels.index(word),
                settings.words[word],
                n_windows=settings.smoothing_of(word),
                n_early_samples=(settings.smoothing_of(word) - 1) * stride_samples,
                refractory_samples=round(settings.refractory_of(word) * sample_rate_hz),
            )
            for word in words
        ]
        self._recent: deque[Sequence[float]] = deque(maxlen=settings.longest_smoothing)
        self._states = {word: WordState() for word in words}
        self._full_at = window_samples

    @classmethod
    def of_model(cls, manifest: Manifest, words: Sequence[str], settings: DecisionSettings | None = None) -> Decision:
        """Return a decision on some of a model's words, by the settings of its manifest or by others."""
        return cls(
            settings or manifest.decision,
            manifest.labels,
            words,
            sample_rate_hz=manifest.frontend.sample_rate_hz,
            window_samples=manifest.window_samples,
            stride_samples=manifest.stride_samples,
        )

    def reset(self) -> None:
        """Clear the state: all words are armed, and a new stream begins."""
        self.forget_windows(self._window_samples)
        self._states = {word: WordState() for word in self._states}

    def forget_windows(self, full_at: int) -> None:
        """Clear the scores, as after a gap in the audio; refractory times continue.

        Parameters
        ----------
        full_at : int
            End of the first window that does not span the gap, in samples of the stream. Windows that end earlier count
            in the average, but report nothing.
        """
        self._full_at = full_at
        self._recent.clear()
        for state in self._states.values():
            state.is_armed = True
            state.risen_at = None

    def snapshot(self) -> DecisionState:
        """Return the state."""
        return DecisionState(
            recent=[list(scores) for scores in self._recent],
            words={word: msgspec.structs.replace(state) for word, state in self._states.items()},
        )

    def restore(self, state: DecisionState, full_at: int) -> None:
        """Continue from a state, which may be of other words; words that it lacks start armed."""
        self._full_at = full_at
        self._recent.clear()
        self._recent.extend(state.recent)
        self._states = {word: msgspec.structs.replace(state.words.get(word, WordState())) for word in self._states}

    def decide(self, scored: Scored) -> Detection | None:
        """Take the scores of the next window; return the detection of the best word that is due, if any."""
        end_sample, scores = scored.end_sample, scored.scores
        self._recent.append(scores)
        recent = [*self._recent]
        can_fire = end_sample >= self._full_at
        best: tuple[float, str] | None = None
        for word, position, limits, n_windows, n_early_samples, refractory_samples in self._words:
            state = self._states[word]
            score = sum([window[position] for window in recent[-n_windows:]]) / n_windows
            if scores[position] < limits.rearm:
                state.risen_at = None
            elif state.risen_at is None and (can_fire or end_sample >= self._full_at - n_early_samples):
                state.risen_at = end_sample
            if score < limits.rearm:
                state.is_armed = True
            is_due = can_fire and state.is_armed and score >= limits.threshold and end_sample >= state.quiet_until
            if is_due:
                # Of several words due at once only the best is reported, but none is due again in the next window.
                state.is_armed = False
                state.quiet_until = end_sample + refractory_samples
                if best is None or score > best[0]:
                    best = score, word
        return None if best is None else self._report(best[1], best[0], end_sample)

    def _report(self, word: str, score: float, end_sample: int) -> Detection:
        """Return the detection of a word; estimated start: its median length before a window first contained it."""
        rate_hz, risen_at = self._sample_rate_hz, self._states[word].risen_at
        whole_at = end_sample if risen_at is None else risen_at
        word_samples = round(self._settings.words[word].duration_s * rate_hz)
        start = max(whole_at - word_samples, end_sample - self._window_samples, 0)
        return Detection(word, score, end_sample / rate_hz, start / rate_hz)


def decide_all(scored: Iterable[Scored], decision: Decision) -> list[Detection]:
    """Return the detections in the windows of a whole stream; the decision must not have seen any window yet."""
    return [detection for window in scored if (detection := decision.decide(window)) is not None]
