"""Listens for hours of simulated time to a microphone that everything happens to, and checks what is heard and said.

    python tests/soak/simulated.py --hours 24 --seed 1

Microphone, recovery, ring, capture thread and detector are the real ones. PortAudio and the clock are made up, so
that an hour takes seconds. Faults are drawn at random. Ends with 1, and says where and when, unless

- every word that begins two seconds after a fault is over, and ends before the next, is heard, and nothing else ever;
- the ledger holds the injected discontinuities, in order, with position, cause and length, and no others;
- threads and open files are as many in the last hour as in the first, and the memory no longer grows after the first
  quarter.
"""

from __future__ import annotations

import argparse
import itertools
import logging
import random
import sys
import time
from collections import Counter, deque
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parent.parent))

from lenient import open_lenient_detector
from room import EVERY_S, HEARD_WITHIN_S, RATE_HZ, Room, resident_kb, threads_and_files

from detector import Detection, load_model
from detector.audio import capture
from detector.audio.gaps import Gap, GapCause
from detector.audio.recovery import Recovering
from detector.audio.simulated import Fault as DeviceFault
from detector.audio.simulated import FaultKind, SimulatedPortAudio
from detector.audio.sources import Block
from detector.daemon import listen as pipeline
from detector.process.signals import StopFlag
from detector.settings import RecoverySettings

KINDS: dict[str, tuple[float, float, GapCause | None]] = {
    "killed": (0.1, 20.0, GapCause.RECONNECT),
    "gone": (0.1, 20.0, GapCause.RECONNECT),
    "busy": (0.1, 40.0, GapCause.RECONNECT),
    "refused": (0.1, 20.0, GapCause.RECONNECT),
    "suspended": (1.5, 60.0, GapCause.RECONNECT),
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
    "overflow": FaultKind.OVERFLOW,
    "hole": FaultKind.SUSPENDED,
    "repeat": FaultKind.REPEAT,
}
"""The others happen to the process, or are sound."""

PAUSE_S = (8.0, 40.0)
"""From the end of a fault to the next."""
STEP_S = (0.02, 0.06)
"""From one read to the next."""
BACK_WITHIN_S = 2.0
NOTICED_WITHIN_S = 1.5
"""What nobody announces is noticed when the samples of a second fall short."""
EVEN_TO_S = 0.15
"""Lengths in the ledger are known to the unevenness of delivery."""
TOLERANCE_KB = 2560
"""The allocator breathes by one to two megabytes, in the first hour as in the last."""


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


class Judge:
    """Listens to what the pipeline tells, and compares it with the world hour by hour."""

    def __init__(self, world: World, hours: float, stop: StopFlag) -> None:
        self.failures: list[str] = []
        self.counts: Counter[str] = Counter()
        self.deaf_s: list[float] = []
        self.resources: list[tuple[int, int, int]] = []
        """Threads, open files and kB at the end of each hour."""
        self._world, self._hours, self._stop = world, hours, stop
        self._detections: list[Detection] = []
        self._gaps: list[Gap] = []
        self._judged_s = 0.0
        self._over_s = 0.0
        """End of the last fault that was judged."""

    def on_open(self) -> None:
        """Nothing to do."""

    def on_audio(self, samples: NDArray[np.int16], gaps: list[Gap], n_skipped: int) -> None:
        """Nothing to do."""

    def on_detection(self, detection: Detection) -> None:
        """Keep it."""
        self._detections.append(detection)

    def on_gap(self, gap: Gap) -> None:
        """Keep it."""
        self._gaps.append(gap)

    def on_progress(self, progress: pipeline.Progress) -> None:
        """Judge each hour once it is over, between two faults."""
        world = self._world
        due_s = min(3600.0 * (len(self.resources) + 1), 3600.0 * self._hours)
        if world.now_s < due_s or (world.faults and world.now_s < world.faults[-1].end_s + PAUSE_S[0] / 2):
            return
        self._judge(world.now_s - BACK_WITHIN_S)
        self.resources.append((*threads_and_files(), resident_kb()))
        print(
            f"{len(self.resources)} h: {self.counts['faults']} faults, {self.counts['heard']} words heard, "
            f"{len(self.failures)} failures, {self.resources[-1][2] / 1024:.1f} MB",
            flush=True,
        )
        if world.now_s >= 3600.0 * self._hours:
            self._stop.set()

    def _judge(self, to_s: float) -> None:
        faults = [self._world.faults.popleft() for _ in range(len(self._world.faults))]
        gaps, self._gaps = self._gaps, []
        self._compare_ledger([fault for fault in faults if fault.cause is not None], gaps)
        self._compare_words(faults, to_s)
        self.counts["faults"] += len(faults)
        self.counts.update(f"fault {fault.kind}" for fault in faults)
        self._over_s = faults[-1].end_s if faults else self._over_s
        self._judged_s = to_s

    def _compare_ledger(self, faults: list[Fault], gaps: list[Gap]) -> None:
        breaks = self._world.take_discontinuities()
        if [fault.cause for fault in faults] != [gap.cause for gap in gaps] or len(faults) != len(breaks):
            self._fail(f"faults {[(f.kind, round(f.start_s)) for f in faults]}, {breaks} and the ledger {gaps} differ")
            return
        for fault, (at_sample, lost_s), gap in zip(faults, breaks, gaps, strict=True):
            late_s = (gap.at_sample - at_sample) / RATE_HZ
            is_placed = 0 <= late_s <= NOTICED_WITHIN_S if fault.cause is GapCause.DRIFT else late_s == 0
            if not is_placed or gap.lost_s is None or abs(gap.lost_s - lost_s) > EVEN_TO_S:
                self._fail(f"{fault.kind} at {fault.start_s:.1f} s, {lost_s:.2f} s lost, is {gap} in the ledger")
            self.counts["gaps"] += 1

    def _compare_words(self, faults: list[Fault], to_s: float) -> None:
        # A word may begin before one judgement and be heard after it; it is counted where its time to be heard is over.
        words = list(self._world.room.words(self._judged_s - EVERY_S, to_s))
        due = [word for word in words if word.end_s + HEARD_WITHIN_S > self._judged_s]
        heard: set[float] = set()
        kept: list[Detection] = []
        for detection in self._detections:
            at_s = self._world.room_sample(round(detection.time_s * RATE_HZ) - 1) / RATE_HZ
            if at_s > to_s:
                kept.append(detection)
                continue
            said = [word for word in words if word.start_s <= at_s <= word.end_s + HEARD_WITHIN_S]
            if [word.keyword for word in said] == [detection.keyword]:
                heard.add(said[0].start_s)
            else:
                before = [f"{f.kind} from {f.start_s:.2f} to {f.end_s:.2f} s" for f in faults if f.start_s <= at_s][-1:]
                self._fail(f"heard {detection} at {at_s:.2f} s, where {said} was said; before it {before}")
        self._detections = kept
        ends, starts = [self._over_s, *(f.end_s for f in faults)], [*(f.start_s for f in faults), to_s]
        for over_s, next_s in zip(ends, starts, strict=True):
            after = [word for word in due if over_s <= word.start_s and word.end_s + HEARD_WITHIN_S <= next_s]
            first = next((word for word in after if word.start_s in heard), None)
            if first is not None and over_s > self._judged_s:
                self.deaf_s.append(first.start_s - over_s)
            for word in after:
                if word.start_s >= over_s + BACK_WITHIN_S:
                    self.counts["heard" if word.start_s in heard else "missed"] += 1
                    if word.start_s not in heard:
                        self._fail(f"{word} was not heard; the fault before it ended at {over_s:.2f} s")

    def _fail(self, message: str) -> None:
        self.failures.append(message)
        print(f"FAILED: {message}", flush=True)


