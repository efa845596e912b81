"""The command `listen --mqtt` as a process, and a real broker."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pytest
from commands import assert_one_line, call, end, patched, run, start, wait_until
from mosquitto import MISSING, Broker, Reader, running

from detector.events import Condition
from detector.outputs.discovery import Topics, describe_device
from detector.settings import Settings, read_settings

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
    # Where the end takes long, the will follows the farewell.
    assert [state for state, _ in groupby(reader.of(AVAILABILITY))] == ["online", "offline"]


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


# ---- docs/mqtt.md

DOCUMENT = Path(__file__).parents[2] / "docs" / "mqtt.md"
NOT_HERE = {
    "pip install 'keyword-detector[mqtt]'": "needs the package registry",
    **dict.fromkeys(
        (
            "sudo install -D -m 644 systemd/network/mqtt.conf -t /etc/systemd/system/keyword-detector.service.d/",
            "sudo install -m 600 /dev/null /etc/keyword-detector/mqtt-password",
            "sudoedit /etc/keyword-detector/mqtt-password        # a line with the password; empty: none",
            'sudoedit /etc/keyword-detector.toml                 # [mqtt], url = "mqtt://..."',
            "sudo systemctl daemon-reload",
            "sudo systemctl restart --no-block keyword-detector",
        ),
        "needs root and systemd",
    ),
}
"""Commands of the document that no test can run, and why."""


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)


@pytest.fixture
def commands() -> list[str]:
    plain = re.sub(r"```.*?```", "", DOCUMENT.read_text(), flags=re.DOTALL)
    return [line for line in re.findall(r"^    (\S.*)$", plain, re.MULTILINE) if line not in NOT_HERE]


def test_the_commands_of_the_document_publish_print_and_remove(broker, reader, words, commands):
    if shutil.which("mosquitto_sub") is None:
        pytest.skip("needs mosquitto-clients: apt-get install mosquitto-clients")
    listen, subscribe, remove = commands
    assert listen.startswith("keyword-detector listen --mqtt mqtt://127.0.0.1/")
    option = listen.removeprefix("keyword-detector ").replace("127.0.0.1", f"127.0.0.1:{broker.port}").split()
    address = ["-h", "127.0.0.1", "-p", str(broker.port)]
    shown = start(*shlex.split(subscribe)[1:], *address, command=["mosquitto_sub"])
    wait_until(lambda: "home/ears/# (QoS 0)" in broker.log)
    assert run(*option, words).returncode == 0
    assert shown.stdout is not None
    lines = iter(shown.stdout.readline, "")
    topics = [next(line for line in lines if line.startswith("home/ears/detection ")) for _ in range(2)]
    assert ['"keyword":"yes"' in topics[0], '"keyword":"no"' in topics[1]] == [True, True]
    (config,) = {topic for topic, _, _ in reader.messages if topic.endswith("/config")}
    remove = remove.replace("ID", config.split("/")[2])
    run(*shlex.split(remove)[1:], *address, command=["mosquitto_pub"])
    reader.wait_for(config, "")


@pytest.mark.parametrize("block", blocks("toml"))
def test_the_settings_of_the_document_fit(tmp_path, block):
    file = tmp_path / "settings.toml"
    file.write_text(block)
    assert read_settings(file, {}).mqtt != Settings().mqtt


def test_the_automations_of_the_document_are_of_entities_that_are_announced():
    yaml = pytest.importorskip("yaml", reason="needs the group test: pip install --group test")
    automations = [one for block in blocks("yaml") for one in yaml.safe_load(block)["automation"]]
    assert len(automations) == 3
    components = json.loads(describe_device("id", None, Topics("home/ears"), ["yes"], "yes-no"))["components"]
    # As Home Assistant makes them: of the platform and the names of device and entity.
    announced = {f"{one['platform']}.keyword_detector_{one['name'].lower()}" for one in components.values()}
    triggers = [trigger for automation in automations for trigger in automation["triggers"]]
    assert {trigger["entity_id"] for trigger in triggers if trigger["trigger"] == "state"} < announced
    assert {trigger["topic"] for trigger in triggers if trigger["trigger"] == "mqtt"} == {Topics("home/ears").detection}
    assert triggers[1]["payload"] == "no"  # and not false, which it is in YAML without quotes
    assert set(triggers[2]["to"]) - {"unavailable"} < {condition.value for condition in Condition}


def test_the_topics_of_the_document_are_those_that_are_published_to():
    listed = set(re.findall(r"^\| `PREFIX/(\w+)`", DOCUMENT.read_text(), re.MULTILINE))
    assert listed == {name for name, value in vars(Topics).items() if isinstance(value, property)}
