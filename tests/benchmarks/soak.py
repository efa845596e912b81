"""Replays hours of audio through `keyword-detector listen -`, accelerated, and watches its memory.

    python tests/benchmarks/soak.py --hours 24

Ends with 1 if the resident memory at the end exceeds that after the first minute by more than 2.5 MB, or if a
sample was lost.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

DEMO = Path(__file__).parent.parent / "recordings" / "demo.flac"
TOLERANCE_KB = 2560
"""The allocator breathes by one to two megabytes, in the first hour as in the last."""


def resident_kb(pid: int) -> int:
    """Return the resident memory of a process, in kB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise RuntimeError("the process has ended")


def main() -> int:
    """Replay and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=24.0)
    options = parser.parse_args()
    demo, rate_hz = soundfile.read(DEMO, dtype="int16")
    noise = np.random.default_rng(0).standard_normal(60 * rate_hz - len(demo)) * 300
    minute = np.concatenate((demo, noise.astype(np.int16))).tobytes()
    n_minutes = round(60 * options.hours)
    command = [sys.executable, "-m", "detector", "listen", "-"]
    with tempfile.TemporaryFile("w+") as heard, tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=heard, stderr=log)
        assert process.stdin is not None
        started = time.monotonic()
        process.stdin.write(minute)
        process.stdin.write(minute)  # when this is written, the first minute has been heard
        first_kb = resident_kb(process.pid)
        for k in range(2, n_minutes):
            process.stdin.write(minute)
            if k % 60 == 0:
                print(f"{k // 60} h: {resident_kb(process.pid) / 1024:.1f} MB", flush=True)
        last_kb = resident_kb(process.pid)
        process.stdin.close()
        code = process.wait()
        elapsed_s = time.monotonic() - started
        heard.seek(0)
        log.seek(0)
        n_heard, end = len(heard.readlines()), log.read().splitlines()[-1]
    print(
        f"{options.hours:g} h in {elapsed_s:.0f} s: {first_kb / 1024:.1f} MB after a minute, {last_kb / 1024:.1f} MB "
        f"at the end, {n_heard} detections; {end}"
    )
    return 0 if code == 0 and last_kb - first_kb <= TOLERANCE_KB and " 0 gaps," in end else 1


if __name__ == "__main__":
    sys.exit(main())
