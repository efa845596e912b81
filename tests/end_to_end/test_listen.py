"""The daemon as it runs: a microphone, a recording in real time, standard input; and how it ends."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from commands import (
    KEYWORD_DETECTOR,
    WITHIN_S,
    assert_one_line,
    end,
    ended,
    keywords,
    read_until_heard,
    run,
    start,
    wait_until,
    wait_until_listening,
)
from pulse import virtual_microphone

SIGNALS = [signal.SIGINT, signal.SIGTERM]


@pytest.mark.microphone
def test_words_played_into_a_microphone_are_printed_in_order(
    microphone, supervisor, demo_samples, demo_words, tmp_path
):
    wav = tmp_path / "demo.wav"
    soundfile.write(wav, np.concatenate((demo_samples, np.zeros(16000, dtype=np.int16))), 16000)
    with ended(start("listen", "--json", env=microphone.environment | supervisor.environment)) as process:
        supervisor.wait_until_ready()  # what is played before the first window may be lost
        microphone.play(wav)
        stdout = read_until_heard(process, len(demo_words))
        rest, stderr = end(process)
    assert keywords(stdout + rest) == demo_words
    assert "0 gaps, 0.00 s lost" in stderr
    first = json.loads(stdout.splitlines()[0])
    assert first["source"] == "default"
    assert first["at"] is not None


@pytest.mark.microphone
def test_devices_are_listed_and_the_default_is_marked(microphone):
    finished = run("devices", env=microphone.environment)
    assert finished.returncode == 0
    assert any(line.startswith("*") and "default" in line for line in finished.stdout.splitlines())


@pytest.mark.microphone
def test_check_tells_what_the_microphone_delivers(microphone):
    finished = run("check", "--device", "pulse", env=microphone.environment)
    assert finished.returncode == 0
    assert "microphone pulse at 16000 Hz" in finished.stdout


@pytest.mark.microphone
def test_a_microphone_that_is_lost_is_69_if_it_shall_not_be_waited_for(supervisor, tmp_path):
    with (
        virtual_microphone(tmp_path) as own,
        ended(start("listen", "--no-recover", env=own.environment | supervisor.environment)) as process,
    ):
        supervisor.wait_until_ready()
        own.control("suspend-source", "vmic", "1")
        own.control("suspend-sink", "vspk", "1")
        stdout, stderr = process.communicate(timeout=WITHIN_S)
    assert process.returncode == 69
    assert stdout == ""
    assert "unplugged or suspended?" in stderr or "found it lost" in stderr
    _, totals, _ = stderr.splitlines()
    assert "stopped after" in totals


def test_a_recording_in_real_time_is_heard_as_a_fast_one(demo_samples, tmp_path):
    soundfile.write(tmp_path / "a.wav", demo_samples[: 6 * 16000], 16000)
    fast = run("detect", "--json", tmp_path / "a.wav")
    slow = run("listen", "--json", tmp_path / "a.wav")
    assert slow.stdout == fast.stdout
    assert len(keywords(fast.stdout)) == 2


def test_another_rate_in_real_time_is_heard_as_a_fast_one(demo_samples, tmp_path):
    import soxr

    soundfile.write(tmp_path / "a.wav", soxr.resample(demo_samples[: 6 * 16000] / 32768.0, 16000, 44100), 44100)
    assert run("listen", "--json", tmp_path / "a.wav").stdout == run("detect", "--json", tmp_path / "a.wav").stdout


def test_a_pipe_that_is_faster_than_real_time_loses_nothing(detector, demo_samples):
    stream = np.concatenate([demo_samples] * 4)
    expected = detector.feed(stream) + detector.feed(np.zeros(16000, dtype=np.int16))
    finished = run("listen", "-", "--json", input=stream.tobytes())
    assert keywords(finished.stdout) == [detection.keyword for detection in expected]
    assert "0 gaps, 0.00 s lost" in finished.stderr
    detected = [json.loads(line) for line in finished.stdout.splitlines()]
    assert all(d["source"] == "stdin" and d["at"] is not None for d in detected)


def test_a_detector_with_a_name_has_it_in_its_detections_and_its_log(demo_samples):
    options = ["--json", "--name", "kitchen", "--log-format", "json"]
    finished = run("listen", "-", *options, input=demo_samples[: 6 * 16000].tobytes())
    assert [json.loads(line)["source_id"] for line in finished.stdout.splitlines()] == ["kitchen", "kitchen"]
    first, last = map(json.loads, finished.stderr.splitlines())
    assert list(first) == ["time", "level", "logger", "message", "source_id"]
    assert (first["level"], first["logger"], first["source_id"]) == ("info", "detector.daemon.status", "kitchen")
    assert first["message"].startswith("listening to stdin for yes, no with yes-no on ")
    assert last["message"] == "stopped after 7.0 s of audio; 0 gaps, 0.00 s lost"


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_ends_the_daemon_with_0_while_it_listens(number):
    process = start("listen", "-", stdin=subprocess.PIPE)
    wait_until_listening(process)
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=WITHIN_S)
    assert (process.returncode, stdout) == (0, "")
    assert "Traceback" not in stderr


IMPORTS = [
    "detector.cli.parser",
    "detector.daemon.daemon",
    "numpy",
    "ai_edge_litert.interpreter",
    "detector.daemon.listen",
]


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("module", IMPORTS)
def test_a_signal_during_the_start_ends_it_quietly(number, module):
    code = (
        "import os, sys\n"
        "class Finder:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name == {module!r}: os.kill(os.getpid(), {int(number)})\n"
        "from detector.__main__ import main\n"
        "sys.meta_path.insert(0, Finder())\n"
        "main()\n"
    )
    finished = run("listen", "-", command=[sys.executable, "-c", code], stdin=subprocess.PIPE, timeout=WITHIN_S)
    assert (finished.returncode, finished.stdout, finished.stderr) == (0, "", "")


@pytest.mark.parametrize("number", SIGNALS)
def test_a_second_signal_while_it_ends_changes_nothing(number):
    process = start("listen", "-", stdin=subprocess.PIPE)
    wait_until_listening(process)
    for _ in range(100):
        process.send_signal(number)
        time.sleep(0.005)
    process.communicate(timeout=WITHIN_S)
    assert process.returncode == 0


def test_a_stdout_that_nobody_reads_does_not_hold_up_the_end(demo_samples):
    read_end, write_end = os.pipe()
    fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, 4096)
    process = start("listen", "-", "--json", stdin=subprocess.PIPE, stdout=write_end)
    os.close(write_end)
    wait_until_listening(process)
    feeder = threading.Thread(target=feed, args=(process, demo_samples.tobytes(), 30), daemon=True)
    feeder.start()
    deadline_s = time.monotonic() + WITHIN_S
    while not is_blocked_in_a_pipe_write(process.pid) and time.monotonic() < deadline_s:
        time.sleep(0.1)
    assert is_blocked_in_a_pipe_write(process.pid)
    process.send_signal(signal.SIGTERM)
    assert process.wait(WITHIN_S) == 0
    os.close(read_end)
    feeder.join(WITHIN_S)
    process.stderr.close()


def feed(process, samples, n_times):
    with contextlib.suppress(BrokenPipeError), process.stdin.buffer as pipe:
        for _ in range(n_times):
            pipe.write(samples)


def is_blocked_in_a_pipe_write(pid):
    with open(f"/proc/{pid}/wchan") as file:
        if "pipe_write" in file.read():
            return True
    # Where the kernel does not tell: the main thread sleeps, and has done nothing for a while.
    with open(f"/proc/{pid}/stat") as file:
        before = file.read().rpartition(")")[2].split()
    time.sleep(1.0)
    with open(f"/proc/{pid}/stat") as file:
        after = file.read().rpartition(")")[2].split()
    return int(before[11]) > 30 and before[11] == after[11]


@pytest.mark.microphone
@pytest.mark.parametrize("is_hung_before", [True, False])
def test_a_sound_server_that_hangs_does_not_hold_up_the_end(supervisor, tmp_path, is_hung_before):
    with virtual_microphone(tmp_path) as own:
        if is_hung_before:
            own.hang()
        environment = own.environment | supervisor.environment
        with ended(start("listen", "--no-recover", env=environment, stderr=subprocess.STDOUT)) as process:
            try:
                if is_hung_before:
                    time.sleep(2)  # nothing can be seen of it from outside
                    process.send_signal(signal.SIGTERM)
                    assert process.wait(WITHIN_S) in (0, 70)
                else:
                    supervisor.wait_until_ready()
                    own.hang()
                    assert process.wait(WITHIN_S) == 69
            finally:
                own.resume()
            assert "Traceback" not in process.stdout.read()


@pytest.mark.microphone
@pytest.mark.parametrize("command", [("devices",), ("check", "--device", "default")])
def test_a_sound_server_that_hangs_is_one_line_and_69_for_who_asks_it(tmp_path, command):
    with virtual_microphone(tmp_path) as own:
        own.hang()
        try:
            finished = run(*command, env=own.environment)
        finally:
            own.resume()
    assert_one_line(finished, 69, "expected the sound server to answer", "hung")


@pytest.mark.microphone
def test_a_sound_server_that_is_killed_is_one_line_and_69(supervisor, tmp_path):
    with (
        virtual_microphone(tmp_path) as own,
        ended(start("listen", "--no-recover", env=own.environment | supervisor.environment)) as process,
    ):
        supervisor.wait_until_ready()
        own.kill()
        stdout, stderr = process.communicate(timeout=WITHIN_S)
    assert (process.returncode, stdout) == (69, "")
    _, totals, _ = stderr.splitlines()
    assert "stopped after" in totals


@pytest.mark.microphone
def test_a_process_that_stood_still_for_a_while_goes_on_listening(microphone, supervisor, words, demo_words):
    with ended(start("listen", "--json", env=microphone.environment | supervisor.environment)) as process:
        supervisor.wait_until_ready()
        process.send_signal(signal.SIGSTOP)
        time.sleep(3)
        process.send_signal(signal.SIGCONT)
        assert process.poll() is None
        microphone.play(words)
        stdout = read_until_heard(process, 2) + end(process)[0]
    assert keywords(stdout) == demo_words[:2]


def test_a_signal_ends_detect_too(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(16000 * 3600, dtype=np.int16), 16000)
    with ended(start("detect", *[tmp_path / "a.wav"] * 20)) as process:
        wait_until(lambda: has_open(process, tmp_path / "a.wav"))
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=WITHIN_S)
        assert process.returncode == 0
        assert "Traceback" not in stderr


def has_open(process, file):
    assert process.poll() is None
    opened = []
    for link in Path(f"/proc/{process.pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed in the meantime
            opened.append(link.readlink())
    return file in opened


def test_silence_for_a_while_keeps_the_memory_where_it_is():
    """Ten minutes of audio through a pipe, then an hour more: resident memory stays where it is."""
    read_end, write_end = os.pipe()
    process = subprocess.Popen(
        [*KEYWORD_DETECTOR, "listen", "-"], stdin=read_end, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    os.close(read_end)
    minute = (np.random.default_rng(0).standard_normal(16000 * 60) * 500).astype("<i2").tobytes()

    def resident_kb():
        with open(f"/proc/{process.pid}/status") as status:
            return int(next(line.split()[1] for line in status if line.startswith("VmRSS")))

    with open(write_end, "wb") as pipe:
        for _ in range(10):
            pipe.write(minute)
        before_kb = resident_kb()
        for _ in range(60):
            pipe.write(minute)
        after_kb = resident_kb()
    assert process.wait(WITHIN_S) == 0
    # 60,000 windows: a leak of 64 bytes a window would show; the allocator itself breathes by a megabyte.
    assert after_kb - before_kb < 3072


def test_the_other_verbs_answer_on_stdout(demo_file):
    models = run("models")
    assert models.returncode == 0
    rows = [line.split() for line in models.stdout.splitlines()]
    assert [row[0] for row in rows] == ["commands", "yes-no", "yes-no-tiny"]
    assert rows[1][1:4] == ["yes,no", "78", "kB"]
    assert len({line.index(" kB ") for line in models.stdout.splitlines()}) == 1  # in columns
    check = run("check", "--json", "--threshold", "yes=0.9")
    assert json.loads(check.stdout)["words"]["yes"] == 0.9
    bench = json.loads(run("bench", "--json", "--seconds", "5").stdout)
    assert set(bench) == {
        "real_time_factor",
        "cpu_percent",
        "hops_per_second",
        "frontend_us",
        "model_us",
        "decision_us",
        "resident_mb",
    }
    assert bench["hops_per_second"] >= 10
    help_ = run("--help")
    assert (help_.returncode, help_.stderr) == (0, "")
    for verb in ("listen", "detect", "devices", "models", "check", "bench"):
        assert verb in help_.stdout
        assert run(verb, "--help").returncode == 0
    assert run("--version").stdout.startswith("keyword-detector ")


def test_two_detectors_do_not_disturb_each_other(demo_file, demo_words):
    results = []
    threads = [
        threading.Thread(target=lambda: results.append(keywords(run("detect", "--json", demo_file).stdout)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WITHIN_S)
    assert results == [demo_words, demo_words]
