"""What a daemon does when its microphone goes away, on a real sound server."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time

import pytest
from commands import ended, keywords, run, start, wait_until_listening, wait_until_says
from pulse import virtual_microphone

pytestmark = pytest.mark.microphone


@contextlib.contextmanager
def listening(environment, *arguments):
    """A daemon that prints events and is stopped at the end."""
    with ended(start("listen", "--json", "--events", *arguments, env=environment)) as process:
        yield process


def stop(process):
    """Stop a daemon; return the words it heard, the gaps it saw and the lines it wrote since."""
    process.send_signal(signal.SIGTERM)
    stdout, stderr = process.communicate(timeout=10)
    assert process.returncode == 0
    lines = [json.loads(line) for line in stdout.splitlines()]
    heard = [line["keyword"] for line in lines if "keyword" in line]
    return heard, [line for line in lines if line.get("event") == "gap"], stderr.splitlines()


def test_a_sound_server_that_is_killed_and_comes_back_is_heard_again(tmp_path, words, demo_words):
    folder = tmp_path / "server"
    folder.mkdir()
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(virtual_microphone(folder))
        process = stack.enter_context(listening(first.environment))
        wait_until_listening(process)
        time.sleep(2)
        first.kill()
        wait_until_says(process, "waiting for it to come back")
        time.sleep(3)
        second = stack.enter_context(virtual_microphone(folder))
        wait_until_says(process, "hearing 'default' again after")
        time.sleep(0.5)
        second.play(words)
        time.sleep(1)
        heard, gaps, lines = stop(process)
    assert heard == demo_words[:2]
    assert [gap["cause"] for gap in gaps] == ["reconnect"]
    assert 3 <= gaps[0]["lost_s"] <= 30
    assert gaps[0]["at_sample"] == round(gaps[0]["time_s"] * 16000)
    assert len(lines) == 1  # that it stopped
    assert "1 gap (1 reconnect)" in lines[0]


def test_a_source_that_is_suspended_and_resumed_is_heard_again(tmp_path, words, demo_words):
    with virtual_microphone(tmp_path) as own, listening(own.environment) as process:
        wait_until_listening(process)
        time.sleep(2)
        own.control("suspend-source", "vmic", "1")
        own.control("suspend-sink", "vspk", "1")
        wait_until_says(process, "waiting for it to come back")
        time.sleep(6)
        own.control("suspend-sink", "vspk", "0")
        own.control("suspend-source", "vmic", "0")
        wait_until_says(process, "hearing 'default' again after")
        time.sleep(0.5)
        own.play(words)
        time.sleep(1)
        heard, gaps, _ = stop(process)
    assert heard == demo_words[:2]
    assert [gap["cause"] for gap in gaps] == ["reconnect"]


def test_a_device_that_is_not_there_at_the_start_is_waited_for(tmp_path, words, demo_words):
    folder = tmp_path / "server"
    folder.mkdir()
    socket = {"HOME": str(folder), "XDG_RUNTIME_DIR": str(folder), "PULSE_SERVER": f"unix:{folder / 'native'}"}
    with contextlib.ExitStack() as stack:
        process = stack.enter_context(listening(os.environ | socket, "--device", "pulse"))
        line = wait_until_says(process, "waiting for it to come back")
        assert "'pulse'" in line
        time.sleep(2)
        assert process.poll() is None
        own = stack.enter_context(virtual_microphone(folder))
        wait_until_listening(process)
        time.sleep(2)
        own.play(words)
        time.sleep(1)
        heard, gaps, _ = stop(process)
    assert (heard, gaps) == (demo_words[:2], [])


def test_a_source_that_is_removed_is_followed_to_where_the_server_moves_the_stream(tmp_path, words, demo_words):
    with virtual_microphone(tmp_path) as own, listening(own.environment) as process:
        wait_until_listening(process)
        time.sleep(3)
        own.control("unload-module", "module-remap-source")
        time.sleep(4)
        own.play(words)
        time.sleep(1)
        heard, _, _ = stop(process)
    assert heard == demo_words[:2]


def test_it_gives_up_with_69_when_told_to(tmp_path):
    nowhere = os.environ | {"HOME": str(tmp_path), "PULSE_SERVER": f"unix:{tmp_path / 'none'}"}
    started_s = time.monotonic()
    finished = run("listen", "--give-up-after-s", "2", "--device", "pulse", env=nowhere, stdin=subprocess.DEVNULL)
    assert finished.returncode == 69
    assert time.monotonic() - started_s >= 2
    assert "gave up after" in finished.stderr.splitlines()[-1]
    assert keywords(finished.stdout) == []
    finished = run("listen", "--no-recover", "--device", "pulse", env=nowhere, stdin=subprocess.DEVNULL)
    assert finished.returncode == 69
    assert len(finished.stderr.splitlines()) == 1
