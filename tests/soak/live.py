"""Listens to a real sound server that everything happens to, while somebody says a word every two seconds.

    python tests/soak/live.py --faults 200 --seed 1

PulseAudio with a null sink stands in for a microphone; the daemon is a process of its own and knows nothing. Ends
with 1, and says where and when, unless

- every word that begins two seconds after a fault is over, until the next, is heard, and nothing that was not said;
- the daemon's ledger holds a reconnection for each time the microphone went away, and a loss, or another reconnection,
  for each time the daemon stood for more than a second; no other reconnections;
- threads and open files of the daemon are as many at the end as at the beginning, and its memory has not grown.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
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

from listener import Listener, Speaker
from pulse import VirtualMicrophone, virtual_microphone
from room import Word, resident_kb, threads_and_files

BACK_WITHIN_S = 2.0
HEARD_WITHIN_S = 1.5
"""After a word's end, at most: the sound server's buffers come on top of the detector's delay."""
PAUSE_S = (3.0, 5.0)
"""From the first word that is heard after a fault to the next fault."""
DEAF_S = 15.0
"""When nothing is heard for so long after a fault, it counts as a failure, and the next begins."""
STOOD_S = 1.2
"""What waited while the daemon stood for longer is thrown away, and in the ledger."""
WARM_UP = 20
"""Memory is compared from this fault on."""
TOLERANCE_KB = 4096

RECONNECTS = ("kill", "suspend", "unload", "hang")
KINDS = (*RECONNECTS, "stop", "hog", "reload", "unread", "full")


class World:
    """The sound server, and what can happen to it and to the daemon."""

    def __init__(self, stack: contextlib.ExitStack, folder: Path, rng: random.Random) -> None:
        self._stack, self._folder, self._rng = stack, folder, rng
        self._server = stack.enter_context(contextlib.ExitStack())
        self.microphone: VirtualMicrophone = self._server.enter_context(virtual_microphone(folder))

    def kill(self, length_s: float, _: Listener) -> None:
        """End the sound server at once, and start another later."""
        self.microphone.kill()
        time.sleep(length_s)
        self._server.close()
        self.microphone = self._server.enter_context(virtual_microphone(self._folder))

    def suspend(self, length_s: float, _: Listener) -> None:
        """Suspend the source: PortAudio says nothing, samples just stop."""
        for what, name in (("source", "vmic"), ("sink", "vspk")):
            self.microphone.control(f"suspend-{what}", name, "1")
        time.sleep(1.0 + length_s)
        for what, name in (("sink", "vspk"), ("source", "vmic")):
            self.microphone.control(f"suspend-{what}", name, "0")

    def unload(self, length_s: float, _: Listener) -> None:
        """Remove the source and the sink; no other source is there."""
        self.microphone.control("unload-module", "module-remap-source")
        self.microphone.control("unload-module", "module-null-sink")
        time.sleep(length_s)
        self.microphone.load()

    def hang(self, length_s: float, _: Listener) -> None:
        """Stop the sound server where it is, and let it go on later."""
        self.microphone.hang()
        time.sleep(1.5 + length_s)
        self.microphone.resume()

    def stop(self, length_s: float, listener: Listener) -> None:
        """Stop the daemon where it is, and let it go on later."""
        listener.process.send_signal(signal.SIGSTOP)
        time.sleep(2.0 * length_s)
        listener.process.send_signal(signal.SIGCONT)

    def hog(self, length_s: float, _: Listener) -> None:
        """Take every core."""
        hogs = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(os.cpu_count() or 1)]
        time.sleep(length_s)
        for hog in hogs:
            hog.kill()
            hog.wait(10)

    def unread(self, length_s: float, listener: Listener) -> None:
        """Fill the pipes that the daemon writes to, and read them later."""
        listener.may_read.clear()
        for stream in (listener.process.stdout, listener.process.stderr):
            assert stream is not None
            pipe = os.open(f"/proc/self/fd/{stream.fileno()}", os.O_WRONLY | os.O_NONBLOCK)
            with contextlib.suppress(BlockingIOError):
                while True:
                    os.write(pipe, b"\n" * 4096)
            os.close(pipe)
        time.sleep(length_s)
        listener.may_read.set()

    def full(self, length_s: float, listener: Listener) -> None:
        """Fill the disk that is recorded on."""
        junk = listener.disk / "junk"
        with contextlib.suppress(OSError), open(junk, "wb", buffering=0) as file:
            while True:
                file.write(bytes(65536))
        time.sleep(length_s)
        junk.unlink()

    def reload(self, _: float, listener: Listener) -> None:
        """Have the settings read anew, which may not be settings."""
        listener.settings.write_text(self._rng.choice(("", "nonsense", 'words = ["maybe"]', 'log_level = "info"')))
        listener.process.send_signal(signal.SIGHUP)


