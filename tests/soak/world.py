"""A room with a simulated microphone that everything happens to, on a clock of its own."""

from __future__ import annotations

import itertools
import random
from collections import deque

import numpy as np
from numpy.typing import NDArray
from room import RATE_HZ, Room

from detector.audio.gaps import GapCause
from detector.audio.simulated import Fault as DeviceFault
from detector.audio.simulated import FaultKind, SimulatedPortAudio

KINDS: dict[str, tuple[float, float, GapCause | None]] = {
    "killed": (0.1, 20.0, GapCause.RECONNECT),
    "gone": (0.1, 20.0, GapCause.RECONNECT),
    "busy": (0.1, 40.0, GapCause.RECONNECT),
    "refused": (0.1, 20.0, GapCause.RECONNECT),
    "suspended": (1.5, 60.0, GapCause.RECONNECT),
    "replaced": (1.5, 60.0, GapCause.RECONNECT),
    "overflow": (0.1, 0.8, GapCause.OVERFLOW),
    "stall": (1.0, 30.0, GapCause.OVERFLOW),
    "hole": (0.4, 0.8, GapCause.DRIFT),
    "repeat": (0.4, 0.9, GapCause.DRIFT),
    "zeros": (1.0, 30.0, None),
    "clipping": (1.0, 10.0, None),
    "noise": (1.0, 10.0, None),
    "offset": (1.0, 10.0, None),
}
"""What may happen: the shortest and longest, in seconds, and what the ledger calls it."""
OF_THE_DEVICE = {
    "killed": FaultKind.KILLED,
    "gone": FaultKind.GONE,
    "busy": FaultKind.BUSY,
    "refused": FaultKind.REFUSED,
    "suspended": FaultKind.SUSPENDED,
    "replaced": FaultKind.REPLACED,
    "overflow": FaultKind.OVERFLOW,
    "hole": FaultKind.SUSPENDED,
    "repeat": FaultKind.REPEAT,
}
"""The others happen to the process, or are sound."""

PAUSE_S = (8.0, 40.0)
"""From the end of a fault to the next."""
STEP_S = (0.02, 0.06)
"""From one read to the next."""


class Fault:
    """Something that happens."""

    def __init__(self, kind: str, start_s: float, length_s: float) -> None:
        self.kind = kind
        self.start_s = start_s
        self.end_s = start_s + length_s
        self.cause = KINDS[kind][2]


class World:
    """The clock, the room, and a microphone in it that everything happens to."""

    def __init__(self, seed: int) -> None:
        self.room = Room()
        self.now_s = 0.0
        self.faults: deque[Fault] = deque()
        """All that has begun, until the judge takes them."""
        self.portaudio = SimulatedPortAudio(self._sound, clock=self.monotonic)
        self._rng = random.Random(seed)
        self._fault: Fault | None = None
        self._next_s = PAUSE_S[1]
        self._judged_to = 0

    def monotonic(self) -> float:
        """Return the time in the world."""
        return self.now_s

    def room_sample(self, stream_sample: int) -> int:
        """Return which sample of the room a sample of the stream was."""
        piece = next(piece for piece in reversed(list(self.portaudio.pieces)) if piece.at_sample <= stream_sample)
        return piece.position + stream_sample - piece.at_sample

    def take_discontinuities(self) -> list[tuple[int, float]]:
        """Return those of the stream since the last call: the first sample after each, and the seconds lost there."""
        found = [
            (after.at_sample, (after.position - before.position - after.at_sample + before.at_sample) / RATE_HZ)
            for before, after in itertools.pairwise(list(self.portaudio.pieces))
            if after.at_sample > self._judged_to
        ]
        self._judged_to = found[-1][0] if found else self._judged_to
        return found

    def advance(self) -> None:
        """Let the time from one read to the next pass, and what happens in it."""
        self.now_s += self._rng.uniform(*STEP_S)
        if self._fault is not None and self.now_s >= self._fault.end_s:
            self._end(self._fault)
        elif self._fault is None and self.now_s >= self._next_s:
            kind = self._rng.choice(sorted(KINDS))
            fault = self._fault = Fault(kind, self.now_s, self._rng.uniform(*KINDS[kind][:2]))
            self.faults.append(fault)
            if kind in OF_THE_DEVICE:
                self.portaudio.faults = [DeviceFault(OF_THE_DEVICE[kind], fault.start_s, fault.end_s)]
            if kind == "stall":  # nobody reads meanwhile
                self.now_s = fault.end_s
            if kind in ("stall", "repeat"):
                self._end(fault)

    def _end(self, fault: Fault) -> None:
        self._fault = None
        self._next_s = self.now_s + self._rng.uniform(*PAUSE_S)
        fault.end_s = self.now_s

    def _sound(self, first: int, n_samples: int) -> NDArray[np.int16]:
        sound = self.room.sound(first, n_samples)
        kind = self._fault.kind if self._fault is not None else ""
        if kind not in ("zeros", "clipping", "noise", "offset"):
            return sound
        samples = sound.astype(np.int64)
        if kind == "zeros":
            samples[:] = 0
        elif kind == "clipping":
            samples *= 400
        elif kind == "noise":
            samples += np.random.default_rng(first).integers(-8000, 8000, n_samples)
        else:
            samples += 12000
        return np.clip(samples, -32768, 32767).astype(np.int16)
