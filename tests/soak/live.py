"""Listens to a real sound server that everything happens to, while somebody says a word every two seconds.

    python tests/soak/live.py --server pipewire --faults 200 --seed 1

PulseAudio, or PipeWire with its session manager, holds a virtual microphone; the daemon is a process of its own and
knows nothing. Ends with 1, and says where and when, unless

- every word that begins two seconds after a fault is over, until the next, is heard, or the ledger or the log say why
  not, or another program that records from the microphone has not got it either: that is counted, and one word in a
  hundred at most; and nothing that was not said;
- the daemon's ledger holds a reconnection for each time the microphone went away, which covers that time, and a loss,
  or another reconnection, for each time the daemon stood for more than a second; no other reconnections, but where the
  log says that the server has moved the stream;
- of 20 faults that take the microphone away 19 are over for the daemon 2.5 s after they are over at the latest;
- threads and open files of the daemon are as many at the end as at the beginning (the fewest of ten counts: one is open
  for the moment in which the sound server is asked something), and its memory has not grown;
- what it has recorded can be read by nobody else.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from control import Control
from listener import HEARD_WITHIN_S, Listener, Speaker
from room import Word
from servers import WORLDS, World

BACK_WITHIN_S = 2.0
PAUSE_S = (3.0, 5.0)
"""From the first word that is heard after a fault to the next fault."""
DEAF_S = 15.0
"""When nothing is heard for so long after a fault, it counts as a failure, and the next begins."""
STOOD_S = 1.2
"""What waited while the daemon stood for longer is thrown away, and in the ledger."""
UNLEDGERED_S = 1.5
"""Of a fault so much may be missing in the ledger: what the server had buffered, and what it takes to notice."""
UNHEARD_AFTER_S = 1.0
"""After a gap nothing is reported before a whole second has come."""
RECOVERED_WITHIN_S = 2.5
WARM_UP = 40
"""Memory is compared from this fault on: the recorder's ring is full then."""
COUNTS = 10
NOT_PLAYED_PART = 0.01
TOLERANCE_KB = 4096
LEAKED_KB = 32
"""More for each fault that takes the microphone away: ALSA's plugins leak so much when devices are listed anew."""


