"""SIGTERM and Ctrl-C end a command with 0 wherever it is: as it imports, opens a device, writes or waits."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import subprocess

import numpy as np
import pytest
import soundfile
from commands import (
    ENVIRONMENT,
    end,
    ended,
    patched,
    run,
    start,
    wait_until_listening,
    wait_until_says,
)
from pulse import virtual_microphone

AT_IMPORT = """
import os, signal, sys
n_imports = 0
class Finder:
    def find_spec(self, name, path=None, target=None):
        global n_imports
        if signal.getsignal(signal.{signal}) not in (signal.SIG_DFL, signal.default_int_handler):
            n_imports += 1
            if n_imports == {n}:
                try:
                    os.kill(os.getpid(), signal.{signal})
                    sum(range(10000))  # a signal is handled between two instructions
                except BaseException:
                    pass  # as an import of somebody else's may
sys.meta_path.insert(0, Finder())
"""


@pytest.mark.parametrize("number", ["SIGTERM", "SIGINT"])
@pytest.mark.parametrize("n", [1, 2, 5, 20, 60, 120])
def test_a_signal_during_imports_ends_the_command(number, n):
    finished = run("check", command=patched(AT_IMPORT.format(signal=number, n=n)))
    assert (finished.returncode, finished.stdout, finished.stderr) == (0, "", "")


HANG = """
import sys, time
from detector.audio import microphone, recordings
def hang(*_):
    print("hangs", file=sys.stderr, flush=True)
    time.sleep(1000)
microphone.Microphone.{method} = hang
"""


@pytest.mark.microphone
@pytest.mark.parametrize("method", ["__enter__", "read", "__exit__"])
def test_a_sound_system_that_hangs_keeps_no_command_from_ending(microphone, method):
    with ended(start("listen", command=patched(HANG.format(method=method)), env=microphone.environment)) as process:
        if method == "__exit__":
            wait_until_listening(process)
        else:
            wait_until_says(process, "hangs")
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert "Traceback" not in process.stderr.read()


@pytest.mark.microphone
@pytest.mark.parametrize("arguments", [["listen"], ["devices"], ["check", "--device", "default"]])
def test_a_sound_server_that_hangs_keeps_no_command_from_ending(tmp_path, arguments):
    with virtual_microphone(tmp_path) as own:
        own.hang()
        try:
            with ended(start(*arguments, env=own.environment | {"PYTHONVERBOSE": "1"})) as process:
                wait_until_says(process, "sounddevice")  # as it is imported
                process.send_signal(signal.SIGTERM)
                process.stderr.read()
                assert process.wait(20) == 0
        finally:
            own.resume()


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_reader_that_does_not_read_keeps_no_command_from_ending(demo_file, stream):
    """Whichever stream is full, and whatever the command is about to write when the signal comes."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    options = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, stream: writing}
    with ended(start("detect", *[demo_file] * 200, **options)) as process, open(reading, "rb", buffering=0) as pipe:
        os.close(writing)
        assert pipe.read(1)  # it has begun
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


@pytest.mark.parametrize("arguments", [["listen", "FILE"], ["listen", "-"], ["detect", *["FILE"] * 50], ["bench"]])
def test_a_second_signal_changes_nothing(tmp_path, arguments):
    soundfile.write(tmp_path / "a.wav", np.zeros(16000 * 600, dtype=np.int16), 16000)
    arguments = [tmp_path / "a.wav" if argument == "FILE" else argument for argument in arguments]
    with ended(start(*arguments, stdin=subprocess.PIPE, env=ENVIRONMENT | {"PYTHONVERBOSE": "1"})) as process:
        wait_until_says(process, "detector.core.model")
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
            process.send_signal(number)
        process.communicate(timeout=20)
        assert process.returncode == 0


def test_a_terminal_that_hung_up_is_an_end_and_no_full_disk(demo_file):
    terminal, command_side = pty.openpty()
    process = start("listen", demo_file, stdin=subprocess.DEVNULL, stdout=command_side)
    os.close(command_side)
    with ended(process):
        assert b"yes" in os.read(terminal, 1000)
        os.close(terminal)
        assert process.wait(30) == 0
        assert "expected to write" not in process.stderr.read()


def test_where_threads_are_is_logged_on_request():
    with ended(start("listen", "-", stdin=subprocess.PIPE)) as process:
        wait_until_listening(process)
        for _ in range(3):
            process.send_signal(signal.SIGUSR1)
            assert "capture.py" in wait_until_says(process, "thread capture: ")
        end(process)