class Judge:
    """Compares what was said with what was heard."""

    def __init__(self, listener: Listener, speaker: Speaker) -> None:
        self.failures: list[str] = []
        self.counts: Counter[str] = Counter()
        self.deaf_s: list[float] = []
        self._listener, self._speaker = listener, speaker
        self._n_heard = 0
        self._taken: set[Word] = set()

    def fail(self, message: str) -> None:
        """Note a failure, with what the daemon said last."""
        self.failures.append(message)
        gaps = [(gap["cause"], gap["time_s"], gap["lost_s"]) for gap in self._listener.gaps[-3:]]
        print(f"FAILED: {message}; last gaps {gaps}, last words {self._listener.log[-3:]}", flush=True)

    def wait_until_back(self, kind: str, over_s: float) -> None:
        """Wait for the first word that is heard after a fault."""
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
                self.counts["heard" if is_heard else "missed"] += 1
                if not is_heard:
                    self.fail(f"'{word.keyword}' {word.start_s - over_s:.1f} s after '{kind}' was not heard")
        heard = list(self._listener.heard)
        for at_s, keyword in heard[self._n_heard :]:
            if not self._is_of_a_word(at_s, keyword, began_s, over_s):
                self.fail(f"'{keyword}' was heard that nobody said, {at_s - began_s:.1f} s after '{kind}' began")
        self._n_heard = len(heard)
        self.counts[kind] += 1

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

    def _when_heard(self, word: Word) -> float | None:
        for at_s, keyword in list(self._listener.heard):
            if keyword == word.keyword and word.start_s <= at_s <= word.end_s + HEARD_WITHIN_S:
                return at_s
        return None


@contextlib.contextmanager
def _everything(seed: int) -> Iterator[tuple[World, Listener, Speaker]]:
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        settings = folder / "settings.toml"
        settings.write_text("")
        (folder / "pulse").mkdir()
        _mount(stack, folder / "disk")
        world = World(stack, folder / "pulse", random.Random(seed))
        listener = Listener(world.microphone.environment, settings)
        stack.callback(listener.process.kill)
        speaker = Speaker(folder, world.microphone.environment)
        stack.callback(speaker.stop)
        yield world, listener, speaker


def _mount(stack: contextlib.ExitStack, folder: Path) -> None:
    """Mount a disk of 8 MB, where that is allowed: for root."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    if os.geteuid() == 0 and subprocess.run(command, capture_output=True, check=False).returncode == 0:
        stack.callback(subprocess.run, ["umount", "-l", str(folder)], check=False)
    else:
        folder.rmdir()


def main() -> int:
    """Do it, and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faults", type=int, default=200, help="how many (%(default)s); 200 take half an hour")
    parser.add_argument("--seed", type=int, default=1, help="of the faults (%(default)s)")
    parser.add_argument("--kinds", default=",".join(KINDS), help="which (%(default)s)")
    options = parser.parse_args()
    rng, kinds = random.Random(options.seed), options.kinds.split(",")
    if os.geteuid() != 0:
        kinds = [kind for kind in kinds if kind != "full"]
    started_s = time.monotonic()
    with _everything(options.seed) as (world, listener, speaker):
        judge = Judge(listener, speaker)
        began_s = time.monotonic()
        judge.wait_until_back("start", began_s)
        judge.judge("start", began_s, time.monotonic(), time.monotonic())
        resources: list[tuple[int, int, int]] = []
        n_stood = 0
        for k in range(options.faults):
            kind, length_s = rng.choice(kinds), rng.uniform(0.2, 4.0)
            resources.append((*threads_and_files(listener.process.pid), resident_kb(listener.process.pid)))
            began_s = time.monotonic()
            getattr(world, kind)(length_s, listener)
            over_s = time.monotonic()
            n_stood += kind == "stop" and over_s - began_s > STOOD_S
            judge.wait_until_back(kind, over_s)
            time.sleep(rng.uniform(*PAUSE_S))
            judge.judge(kind, began_s, over_s, time.monotonic())
            if (k + 1) % 20 == 0:
                print(f"{k + 1} faults, {len(judge.failures)} failures, {resources[-1][2] / 1024:.1f} MB", flush=True)
        resources.append((*threads_and_files(listener.process.pid), resident_kb(listener.process.pid)))
        code = listener.stop()
    causes = Counter(gap["cause"] for gap in listener.gaps)
    expected = sum(judge.counts[kind] for kind in RECONNECTS)
    # A stream that its program left standing is begun anew, or, where the server gave it up, opened anew.
    n_opened_anew = causes["reconnect"] - expected
    if not 0 <= n_opened_anew <= n_stood:
        judge.fail(f"{expected} times the microphone went away, the ledger has {dict(causes)}")
    if causes["overflow"] + n_opened_anew < n_stood:
        judge.fail(f"{n_stood} times the daemon stood for more than a second, the ledger has {dict(causes)}")
    if code != 0:
        judge.fail(f"the daemon ended with {code}: {listener.log[-5:]}")
    first, last = resources[min(WARM_UP, len(resources) // 2)], resources[-1]
    if first[:2] != last[:2] or last[2] - first[2] > TOLERANCE_KB:
        judge.fail(f"threads, files and kB were {first} and are {last}")
    deaf_s = np.array(judge.deaf_s)
    happened = ", ".join(f"{kind} {judge.counts[kind]}" for kind in kinds)
    print(
        f"{(time.monotonic() - started_s) / 60:.0f} minutes, {options.faults} faults ({happened}); "
        f"ledger {dict(causes)}; {judge.counts['heard']} words heard, {judge.counts['missed']} missed; "
        f"first word heard after a fault begins {np.median(deaf_s):.1f} s after it, {deaf_s.max():.1f} s at most; "
        f"threads, files and kB {first} and {last}; {len(judge.failures)} failures"
    )
    return 1 if judge.failures else 0


if __name__ == "__main__":
    sys.exit(main())
