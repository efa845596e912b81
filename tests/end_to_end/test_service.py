"""The daemon under a supervisor: readiness, watchdog, settings read anew, outputs that nobody reads."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import signal
import subprocess
import threading
import time

import numpy as np
import pytest
import soundfile
from commands import (
    ENVIRONMENT,
    WITHIN_S,
    assert_one_line,
    end,
    ended,
    keywords,
    patched,
    run,
    start,
    wait_until_idle,
    wait_until_listening,
    wait_until_says,
)
from pulse import virtual_microphone
from supervisor import WATCHDOG_S


class Feeder:
    """Writes samples to a process as fast as they are spoken, while it is told to."""

    def __init__(self, process, samples):
        self.is_on = True
        self._process, self._samples = process, samples
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._feed)
        self._thread.start()

    def _feed(self):
        with contextlib.suppress(BrokenPipeError, ValueError):
            for first in range(0, len(self._samples), 800):
                while not self.is_on and not self._stop.is_set():
                    time.sleep(0.01)
                if self._stop.wait(0.05):
                    return
                self._process.stdin.buffer.write(self._samples[first : first + 800].tobytes())
                self._process.stdin.buffer.flush()

    def close(self):
        self._stop.set()
        self._thread.join(WITHIN_S)


def test_it_is_ready_with_the_first_window_and_pings_while_samples_come_and_are_scored(supervisor, rng):
    noise = (rng.standard_normal(16000 * 60) * 100).astype("<i2")
    process = start("listen", "-", stdin=subprocess.PIPE, env=ENVIRONMENT | supervisor.environment_with_watchdog)
    wait_until_listening(process)
    wait_until_idle(process)
    assert supervisor.count("READY=1") == supervisor.count("WATCHDOG=1") == 0  # nothing was heard
    feeder = Feeder(process, noise)
    try:
        supervisor.wait_for("READY=1")
        supervisor.wait_for("WATCHDOG=1", n_times=3)
        feeder.is_on = False  # nobody speaks, nobody listens: no sign of life
        wait_until_idle(process)
        time.sleep(WATCHDOG_S)  # for what was scored before
        silent_since_s = time.monotonic()
        time.sleep(2 * WATCHDOG_S)
        assert supervisor.count("WATCHDOG=1", silent_since_s) == 0
        feeder.is_on = True
        supervisor.wait_for("WATCHDOG=1", since_s=time.monotonic())
    finally:
        feeder.close()
        end(process)
    supervisor.wait_for("STOPPING=1")
    assert supervisor.count("READY=1") == 1
    assert supervisor.count("STATUS=listening: stdin") >= 1


def test_a_model_that_stands_still_is_no_sign_of_life(supervisor, rng, tmp_path):
    frozen = tmp_path / "frozen"
    code = (
        "import pathlib, time\n"
        "from detector.core import model\n"
        "score = model.Model.score\n"
        "def freeze(self, features):\n"
        f"    while pathlib.Path({str(frozen)!r}).exists(): time.sleep(0.01)\n"
        "    return score(self, features)\n"
        "model.Model.score = freeze\n"
    )
    process = start(
        "listen",
        "-",
        command=patched(code),
        stdin=subprocess.PIPE,
        env=ENVIRONMENT | supervisor.environment_with_watchdog,
    )
    wait_until_listening(process)
    feeder = Feeder(process, (rng.standard_normal(16000 * 60) * 100).astype("<i2"))
    try:
        supervisor.wait_for("WATCHDOG=1")
        frozen.touch()
        time.sleep(WATCHDOG_S)
        since_s = time.monotonic()
        time.sleep(2 * WATCHDOG_S)
        assert supervisor.count("WATCHDOG=1", since_s) == 0
        frozen.unlink()
        supervisor.wait_for("WATCHDOG=1", since_s=time.monotonic())
    finally:
        frozen.unlink(missing_ok=True)
        feeder.close()
        end(process)


@pytest.mark.microphone
def test_a_microphone_that_is_away_is_no_sign_of_life(supervisor, tmp_path):
    folder = tmp_path / "server"
    folder.mkdir()
    with virtual_microphone(folder) as own:
        process = start("listen", env=own.environment | supervisor.environment_with_watchdog)
        try:
            wait_until_listening(process)
            supervisor.wait_for("READY=1")
            supervisor.wait_for("WATCHDOG=1")
            own.control("suspend-source", "vmic", "1")
            own.control("suspend-sink", "vspk", "1")
            wait_until_says(process, "waiting for it to come back")
            supervisor.wait_for("STATUS=recovering: default")
            since_s = time.monotonic()
            time.sleep(2 * WATCHDOG_S)
            assert supervisor.count("WATCHDOG=1", since_s) == 0
            own.control("suspend-sink", "vspk", "0")
            own.control("suspend-source", "vmic", "0")
            supervisor.wait_for("WATCHDOG=1", since_s=time.monotonic())
            assert supervisor.count("READY=1") == 1
        finally:
            end(process)


def test_settings_are_read_anew_without_losing_a_sample(supervisor, demo_samples, demo_words, tmp_path):
    settings = tmp_path / "settings.toml"
    settings.write_text("json = true\nthreshold = 1.0\n")
    process = start(
        "listen",
        "-",
        "--config",
        settings,
        stdin=subprocess.PIPE,
        env=ENVIRONMENT | supervisor.environment_with_watchdog,
    )
    wait_until_listening(process)
    stretch = demo_samples[: 6 * 16000].tobytes()

    def say():
        process.stdin.buffer.write(stretch)
        process.stdin.buffer.flush()
        wait_until_idle(process)

    def reload(text):
        settings.write_text(text)
        process.send_signal(signal.SIGHUP)

    say()  # nothing reaches a score of 1
    reload("json = true\n")
    assert "settings were read anew" in wait_until_says(process, "settings")
    say()
    for text, why in [
        ("json = tru\n", "Invalid value"),
        ("#" * 10**6, "more than 64 kB"),
        ("log_level = 3\n", "expected log_level to be debug, info, warning or error, found 3"),
        ("json = true\nvolume = 3\n", "volume"),
        ('json = true\nwords = ["maybe"]\n', "maybe"),
        ('json = true\nmodel = "yes-no-tiny"\n', "expected models with the same stride_s"),
        ("a = " + 10_000 * "[", "expected TOML"),
    ]:
        reload(text)
        line = wait_until_says(process, "settings")
        assert "settings stay as they were" in line
        assert why in line
    say()
    reload(f'json = true\nwords = ["{demo_words[0]}"]\n')
    wait_until_says(process, "settings were read anew")
    say()
    stdout, stderr = end(process)
    heard = [json.loads(line) for line in stdout.splitlines()]
    first, second = demo_words[:2]
    assert [line["keyword"] for line in heard] == [first, second, first, second, first]
    # Each stretch is heard where it stands: no sample came twice or was lost.
    times = [line["time_s"] for line in heard]
    assert times[2] - times[0] == pytest.approx(6.0, abs=0.061)
    assert times[4] - times[2] == pytest.approx(6.0, abs=0.061)
    assert "24.0 s of audio; 0 gaps" in stderr
    told = [text.split("\n")[0] for _, text in supervisor.messages if text.startswith(("READY=", "RELOADING="))]
    assert told == ["READY=1", *(["RELOADING=1", "READY=1"] * 9)]


def test_settings_that_are_no_file_are_refused_at_once_and_a_signal_is_answered(tmp_path):
    settings = tmp_path / "settings.toml"
    settings.write_text("json = true\n")
    with ended(start("listen", "-", "--config", settings, stdin=subprocess.PIPE)) as process:
        wait_until_listening(process)
        for make, why in [
            (lambda: os.mkfifo(settings), "a named pipe, not a file"),
            (settings.mkdir, "a folder, not a file"),
            (lambda: settings.symlink_to("/dev/zero"), "a device, not a file"),
            (lambda: settings.symlink_to(settings), "symbolic links"),
        ]:
            settings.rename(tmp_path / why)
            make()
            process.send_signal(signal.SIGHUP)
            assert why in wait_until_says(process, "settings stay as they were")
        end(process)
    os.mkfifo(tmp_path / "pipe")
    for other in (tmp_path / "pipe", "/dev/zero"):
        assert_one_line(run("listen", "-", "--config", other), 78, "cannot be read")


def test_a_hangup_before_anything_was_heard_says_nothing_of_readiness(supervisor, tmp_path):
    settings = tmp_path / "settings.toml"
    settings.write_text("json = true\n")
    process = start(
        "listen",
        "-",
        "--config",
        settings,
        stdin=subprocess.PIPE,
        env=ENVIRONMENT | supervisor.environment_with_watchdog,
    )
    wait_until_listening(process)
    process.send_signal(signal.SIGHUP)
    wait_until_says(process, "settings were read anew")
    process.send_signal(signal.SIGUSR2)
    assert "nothing is recorded" in wait_until_says(process, "kept")
    end(process)
    assert not supervisor.count("READY=1")


@pytest.mark.microphone
def test_a_capture_thread_that_stands_still_gives_no_sign_of_life_and_ends_the_daemon(microphone, supervisor):
    """Under a supervisor it is restarted then; without one, by whoever started it: it never stays deaf."""
    program = f"""
