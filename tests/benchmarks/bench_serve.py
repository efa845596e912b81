"""What serving costs, beside the detectors alone, as ratios within one run: streams in real time that a core serves.

python tests/benchmarks/bench_serve.py
"""

from __future__ import annotations

import asyncio
import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import soundfile
from wyoming.audio import AudioChunk, AudioStart
from wyoming.event import Event, write_event

from detector import Detector, load_model
from detector.cli.bench import cpu_s

DEMO = Path(__file__).parent.parent / "recordings" / "demo.flac"
N_CLIENTS = 50
STRIDE = 960
TICKS_HZ = os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Print how many streams in real time a core serves, by the length of their chunks, and what each takes."""
    samples = soundfile.read(DEMO, dtype="int16")[0]
    audio_s = N_CLIENTS * len(samples) / 16000
    alone = audio_s / cpu_s(lambda: detect_all(samples), n_repeats=3)
    print(f"{N_CLIENTS} detectors in one process, a stride at a time: {alone:.0f} streams in real time")
    server = subprocess.Popen(
        [sys.executable, "-m", "detector", "serve", "--uri", "tcp://127.0.0.1:0", "--log-level", "info"],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert server.stderr is not None
    port = int(next(line for line in server.stderr if "serving" in line).rpartition(":")[2])
    log = subprocess.Popen(["cat"], stdin=server.stderr, stdout=subprocess.DEVNULL)  # or it would wait to be read
    try:
        before_kb = memory_kb(server.pid)
        for chunk_s in (0.02, 0.064, 0.5):
            used_s = -cpu_of(server.pid)
            after_kb = asyncio.run(send_all(port, encode(samples, round(chunk_s * 16000)), server.pid))
            used_s += cpu_of(server.pid)
            served = audio_s / used_s
            print(
                f"in chunks of {1000 * chunk_s:.0f} ms: {served:.0f}, {served / alone:.2f} of the detectors alone; "
                f"a client's memory: {(after_kb - before_kb) / N_CLIENTS:.0f} kB at most"
            )
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait()
        log.wait()


def detect_all(samples: np.ndarray) -> None:
    """Detect in as many streams at once, a stride of one after that of another."""
    model = load_model("yes-no")
    detectors = [Detector(model) for _ in range(N_CLIENTS)]
    for first in range(0, len(samples), STRIDE):
        piece = samples[first : first + STRIDE]
        for detector in detectors:
            detector.feed(piece)


def encode(samples: np.ndarray, step: int) -> bytes:
    """Return what a client sends."""
    sent = io.BytesIO()
    write_event(AudioStart(16000, 2, 1).event(), sent)
    for first in range(0, len(samples), step):
        write_event(AudioChunk(16000, 2, 1, samples[first : first + step].tobytes()).event(), sent)
    write_event(Event("ping", {"text": "end"}), sent)
    return sent.getvalue()


async def send_all(port: int, sent: bytes, pid: int) -> int:
    """Send as many clients' sound at once, and return the server's memory, in kB, while all are there."""
    clients = [await asyncio.open_connection("127.0.0.1", port) for _ in range(N_CLIENTS)]
    await asyncio.gather(*(send(*client, sent) for client in clients))
    found = memory_kb(pid)
    for _, writer in clients:
        writer.close()
    return found


async def send(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, sent: bytes) -> None:
    writer.write(sent)
    while b'"pong"' not in await reader.readline():
        pass


def cpu_of(pid: int) -> float:
    """Return the seconds of CPU that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_HZ


def memory_kb(pid: int) -> int:
    """Return the resident memory of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1])


if __name__ == "__main__":
    main()
