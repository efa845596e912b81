"""What a daemon does under PipeWire, through either of its plugins of ALSA."""

from __future__ import annotations

import contextlib
import json
import time

import pytest
from commands import end, ended, keywords, patched, read_until_heard, start, wait_until_says
from lenient import FALSE_ACCEPTS_PER_HOUR
from pipewire import SPEAKER, find_plugin, running_pipewire
from supervisor import Supervisor

pytestmark = pytest.mark.pipewire

PLUGINS = [
    "pulse",
    pytest.param(
        "pipewire",
        marks=pytest.mark.skipif(
            find_plugin() is None, reason="needs PipeWire's plugin of ALSA, which 'make' unpacks from pipewire-alsa"
        ),
    ),
]
LENIENT = ["--json", "--events", "--false-accepts-per-hour", FALSE_ACCEPTS_PER_HOUR]
"""The server resamples what is played: a word may score a little less."""
LARGEST = 8192
"""PipeWire's largest quantum: 0.17 s of sound at 48 kHz."""

SETTLES_S = 5.0
"""WirePlumber 0.4.13 links nobody any more where streams and nodes come and go at once."""


@pytest.fixture
def server(tmp_path, request):
    """A PipeWire, to whose plugin in question ALSA's default device leads."""
    with running_pipewire(tmp_path / "server", default=request.getfixturevalue("plugin")) as running:
        yield running


@pytest.fixture(params=PLUGINS)
def plugin(request):
    return request.param


@contextlib.contextmanager
def listening(server, supervisor, device, **options):
    """A daemon that listens to a device and has scored a window."""
    environment = server.environment | supervisor.environment
    with ended(start("listen", *LENIENT, "--device", device, env=environment, **options)) as process:
        supervisor.wait_until_ready()
        yield process


def hear_and_stop(process):
    """Wait until a daemon has heard two words and stop it; return what it heard, and the causes of its gaps."""
    stdout = read_until_heard(process, 2)
    rest, _ = end(process)
    lines = [json.loads(line) for line in (stdout + rest).splitlines()]
    gaps = [line["cause"] for line in lines if line.get("event") == "gap"]
    return keywords("\n".join(json.dumps(line) for line in lines if "keyword" in line)), gaps


@pytest.mark.parametrize("rate_hz", [44100, 96000])
def test_no_sample_is_lost_though_they_come_in_large_pieces_by_name_or_by_default(
    server, plugin, rate_hz, tmp_path, words, demo_words
):
    server.force_quantum(LARGEST)
    server.force_rate(rate_hz)
    with contextlib.ExitStack() as stack:
        processes = []
        for device in (plugin, "default"):
            folder = tmp_path / device
            folder.mkdir()
            supervisor = stack.enter_context(contextlib.closing(Supervisor(folder)))
            processes.append(stack.enter_context(listening(server, supervisor, device)))
        server.play(words)
        for process in processes:
            assert hear_and_stop(process) == (demo_words[:2], [])


@pytest.mark.parametrize("is_speaker_left", [False, True], ids=["nothing is left", "a speaker is left"])
def test_a_source_that_is_replaced_by_a_monitor_is_lost_until_it_is_back(
    server, plugin, supervisor, is_speaker_left, words, demo_words
):
    with listening(server, supervisor, plugin) as process:
        server.remove()
        if not is_speaker_left:
            server.remove(SPEAKER)
        line = wait_until_says(process, "waiting for it to come back")
        monitor = SPEAKER if is_speaker_left else "auto_null"
        assert f"expected samples of 'vmic', found it replaced by the monitor of '{monitor}'" in line
        supervisor.wait_for(f"STATUS=recovering: {plugin}")
        server.start()  # puts there what is missing
        wait_until_says(process, f"hearing '{plugin}' again after")
        server.play(words)
        assert hear_and_stop(process) == (demo_words[:2], ["reconnect"])


def test_a_start_without_any_source_waits_for_one(server, plugin, supervisor, words, demo_words):
    server.remove()
    server.remove(SPEAKER)
    environment = server.environment | supervisor.environment
    with ended(start("listen", *LENIENT, "--device", plugin, env=environment)) as process:
        wait_until_says(process, "expected samples of a microphone, found it replaced by the monitor of 'auto_null'")
        time.sleep(SETTLES_S)
        server.start()
        wait_until_says(process, f"hearing '{plugin}' again after")
        supervisor.wait_until_ready()
        time.sleep(SETTLES_S)
        server.play(words)
        assert hear_and_stop(process)[0] == demo_words[:2]


def test_a_session_manager_that_is_killed_takes_the_microphone_with_it_and_brings_it_back(
    server, plugin, supervisor, words, demo_words
):
    with listening(server, supervisor, plugin) as process:
        server.kill("session")
        wait_until_says(process, "waiting for it to come back")
        server.start()
        wait_until_says(process, f"hearing '{plugin}' again after")
        server.play(words)
        assert hear_and_stop(process) == (demo_words[:2], ["reconnect"])


@pytest.mark.parametrize("plugin", PLUGINS[1:], indirect=True)
@pytest.mark.usefixtures("plugin")
def test_a_start_in_which_samples_come_in_pieces_is_deaf_and_ended_by_the_watchdog(server, supervisor):
    server.force_quantum(LARGEST)
    command = patched("import detector.audio.microphone as module\nmodule.BUFFER_S = 0.04")
    environment = server.environment | supervisor.environment_with_watchdog
    with ended(start("listen", "--device", "pipewire", command=command, env=environment)) as process:
        line = wait_until_says(process, "of the samples arrive")
        assert 40 < int(line.split()[1]) < 60
        assert line.endswith(" % of the samples arrive, none of 10 s could be scored\n")
        supervisor.wait_for("WATCHDOG=trigger")
        assert supervisor.count("READY=1") == 0