import sys, time
from detector.audio import capture, microphone
capture.STUCK_AFTER_S = {2 * WATCHDOG_S}
started_s = time.monotonic()
read = microphone.Microphone.read
def freeze(self):
    if time.monotonic() - started_s > 4:
        time.sleep(1000)
    return read(self)
microphone.Microphone.read = freeze
"""
    environment = microphone.environment | supervisor.environment_with_watchdog
    with ended(start("listen", command=patched(program), env=environment)) as process:
        supervisor.wait_for("READY=1")
        supervisor.wait_for("WATCHDOG=1")
        assert "capture thread stuck" in wait_until_says(process, "stuck")
        assert process.wait(WITHIN_S) == 70
        ended_s = time.monotonic()
    pings = [when for when, text in supervisor.messages if text == "WATCHDOG=1"]
    assert ended_s - pings[-1] >= WATCHDOG_S


@pytest.mark.microphone
def test_the_status_of_a_minute_names_all_there_is_to_know(microphone):
    program = """
from detector.daemon import status
status.STATUS_EVERY_S = 2.0
"""
    with ended(start("listen", command=patched(program), env=microphone.environment)) as process:
        line = wait_until_says(process, "status:")
        line = wait_until_says(process, "status:")
    pattern = (
        r"status: (listening|silent|starting); up \d+ s, processed \d+ s, \d+\.\d decisions a second, "
        r"0 windows dropped, windows widened \d+ times, 0 gaps, 0\.00 s lost, "
        r"detections: yes 0, no 0, \d+\.\d % CPU, \d+ MB"
    )
    assert re.search(pattern, line), line


@pytest.mark.microphone
def test_states_and_the_status_of_a_minute_are_events(microphone):
    program = """
