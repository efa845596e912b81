"""What a daemon does when its microphone goes away, on a real sound server."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import time

import pytest
from commands import end, ended, keywords, read_until_heard, run, start, wait_until_says
from pulse import virtual_microphone

pytestmark = pytest.mark.microphone


@contextlib.contextmanager
def listening(environment, *arguments):
    """A daemon that prints events and is stopped at the end."""
    with ended(start("listen", "--json", "--events", *arguments, env=environment)) as process:
        yield process


def hear_and_stop(process):
    """Wait until a daemon has heard two words and stop it; return all it heard, the gaps it saw, the lines it wrote."""
    stdout = read_until_heard(process, 2)
    rest, stderr = end(process)
    lines = [json.loads(line) for line in (stdout + rest).splitlines()]
    heard = [line["keyword"] for line in lines if "keyword" in line]
    return heard, [line for line in lines if line.get("event") == "gap"], stderr.splitlines()


def test_a_sound_server_that_is_killed_and_comes_back_is_heard_again(supervisor, tmp_path, words, demo_words):
    folder = tmp_path / "server"
    folder.mkdir()
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(virtual_microphone(folder))
        process = stack.enter_context(listening(first.environment | supervisor.environment))
        supervisor.wait_until_ready()
        first.kill()
        wait_until_says(process, "waiting for it to come back")
        time.sleep(3)  # lost for that long at least
        second = stack.enter_context(virtual_microphone(folder))
        wait_until_says(process, "hearing 'default' again after")
        second.play(words)
        heard, gaps, lines = hear_and_stop(process)
    assert heard == demo_words[:2]
    assert [gap["cause"] for gap in gaps] == ["reconnect"]
    assert 3 <= gaps[0]["lost_s"] <= 60
    assert gaps[0]["at_sample"] == round(gaps[0]["time_s"] * 16000)
    assert len(lines) == 1  # that it stopped
    assert "1 gap (1 reconnect)" in lines[0]


def test_a_source_that_is_suspended_and_resumed_is_heard_again(supervisor, tmp_path, words, demo_words):
    with virtual_microphone(tmp_path) as own, listening(own.environment | supervisor.environment) as process:
        supervisor.wait_until_ready()
        own.control("suspend-source", "vmic", "1")
        own.control("suspend-sink", "vspk", "1")
        wait_until_says(process, "waiting for it to come back")
        own.control("suspend-sink", "vspk", "0")
        own.control("suspend-source", "vmic", "0")
        wait_until_says(process, "hearing 'default' again after")
        own.play(words)
        heard, gaps, _ = hear_and_stop(process)
    assert heard == demo_words[:2]
    assert [gap["cause"] for gap in gaps] == ["reconnect"]


def test_a_device_that_is_not_there_at_the_start_is_waited_for(supervisor, tmp_path, words, demo_words):
    folder = tmp_path / "server"
    folder.mkdir()
    socket = {"HOME": str(folder), "XDG_RUNTIME_DIR": str(folder), "PULSE_SERVER": f"unix:{folder / 'native'}"}
    with contextlib.ExitStack() as stack:
        environment = os.environ | socket | supervisor.environment
        process = stack.enter_context(listening(environment, "--device", "pulse"))
        line = wait_until_says(process, "waiting for it to come back")
        assert "'pulse'" in line
        own = stack.enter_context(virtual_microphone(folder))
        supervisor.wait_until_ready()
        own.play(words)
        heard, gaps, _ = hear_and_stop(process)
    assert (heard, gaps) == (demo_words[:2], [])


def test_a_source_that_is_removed_is_followed_to_where_the_server_moves_the_stream(
    supervisor, tmp_path, words, demo_words
):
    with virtual_microphone(tmp_path) as own, listening(own.environment | supervisor.environment) as process:
        supervisor.wait_until_ready()
        number = own.load_module("module-remap-source", "source_name=other", "master=vspk.monitor")
        own.control("unload-module", str(number - 1))
        time.sleep(4)  # whether it goes on or is opened anew
        own.play(words)
        heard, _, _ = hear_and_stop(process)
    assert heard == demo_words[:2]


def test_what_loudspeakers_play_is_not_taken_for_a_microphone_that_was_removed(supervisor, tmp_path, words, demo_words):
    with virtual_microphone(tmp_path) as own, listening(own.environment | supervisor.environment) as process:
        supervisor.wait_until_ready()
        own.control("unload-module", "module-remap-source")  # the monitor of the sink alone is left
        wait_until_says(process, "waiting for it to come back")
        own.play(words)
        own.load_module("module-remap-source", "source_name=vmic", "master=vspk.monitor")
        own.control("set-default-source", "vmic")
        wait_until_says(process, "hearing 'default' again after")
        own.play(words)
        heard, gaps, _ = hear_and_stop(process)
    assert heard == demo_words[:2]
    assert [gap["cause"] for gap in gaps] == ["reconnect"]


def test_it_gives_up_with_69_when_told_to(tmp_path):
    nowhere = os.environ | {"HOME": str(tmp_path), "PULSE_SERVER": f"unix:{tmp_path / 'none'}"}
    started_s = time.monotonic()
    finished = run("listen", "--give-up-after-s", "2", "--device", "pulse", env=nowhere, stdin=subprocess.DEVNULL)
    assert finished.returncode == 69
    assert time.monotonic() - started_s >= 2
    assert re.search(r"; gave up after 2(\.\d)? s$", finished.stderr.splitlines()[-1])
    assert keywords(finished.stdout) == []
    finished = run("listen", "--no-recover", "--device", "pulse", env=nowhere, stdin=subprocess.DEVNULL)
    assert finished.returncode == 69
    assert len(finished.stderr.splitlines()) == 1


def test_a_microphone_that_was_never_there_is_a_state_under_the_name_it_was_asked_for_by(tmp_path):
    nowhere = os.environ | {"HOME": str(tmp_path), "PULSE_SERVER": f"unix:{tmp_path / 'none'}"}
    arguments = ["listen", "--json", "--events", "--give-up-after-s", "1", "--device", "pulse"]
    finished = run(*arguments, env=nowhere, stdin=subprocess.DEVNULL)
    assert finished.returncode == 69
    (line,) = map(json.loads, finished.stdout.splitlines())
    assert (line["event"], line["state"], line["before"]) == ("state", "recovering", "starting")
    assert line["source"] == "pulse"