class Accelerated(Recovering):
    """The recovery of the daemon, read as fast as the detector can hear."""

    can_wait = True
    world: World

    def read(self) -> Block | None:
        """Read after a moment."""
        self.world.advance()
        return super().read()


def main() -> int:
    """Listen and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=24.0, help="of simulated time (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the faults (%(default)s)")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    world, stop = World(options.seed), StopFlag()
    judge = Judge(world, options.hours, stop)
    capture.POLL_S = 0.0005
    source = Accelerated(
        [world.portaudio.microphone(sample_rate_hz=RATE_HZ)],
        RecoverySettings(),
        clock=world.monotonic,
        rng=random.Random(options.seed),
    )
    source.world = world
    started_s = time.monotonic()
    pipeline.listen(source, open_lenient_detector(load_model("yes-no")), judge, stop=stop)
    return report(judge, options.hours, time.monotonic() - started_s)


def report(judge: Judge, hours: float, elapsed_s: float) -> int:
    """Print what was found; return the exit code."""
    threads, files, memory_kb = (np.array(column) for column in zip(*judge.resources, strict=True))
    settled_kb = memory_kb[len(memory_kb) // 4 :]
    slope_kb = np.polyfit(np.arange(len(settled_kb)), settled_kb, 1)[0] if len(settled_kb) > 1 else 0.0
    kinds = ", ".join(f"{kind} {judge.counts[f'fault {kind}']}" for kind in KINDS)
    deaf_s = np.array(judge.deaf_s)
    print(
        f"{hours:g} h in {elapsed_s:.0f} s: {judge.counts['faults']} faults ({kinds}); "
        f"{judge.counts['gaps']} gaps in the ledger as injected; "
        f"{judge.counts['heard']} words heard, {judge.counts['missed']} missed; first word heard "
        f"after a fault begins {np.median(deaf_s):.2f} s after it (median), {deaf_s.max():.2f} s (most); threads "
        f"{threads[0]} and {threads[-1]}, files {files[0]} and {files[-1]}, memory {memory_kb[0] / 1024:.1f} and "
        f"{memory_kb[-1] / 1024:.1f} MB, {slope_kb:+.0f} kB an hour since the first quarter; "
        f"{len(judge.failures)} failures"
    )
    grown_kb = settled_kb[-1] - settled_kb[0]
    is_leaking = threads[0] != threads[-1] or files[0] != files[-1] or grown_kb > TOLERANCE_KB
    return 1 if judge.failures or is_leaking or not judge.counts["gaps"] else 0


if __name__ == "__main__":
    sys.exit(main())
