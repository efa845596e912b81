"""The command `listen --mqtt` as a process, and a real broker."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import assert_one_line, call, end, patched, run, start, wait_until
from mosquitto import MISSING, Broker, Reader, running

pytest.importorskip("paho.mqtt", reason="needs the extra mqtt: pip install 'keyword-detector[mqtt]'")
AVAILABILITY = "home/ears/availability"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    if MISSING is not None:
        pytest.skip(MISSING)
    with running(Broker(tmp_path)) as started:
        yield started


@pytest.fixture
def reader(broker: Broker) -> Iterator[Reader]:
    with Reader(broker) as connected:
        yield connected


def test_what_is_printed_is_published_and_at_the_end_the_detector_is_offline(broker, reader, words):
    finished = run("listen", words, "--json", "--mqtt", broker.url())
    assert finished.returncode == 0, finished.stderr
    assert len(finished.stdout.splitlines()) == 2
    reader.wait_for(AVAILABILITY, "offline")
    assert reader.of("home/ears/detection") == finished.stdout.splitlines()
    assert json.loads(reader.of("home/ears/detections")[-1])["total"] == 2
    assert reader.of(AVAILABILITY) == ["online", "offline"]


def test_asked_to_end_it_publishes_that_it_is_offline_before_it_disconnects(broker, reader):
    process = start("listen", "-", "--mqtt", broker.url(), stdin=subprocess.PIPE)
    reader.wait_for(AVAILABILITY, "online")
    end(process)
    reader.wait_for(AVAILABILITY, "offline")
    wait_until(lambda: re.search(r"Client keyword-detector-\w+ (disconnected|closed)", broker.log))
    published = re.findall(r"Received PUBLISH from keyword-detector-.*'home/ears/availability'", broker.log)
    assert len(published) == 2


def test_killed_it_is_offline_by_its_last_will(broker, reader):
    process = start("listen", "-", "--mqtt", broker.url(), stdin=subprocess.PIPE)
    reader.wait_for(AVAILABILITY, "online")
    process.send_signal(signal.SIGKILL)
    reader.wait_for(AVAILABILITY, "offline")


def test_a_broker_that_hangs_does_not_keep_the_detector_from_its_end(broker, reader, words):
    process = start("listen", words, "--mqtt", broker.url(), "--json")
    assert process.stdout is not None
    reader.wait_for(AVAILABILITY, "online")
    broker.hang()
    assert process.stdout.readline()
    _, stderr = end(process)
    assert f"127.0.0.1:{broker.port} has not taken 1 detections" in stderr
    assert "stopped after" in stderr  # it came to its own end, which it has 0.9 s for


def test_a_broker_that_is_absent_is_waited_for_and_detection_goes_on(words):
    finished = run("listen", words, "--mqtt", "mqtt://127.0.0.1:1/home", "--json")
    assert finished.returncode == 0
    assert len(finished.stdout.splitlines()) == 2
    assert finished.stderr.count("127.0.0.1:1: Connection refused; it is tried again") == 1
    assert "127.0.0.1:1 has not taken 2 detections" in finished.stderr


def test_without_its_package_it_says_what_to_install(demo_file):
    finished = run(
        "listen",
        demo_file,
        "--mqtt",
        "mqtt://127.0.0.1",
        command=patched("import sys; sys.modules['paho.mqtt'] = None"),
    )
    assert_one_line(
        finished, 78, "expected the package paho.mqtt", "for --mqtt", "pip install 'keyword-detector[mqtt]'"
    )


def test_a_password_on_the_command_line_is_refused_without_being_repeated(demo_file):
    finished = run("listen", demo_file, "--mqtt", "mqtt://me:geheim@127.0.0.1")
    assert_one_line(finished, 78, "expected no password in mqtt.url", "password_file", "KEYWORD_DETECTOR_MQTT_PASSWORD")
    assert "geheim" not in finished.stderr


def test_check_finds_what_does_not_fit_without_asking_the_broker(tmp_path):
    config = tmp_path / "settings.toml"
    config.write_text('[mqtt]\nurl = "mqtts://ears@127.0.0.1:1/home"\npassword_file = "missing"\n')
    assert_one_line(
        call("check", "--config", config), 78, "expected a password in missing, found that it cannot be read"
    )
    config.write_text('[mqtt]\nurl = "mqtts://ears@127.0.0.1:1/home"\n')
    assert "mqtt       mqtts://ears@127.0.0.1:1/home: not tried" in call("check", "--config", config).stdout
