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
import logging
import random
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from lenient import open_lenient_detector
from room import EVERY_S, HEARD_WITHIN_S, RATE_HZ, resident_kb, threads_and_files
from world import KINDS, PAUSE_S, Fault, World

from detector import Detection, load_model
from detector.audio import capture
from detector.audio.recovery import Recovering
from detector.audio.sources import Block
from detector.daemon import listen as pipeline
from detector.events import Event, Gap, GapCause, Progress
from detector.process.signals import StopFlag
from detector.settings import RecoverySettings

BACK_WITHIN_S = 2.0
NOTICED_WITHIN_S = 1.5
"""What nobody announces is noticed when the samples of a second fall short."""
EVEN_TO_S = 0.15
"""Lengths in the ledger are known to the unevenness of delivery."""
TOLERANCE_KB = 2560
"""The allocator breathes by one to two megabytes, in the first hour as in the last."""


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

    def hear(self, event: Event) -> None:
        """Keep detections and gaps; judge at progress."""
        if isinstance(event, Detection):
            self._detections.append(event)
        elif isinstance(event, Gap):
            self._gaps.append(event)
        elif isinstance(event, Progress):
            self._look()

    def _look(self) -> None:
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
            expected_s = lost_s
            if fault.kind == "replaced":  # zeros were delivered until that was noticed, and are lost as well
                expected_s = self._world.room_sample(at_sample) / RATE_HZ - fault.start_s
            late_s = (gap.at_sample - at_sample) / RATE_HZ
            is_placed = 0 <= late_s <= NOTICED_WITHIN_S if fault.cause is GapCause.DRIFT else late_s == 0
            if not is_placed or gap.lost_s is None or abs(gap.lost_s - expected_s) > EVEN_TO_S:
                self._fail(f"{fault.kind} at {fault.start_s:.1f} s, {expected_s:.2f} s lost, is {gap} in the ledger")
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
