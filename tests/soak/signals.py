"""Asks commands to end at random moments, from the first on, by SIGTERM or Ctrl-C.

    python tests/soak/signals.py --runs 200 --seed 1

Each has to end with 0; but one that Python does not look after signals for yet, as /proc says, may be ended by the
signal. Where PulseAudio is installed, a server holds a virtual microphone and hangs now and then. Ends with 1, and says
which did not; how many took more than a second is reported alone, as a machine that is starved of time takes longer.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from commands import ENVIRONMENT, KEYWORD_DETECTOR
from pulse import VirtualMicrophone, missing_programs, virtual_microphone

DEMO = str(Path(__file__).parent.parent / "recordings/demo.flac")
COMMANDS = (
    ["listen", "-", "--record", "FOLDER"],
    ["listen", DEMO],
    ["detect", *[DEMO] * 50],
    ["bench"],
    ["check"],
)
OF_MICROPHONES = (["listen"], ["listen", "--record", "FOLDER"], ["devices"], ["check", "--device", "default"])
LATEST_S = 2.0
ENDS_WITHIN_S = 1.0
GIVEN_UP_AFTER_S = 20.0


def is_looked_after(pid: int) -> bool:
    """Return whether a process catches SIGTERM."""
    with contextlib.suppress(FileNotFoundError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("SigCgt:"):
                return bool(int(line.split()[1], 16) >> (signal.SIGTERM - 1) & 1)
    return False


def ask_to_end(
    command: list[str], at_s: float, number: signal.Signals, environment: dict[str, str]
) -> tuple[str, float]:
    """Start a command, ask it to end after a time; return what is wrong, if anything, and how long it took."""
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    process = subprocess.Popen([*KEYWORD_DETECTOR, *command], env=environment, **streams)
    with process:
        try:
            time.sleep(at_s)
            was_looked_after, has_ended = is_looked_after(process.pid), process.poll() is not None
            sent_s = time.monotonic()
            process.send_signal(number)
            code = process.wait(GIVEN_UP_AFTER_S)
        except subprocess.TimeoutExpired:
            return "did not end", GIVEN_UP_AFTER_S
        finally:
            process.kill()
        took_s = time.monotonic() - sent_s
        log = process.stderr.read().decode(errors="replace").strip()
    if has_ended or code == 0 or (not was_looked_after and code == -number):
        return "", took_s
    return f"ended with {code}: {log[-200:]}", took_s


@contextlib.contextmanager
def hanging_now_and_then(microphone: VirtualMicrophone, rng: random.Random) -> Iterator[None]:
    """Stop the sound server where it is for a time, again and again."""
    is_over = threading.Event()

    def run() -> None:
        while not is_over.wait(rng.uniform(0.2, 2.0)):
            microphone.hang()
            is_over.wait(rng.uniform(0.5, 3.0))
            microphone.resume()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def main() -> int:
    """Run the soak."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=200, metavar="N")
    parser.add_argument("--seed", type=int, default=1, metavar="N")
    options = parser.parse_args()
    rng = random.Random(options.seed)
    commands, environment, n_failures, took = COMMANDS, ENVIRONMENT, 0, []
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        if not missing_programs():
            microphone = stack.enter_context(virtual_microphone(Path(folder)))
            commands, environment = (*COMMANDS, *OF_MICROPHONES), microphone.environment
            stack.enter_context(hanging_now_and_then(microphone, random.Random(options.seed)))
        for run in range(options.runs):
            command = [argument.replace("FOLDER", f"{folder}/kept") for argument in rng.choice(commands)]
            at_s, number = rng.uniform(0, LATEST_S), rng.choice((signal.SIGTERM, signal.SIGINT))
            wrong, took_s = ask_to_end(command, at_s, number, environment)
            took.append(took_s)
            if wrong:
                n_failures += 1
                print(f"run {run}: {' '.join(command)[:60]} at {at_s:.3f} s, {number.name}: {wrong}", flush=True)
    n_late = sum(took_s > ENDS_WITHIN_S for took_s in took)
    print(f"{options.runs} runs, {n_late} took more than a second, {max(took):.2f} s at most, {n_failures} failures")
    return int(n_failures > 0)


if __name__ == "__main__":
    sys.exit(main())
