"""The decision: scores of consecutive windows in, detections out.

The score of each word is averaged over the last few windows. A word is reported when its average reaches the word's
threshold, and again only once the average fell below a lower level (hysteresis) and the refractory time is over: one
spoken word, one detection. After Google's RecognizeCommands, but with a state for each word, so that a word can be
said twice in a row.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from detector.core.manifest import DecisionSettings


@dataclass(frozen=True, slots=True)
class Decided:
    """A word that was decided on, in samples of the stream."""

    word: str
    score: float
    """Average over the last windows, 0 to 1."""
    first_sample: int
    """End of the earliest window that already heard the word, in samples."""


class WordState(msgspec.Struct):
    """What is remembered of a word."""

    is_armed: bool = True
    quiet_until: int = 0
    """End of the refractory time, in samples."""
    risen_at: int | None = None
    """End of the window in which the score rose above the re-arm level."""


class DecisionState(msgspec.Struct, frozen=True):
    """What a decision remembers, by value."""

    recent: list[list[float]]
    """Scores of the last windows, the oldest first."""
    words: dict[str, WordState]


class Decision:
    """Smoothing, thresholds, hysteresis and refractory time of all words. One thread only."""

    def __init__(
        self, settings: DecisionSettings, labels: Sequence[str], words: Sequence[str], *, sample_rate_hz: int
    ) -> None:
        """Decide on `words`, some of the labels that scores come in the order of."""
        self._settings = settings
        self._words = [(word, labels.index(word), settings.words[word]) for word in words]
        self._refractory_samples = round(settings.refractory_s * sample_rate_hz)
        self._recent: deque[Sequence[float]] = deque(maxlen=settings.smoothing_windows)
        self._states = {word: WordState() for word in words}

    def reset(self) -> None:
        """Forget everything: all words are armed, and nothing was heard."""
        self.forget_windows()
        self._states = {word: WordState() for word in self._states}

    def forget_windows(self) -> None:
        """Forget the scores, as after a gap in the audio; refractory times go on."""
        self._recent.clear()
        for state in self._states.values():
            state.is_armed = True
            state.risen_at = None

    def snapshot(self) -> DecisionState:
        """Return what is remembered."""
        return DecisionState(
            recent=[list(scores) for scores in self._recent],
            words={word: msgspec.structs.replace(state) for word, state in self._states.items()},
        )

    def restore(self, state: DecisionState) -> None:
        """Remember what was remembered then, of other words than these too; of words that are new, nothing."""
        self._recent.clear()
        self._recent.extend(state.recent)
        self._states = {word: msgspec.structs.replace(state.words.get(word, WordState())) for word in self._states}

    def decide(self, scores: Sequence[float], end_sample: int, *, can_fire: bool = True) -> Decided | None:
        """Take the scores of the next window and decide.

        Parameters
        ----------
        scores : sequence of float, length n_labels
            Scores in [0, 1] in the order of the labels.
        end_sample : int
            Where the window ends, in samples of the stream.
        can_fire : bool
            Whether anything may be reported yet; if not, the scores are remembered alone.

        Returns
        -------
        Decided or None
            The best of the words whose time has come, if any.
        """
        self._recent.append(scores)
        n_windows = self._settings.smoothing_windows
        best: Decided | None = None
        for word, position, limits in self._words:
            state = self._states[word]
            score = sum(recent[position] for recent in self._recent) / n_windows
            if scores[position] < limits.rearm:
                state.risen_at = None
            elif state.risen_at is None:
                state.risen_at = end_sample
            if score < limits.rearm:
                state.is_armed = True
            is_due = can_fire and state.is_armed and score >= limits.threshold and end_sample >= state.quiet_until
            if is_due:
                # Of several at once only the best is reported, but none of them is news in the next window.
                state.is_armed = False
                state.quiet_until = end_sample + self._refractory_samples
                if best is None or score > best.score:
                    first = state.risen_at if state.risen_at is not None else end_sample
                    best = Decided(word, score, first)
        return best