from detector.daemon import status
status.STATUS_EVERY_S = 2.0
"""
    arguments = ["listen", "--json", "--events", "--name", "kitchen"]
    with ended(start(*arguments, command=patched(program), env=microphone.environment)) as process:
        lines = []
        while not lines or (lines[-1]["event"], lines[-1]["state"]) != ("status", "listening"):
            lines.append(json.loads(process.stdout.readline()))
    states = [(line["before"], line["state"]) for line in lines if line["event"] == "state"]
    assert states == [("starting", "listening")]
    assert lines[-1]["detections"] == {"yes": 0, "no": 0}
    assert lines[-1]["processed_s"] > 0
    assert {line["source_id"] for line in lines} == {"kitchen"}


def test_a_hangup_ends_a_daemon_without_a_settings_file():
    def be_attached():
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # these tests may run under nohup

    process = start("listen", "-", stdin=subprocess.PIPE, preexec_fn=be_attached)
    wait_until_listening(process)
    process.send_signal(signal.SIGHUP)
    assert process.wait(WITHIN_S) == -signal.SIGHUP
    process.communicate()


def fill(pipe):
    """Fill the write end of a pipe that nobody reads; return how much went in."""
    n_written = 0
    fcntl.fcntl(pipe, fcntl.F_SETFL, os.O_NONBLOCK)
    with contextlib.suppress(BlockingIOError):
        while True:
            n_written += os.write(pipe, b"\n" * 4096)
    fcntl.fcntl(pipe, fcntl.F_SETFL, 0)
    return n_written


@pytest.mark.parametrize(("arguments", "code"), [(["--words", "maybe"], 78), (["--no-recover"], 69)])
def test_a_log_that_nobody_reads_from_the_start_holds_up_nothing(arguments, code, tmp_path):
    nobody, log = os.pipe()
    fill(log)
    nowhere = ENVIRONMENT | {"PULSE_SERVER": f"unix:{tmp_path / 'none'}"}
    process = start("listen", "--false-accepts-per-hour", 3, *arguments, stderr=log, env=nowhere)
    with ended(process):
        assert process.wait(WITHIN_S) == code
    os.close(nobody)
    os.close(log)


@pytest.mark.microphone
def test_outputs_that_nobody_reads_do_not_hold_up_hearing(microphone, demo_samples, demo_words, tmp_path):
    wav = tmp_path / "words.wav"
    soundfile.write(wav, np.concatenate((demo_samples[: 6 * 16000], np.zeros(8000, dtype=np.int16))), 16000)
    pipes = [os.pipe(), os.pipe()]
    process = start(
        "listen", "--json", "--log-level", "debug", env=microphone.environment, stdout=pipes[0][1], stderr=pipes[1][1]
    )
    log = os.fdopen(pipes[1][0])
    for line in log:
        if "listening to" in line:
            break
    junk = 0
    for _, write_end in pipes:  # both are full from now on
        junk += fill(write_end)
        os.close(write_end)
    for _ in range(2):
        microphone.play(wav)
    time.sleep(1)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    # Read at last, it has heard everything.
    with os.fdopen(pipes[0][0]) as output:
        stdout = output.read()
    assert process.wait(WITHIN_S) == 0
    assert junk >= 2 * 4096
    log.close()
    assert keywords(stdout.lstrip("\n")) == demo_words[:2] * 2
