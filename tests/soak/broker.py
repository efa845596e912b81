"""Publishes to a broker that is killed, ended and suspended again and again, while words are said all the time.

    python tests/soak/broker.py --faults 50 --seed 1

The daemon and the broker are processes of their own, the audio comes faster than it would be spoken. Ends with 1 unless
each detection that was printed was delivered, or counted as dropped by the daemon; what is delivered twice, the text
being the same, is reported: the broker had it, and was killed before it confirmed it.

The daemon is suspended while the broker starts, until whoever compares has subscribed: a broker knows nobody then, and
what nobody has subscribed to is not kept.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import soundfile

sys.path.insert(0, str(Path(__file__).parent.parent))

from commands import end_started, start, wait_until
from mosquitto import Broker, Reader, running

TOPIC, AVAILABILITY = "home/ears/detection", "home/ears/availability"
RECORDING = Path(__file__).parent.parent / "recordings" / "demo.flac"
SPEED = 4
PIECE_S = 0.1
DOWN_S, UP_S = (0.0, 3.0), (0.2, 4.0)
KINDS = ("kill", "end", "hang")


class Daemon:
    """The detector, what it hears and what it prints."""

    def __init__(self, broker: Broker) -> None:
        command = ("listen", "-", "--json", "--mqtt", broker.url())
        self.process = start(*command, stdin=subprocess.PIPE, text=False)
        self.printed: list[float] = []
        """Times of detections."""
        self.log = ""
        self._is_over = threading.Event()
        self._threads = [threading.Thread(target=run) for run in (self._speak, self._print, self._keep_log)]
        for thread in self._threads:
            thread.start()

    def _speak(self) -> None:
        samples, rate_hz = soundfile.read(RECORDING, dtype="int16")
        n_piece = round(PIECE_S * rate_hz)
        with contextlib.suppress(BrokenPipeError), self.process.stdin as stdin:
            while not self._is_over.is_set():
                for first in range(0, len(samples), n_piece):
                    stdin.write(samples[first : first + n_piece].tobytes())
                    stdin.flush()
                    if self._is_over.wait(PIECE_S / SPEED):
                        return

    def _print(self) -> None:
        for line in self.process.stdout:
            self.printed.append(json.loads(line)["time_s"])

    def _keep_log(self) -> None:
        for line in self.process.stderr:
            self.log += line.decode()

    def finish(self) -> int:
        """End its input; return the exit code when it has ended."""
        self._is_over.set()
        for thread in self._threads:
            thread.join()
        return self.process.wait()


def happen(kind: str, broker: Broker, reader: Reader, daemon: Daemon, rng: random.Random) -> None:
    """Have something happen to the broker; return when it is there again, for the daemon too."""
    n_online = reader.of(AVAILABILITY).count("online")
    down_s = rng.uniform(*DOWN_S)
    if kind == "hang":
        broker.hang()
        time.sleep(down_s)
        broker.resume()
        return
    broker.kill() if kind == "kill" else broker.end()
    wait_until(lambda: not reader.is_ready)
    time.sleep(down_s)
    daemon.process.send_signal(signal.SIGSTOP)
    broker.start()
    wait_until(lambda: reader.is_ready)
    daemon.process.send_signal(signal.SIGCONT)
    wait_until(lambda: reader.of(AVAILABILITY).count("online") > n_online)


@contextlib.contextmanager
def _everything() -> Iterator[tuple[Broker, Reader, Daemon]]:
    with tempfile.TemporaryDirectory() as folder, running(Broker(Path(folder))) as broker, Reader(broker) as reader:
        try:
            yield broker, reader, Daemon(broker)
        finally:
            end_started()


def main() -> int:
    """Do it, and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faults", type=int, default=50, help="how many (%(default)s); 50 take four minutes")
    parser.add_argument("--seed", type=int, default=1, help="of the faults (%(default)s)")
    options = parser.parse_args()
    rng, happened = random.Random(options.seed), Counter[str]()
    with _everything() as (broker, reader, daemon):
        wait_until(lambda: reader.of(AVAILABILITY) == ["online"])
        for _ in range(options.faults):
            time.sleep(rng.uniform(*UP_S))
            kind = rng.choice(KINDS)
            happened[kind] += 1
            happen(kind, broker, reader, daemon, rng)
        code = daemon.finish()
        wait_until(lambda: reader.of(AVAILABILITY)[-1:] == ["offline"])
        delivered = Counter(reader.of(TOPIC))
    times = [json.loads(text)["time_s"] for text in delivered]
    found = re.findall(r"has not taken (\d+) detections", daemon.log)
    n_dropped = int(found[-1]) if found else 0
    missing = set(daemon.printed) - set(times)
    failures = [f"it ended with {code}"] if code else []
    failures += [f"{len(missing)} were not delivered, {n_dropped} dropped"] if len(missing) != n_dropped else []
    failures += ["something was delivered that was not printed"] if set(times) - set(daemon.printed) else []
    failures += ["one detection was delivered in two texts"] if len(set(times)) != len(times) else []
    for failure in failures:
        print(f"FAILED: {failure}")
    print(
        f"{options.faults} faults ({', '.join(f'{kind} {happened[kind]}' for kind in KINDS)}); "
        f"{len(daemon.printed)} detections printed, {len(times)} delivered, {delivered.total() - len(times)} of them "
        f"twice, {n_dropped} dropped; {len(daemon.log.splitlines())} lines of log; {len(failures)} failures"
    )
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
