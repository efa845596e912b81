"""Sources and screens of a dialogue that nobody holds."""

from __future__ import annotations

import numpy as np

from detector.audio.sources import Block

RATE_HZ = 16000


class Played:
    """A source that hands over samples as fast as they are taken, and then ends."""

    is_live = False
    can_wait = True
    is_waiting = False
    name = "played"

    def __init__(self, samples: np.ndarray) -> None:
        self._samples = samples
        self._position = 0

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        return None

    def read(self) -> Block | None:
        samples = self._samples[self._position : self._position + RATE_HZ // 50]
        self._position += len(samples)
        return Block(samples) if len(samples) else None


class Script:
    """A screen that keeps its lines, and has keys that are pressed when a line with some text is shown."""

    def __init__(self, *presses: tuple[str, str], has_keys: bool = False) -> None:
        self.has_keys = has_keys or bool(presses)
        self.lines: list[str] = []
        self._presses = list(presses)
        self._pressed: list[str] = []

    def show(self, text: str) -> None:
        self.lines.append(text)
        if self._presses and self._presses[0][0] in text:
            self._pressed += self._presses.pop(0)[1]

    def show_level(self, samples: np.ndarray, text: str) -> None:
        pass

    def read_key(self) -> str | None:
        return self._pressed.pop(0) if self._pressed else None