class Judge:
    """Compares what was said with what was heard."""

    def __init__(
        self, world: World, listener: Listener, speaker: Speaker, control: Control, folder: Path | None
    ) -> None:
        """Judge; what another program got of a word that was missed goes to `folder`."""
        self._world = world
        self._control, self._folder = control, folder
        self.failures: list[str] = []
        self.counts: Counter[str] = Counter()
        self.deaf_s: list[float] = []
        """From a fault's end to the first word that is heard."""
        self.recovery_s: list[float] = []
        """From the end of a fault that takes the microphone away to the first sample."""
        self._listener, self._speaker = listener, speaker
        self._n_heard = 0
        self._taken: set[Word] = set()

    def fail(self, message: str) -> None:
        """Note a failure, with what the daemon said last."""
        self.failures.append(message)
        gaps = [(gap["cause"], gap["time_s"], gap["lost_s"]) for _, gap in self._listener.gaps[-3:]]
        log = [line.strip() for _, line in self._listener.log[-3:]]
        print(f"FAILED: {message}; last gaps {gaps}, last words {log}", flush=True)

    def wait_until_back(self, kind: str, over_s: float) -> None:
        """Wait for the first word that is heard after a fault."""
        self._control.begin()
        while time.monotonic() < over_s + DEAF_S:
            for word in list(self._speaker.said):
                if word.start_s >= over_s and self._when_heard(word) is not None:
                    self.deaf_s.append(word.start_s - over_s)
                    return
            time.sleep(0.1)
        self.fail(f"nothing was heard for {DEAF_S:g} s after '{kind}'")

    def judge(self, kind: str, began_s: float, over_s: float, next_s: float) -> None:
        """Judge a fault, and the time until the next."""
        for word in list(self._speaker.said):
            if word.start_s >= over_s + BACK_WITHIN_S and word.end_s + HEARD_WITHIN_S <= next_s:
                is_heard = self._when_heard(word) is not None
                if is_heard or self._is_explained(word):
                    self.counts["heard" if is_heard else "explained"] += 1
                else:
                    self._miss(word, f"'{word.keyword}' {word.start_s - over_s:.1f} s after '{kind}'")
        heard = list(self._listener.heard)
        for at_s, keyword in heard[self._n_heard :]:
            if not self._is_of_a_word(at_s, keyword, began_s, over_s):
                self.fail(f"'{keyword}' was heard that nobody said, {at_s - began_s:.1f} s after '{kind}' began")
        self._n_heard = len(heard)
        self.counts[kind] += 1
        self._judge_ledger(kind, began_s, over_s)

    def _miss(self, word: Word, what: str) -> None:
        """Judge a word that was not heard: a failure, if another program got it from the microphone."""
        if self._control.has(word):
            self.counts["missed"] += 1
            self.fail(f"{what} was not heard")
        else:
            self.counts["not played"] += 1
            print(f"{what} was not played as it should have been", flush=True)
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._control.save(self._folder / f"{word.start_s:.0f}-{word.keyword}.wav")

    def _judge_ledger(self, kind: str, began_s: float, over_s: float) -> None:
        """Judge what the ledger, or the log, says of the time for which the microphone was not there."""
        gaps = [(at_s, gap) for at_s, gap in list(self._listener.gaps) if at_s >= began_s]
        lost_s = sum(gap["lost_s"] or 0.0 for _, gap in gaps)
        if kind in self._world.RECONNECTS:
            self.recovery_s.append(max((at_s - over_s for at_s, _ in gaps), default=0.0))
            if lost_s < self._world.away_s - UNLEDGERED_S:
                self.fail(f"'{kind}' lasted for {self._world.away_s:.1f} s, the ledger has {lost_s:.1f} s of it")
        elif kind in self._world.MOVES and not [line for at_s, line in list(self._listener.log) if at_s >= began_s]:
            self.fail(f"nothing was logged of '{kind}'")

    def judge_resources(
        self, counts: list[tuple[int, int, int]], more: Counter[str], n_lost: int
    ) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
        """Judge threads, files and kB of all faults; return those at the beginning and at the end.

        `more` are files that only the last count has, `n_lost` is how often the microphone went away.
        """
        from_k = min(WARM_UP, len(counts) // 2)
        first, last = _find_fewest(counts[from_k : from_k + COUNTS]), _find_fewest(counts[-COUNTS:])
        if first[:2] != last[:2] or last[2] - first[2] > TOLERANCE_KB + LEAKED_KB * n_lost:
            self.fail(f"threads, files and kB were {first} and are {last}; more than before at the last count: {more}")
        return first, last

    def _is_of_a_word(self, at_s: float, keyword: str, began_s: float, over_s: float) -> bool:
        """Tell whether such a word was said; each is heard once, in time unless a fault held it, or the daemon, up."""
        for word in list(self._speaker.begun):
            due_s = word.end_s + HEARD_WITHIN_S
            if due_s >= began_s and word.start_s <= over_s + BACK_WITHIN_S:  # a server that starts plays late, too
                due_s = max(due_s, over_s + BACK_WITHIN_S + word.end_s - word.start_s + HEARD_WITHIN_S)
            if word.keyword == keyword and word.start_s <= at_s <= due_s and word not in self._taken:
                self._taken.add(word)
                return True
        return False

    def _is_explained(self, word: Word) -> bool:
        """Return whether a gap less than a second before a word, or a late machine, say why it was not heard."""
        from_s, to_s = word.start_s - UNHEARD_AFTER_S, word.end_s + HEARD_WITHIN_S
        pace = [(at_s, line) for at_s, line in list(self._listener.log) if at_s <= to_s and "windows are now" in line]
        is_late = bool(pace) and (pace[-1][0] >= from_s or "too slow for the moment" in pace[-1][1])
        return is_late or any(from_s <= at_s <= to_s for at_s, _ in list(self._listener.gaps))

    def _when_heard(self, word: Word) -> float | None:
        for at_s, keyword in list(self._listener.heard):
            if keyword == word.keyword and word.start_s <= at_s <= word.end_s + HEARD_WITHIN_S:
                return at_s
        return None


@contextlib.contextmanager
def _everything(server: str, seed: int) -> Iterator[tuple[World, Listener, Speaker, Control]]:
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        settings = folder / "settings.toml"
        settings.write_text("")
        (folder / "server").mkdir()
        _mount(stack, folder / "disk")
        world = WORLDS[server](stack, folder / "server", random.Random(seed))
        listener = Listener(world.environment, world.device, settings)
        stack.callback(listener.process.kill)
        speaker = Speaker(folder, world.environment, world.play)
        stack.callback(speaker.stop)
        control = Control(world.environment, world.record)
        stack.callback(control.stop)
        yield world, listener, speaker, control


def _mount(stack: contextlib.ExitStack, folder: Path) -> None:
    """Mount a disk of 8 MB, where that is allowed: for root."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    if os.geteuid() == 0 and subprocess.run(command, capture_output=True, check=False).returncode == 0:
        stack.callback(subprocess.run, ["umount", "-l", str(folder)], check=False)
    else:
        folder.rmdir()


def _find_readable(folder: Path) -> list[str]:
    """Return the files of a folder that others than their owner may read or write."""
    return [str(file) for file in folder.rglob("*") if file.stat().st_mode & 0o077] if folder.is_dir() else []


def _find_fewest(resources: list[tuple[int, int, int]]) -> tuple[int, int, int]:
    """Return the fewest threads and files of some counts, and the memory at the last of them."""
    return min(threads for threads, _, _ in resources), min(files for _, files, _ in resources), resources[-1][2]


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", choices=WORLDS, default="pulseaudio", help="which (%(default)s)")
    parser.add_argument("--faults", type=int, default=200, help="how many (%(default)s); 200 take half an hour")
    parser.add_argument("--seed", type=int, default=1, help="of the faults (%(default)s)")
    parser.add_argument("--kinds", help="of what may happen to that server (all)")
    parser.add_argument(
        "--keep", type=Path, help="folder for the sound of words that are missed, and for what was recorded then (none)"
    )
    return parser.parse_args()


def main() -> int:
    """Do it, and judge."""
    options = _parse()
    rng = random.Random(options.seed)
    kinds = options.kinds.split(",") if options.kinds else list(WORLDS[options.server].kinds())
    kinds = [kind for kind in kinds if kind != "full" or os.geteuid() == 0]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # and leaves no process behind
    started_s = time.monotonic()
    with _everything(options.server, options.seed) as (world, listener, speaker, control):
        judge = Judge(world, listener, speaker, control, options.keep)
        began_s = time.monotonic()
        judge.wait_until_back("start", began_s)
        judge.judge("start", began_s, time.monotonic(), time.monotonic())
        resources: list[tuple[int, int, int]] = []
        files: list[str] = []
        n_stood = n_moved = 0
        for k in range(options.faults):
            kind, length_s = rng.choice(kinds), rng.uniform(0.2, 4.0)
            resources.append(listener.count_resources())
            files = listener.list_files() if k <= WARM_UP else files
            began_s = time.monotonic()
            world.happen(kind, length_s, listener)
            over_s = time.monotonic()
            n_stood += kind == "stop" and over_s - began_s > STOOD_S
            n_moved += 2 * (kind in world.MOVES)
            judge.wait_until_back(kind, over_s)
            time.sleep(rng.uniform(*PAUSE_S))
            judge.judge(kind, began_s, over_s, time.monotonic())
            if (k + 1) % 20 == 0:
                print(f"{k + 1} faults, {len(judge.failures)} failures, {resources[-1][2] / 1024:.1f} MB", flush=True)
        resources.append(listener.count_resources())
        more = Counter(listener.list_files()) - Counter(files)
        readable = _find_readable(listener.disk)
        code = listener.stop()
        if options.keep is not None and options.keep.is_dir() and listener.disk.is_dir():
            shutil.copytree(listener.disk, options.keep, dirs_exist_ok=True)
    causes = Counter(gap["cause"] for _, gap in listener.gaps)
    expected = sum(judge.counts[kind] for kind in world.RECONNECTS)
    # A stream that its program left standing is begun anew, or, where the server gave it up, opened anew.
    n_opened_anew = causes["reconnect"] - expected
    if not 0 <= n_opened_anew <= n_stood + n_moved + world.n_hung:
        judge.fail(f"{expected} times the microphone went away, the ledger has {dict(causes)}")
    if causes["overflow"] + n_opened_anew < n_stood:
        judge.fail(f"{n_stood} times the daemon stood for more than a second, the ledger has {dict(causes)}")
    if code != 0:
        judge.fail(f"the daemon ended with {code}: {listener.log[-5:]}")
    if readable:
        judge.fail(f"others may read {readable[:5]}")
    first, last = judge.judge_resources(resources, more, expected)
    if judge.counts["not played"] > max(1.0, NOT_PLAYED_PART * judge.counts["heard"]):
        judge.fail(f"{judge.counts['not played']} words were not played as they should have been: a busy machine?")
    deaf_s, recovery_s = np.array(judge.deaf_s), np.percentile(judge.recovery_s or [0.0], [50, 95, 100])
    if recovery_s[1] > RECOVERED_WITHIN_S:
        judge.fail(f"of 20 recoveries one took {recovery_s[1]:.1f} s")
    happened = ", ".join(f"{kind} {judge.counts[kind]}" for kind in kinds)
    print(
        f"{(time.monotonic() - started_s) / 60:.0f} minutes, {options.faults} faults ({happened}); "
        f"ledger {dict(causes)}; {judge.counts['heard']} words heard, {judge.counts['missed']} missed, "
        f"{judge.counts['explained']} more in a gap or while the machine was late, "
        f"{judge.counts['not played']} not played; "
        f"samples come {recovery_s[0]:.1f} s after a fault (median; 95 %: {recovery_s[1]:.1f}, most "
        f"{recovery_s[2]:.1f}); "
        f"first word heard after a fault begins {np.median(deaf_s):.1f} s after it, {deaf_s.max():.1f} s at most; "
        f"threads, files and kB {first} and {last}; {world.n_hung} hung servers; {len(judge.failures)} failures"
    )
    return 1 if judge.failures else 0


if __name__ == "__main__":
    sys.exit(main())
