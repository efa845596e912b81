"""Detections reach a real broker once each, whatever it does."""

from __future__ import annotations

import contextlib
import json
import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

import numpy as np
import pytest
from commands import wait_until
from mosquitto import MISSING, Broker, Reader, hash_password, make_certificates, running

from detector.errors import SettingsError
from detector.events import Closed, Condition, Detection, Opened, Progress, State
from detector.outputs.settings import MqttSettings

pytest.importorskip("paho.mqtt", reason="needs the extra mqtt: pip install 'keyword-detector[mqtt]'")
pytestmark = pytest.mark.skipif(MISSING is not None, reason=str(MISSING))

STREAM = Opened("microphone", True, "yes-no", "litert", 16000, {"yes": 0.9, "no": 0.9}, "kitchen")
NOTHING = Progress(np.zeros(0, dtype=np.int16), 0, 0, 0)
TOPIC = "home/ears/detection"


def detection(k: int) -> Detection:
    return Detection("yes", 0.97, float(k), k - 0.5)


def times(texts: list[str]) -> list[float]:
    return [json.loads(text)["time_s"] for text in texts]


class Publishing:
    """A listener under test, which hears that time passes."""

    def __init__(self, url: str, stream: Opened = STREAM, *, password: str = "", **settings: object) -> None:
        from detector.outputs.mqtt import Mqtt

        self.mqtt = Mqtt(MqttSettings(url=url, **settings), stream, {"KEYWORD_DETECTOR_MQTT_PASSWORD": password})

    def until(self, is_so: Callable[[], bool]) -> None:
        def look() -> bool:
            self.mqtt.hear(NOTHING)
            return is_so()

        wait_until(look)

    def __enter__(self) -> Self:
        self.mqtt.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.mqtt.__exit__(None, None, None)
        # A process that ends waits for no thread; this one goes on.
        client = self.mqtt._connection._client
        client.loop_stop()
        client._reset_sockets()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with running(Broker(tmp_path)) as started:
        yield started


@pytest.fixture
def reader(broker: Broker) -> Iterator[Reader]:
    with Reader(broker) as connected:
        yield connected


def test_a_detection_the_counts_the_state_and_the_availability_are_published(broker, reader):
    with Publishing(broker.url()) as publishing:
        publishing.mqtt.hear(State(Condition.LISTENING, 1, Condition.STARTING))
        publishing.mqtt.hear(detection(3))
        publishing.until(lambda: reader.of(TOPIC))
        (text,) = reader.of(TOPIC)
        assert json.loads(text) | {"at": None} == json.loads(detection(3).encode(STREAM))
        assert json.loads(text)["at"] is not None
        counts = {"total": 1, "words": {"yes": 1, "no": 0}}
        publishing.until(lambda: [json.loads(text) for text in reader.of("home/ears/detections")][-1:] == [counts])
        assert json.loads(reader.of("home/ears/state")[-1])["state"] == "listening"
        assert reader.of("home/ears/availability") == ["online"]
        publishing.mqtt.hear(Closed(16000))
        reader.wait_for("home/ears/availability", "offline")
    assert publishing.mqtt.count() == {"published": 1, "waiting": 0, "dropped": 0}
    # Not "closed its connection", at which the broker would have published the will.
    wait_until(lambda: re.search(r"Client keyword-detector-\w+ disconnected\.", broker.log))


def test_who_subscribes_later_finds_all_but_detections(broker):
    with Publishing(broker.url()) as publishing:
        publishing.mqtt.hear(detection(3))
        with Reader(broker) as first:
            publishing.until(lambda: first.of("home/ears/detections"))
            publishing.mqtt.hear(Closed(16000))
            first.wait_for("home/ears/availability", "offline")
    with Reader(Broker(broker.folder, port=broker.port)) as late:
        late.client.unsubscribe("#")
        late.client.subscribe("#", 1)
        wait_until(lambda: len({topic for topic, _, is_retained in late.messages if is_retained}) == 4)
        retained = {topic.rpartition("/")[2] for topic, _, is_retained in late.messages if is_retained}
        assert retained == {"availability", "detections", "state", "config"}


def test_the_level_of_the_sound_is_published_every_ten_seconds(broker, reader):
    square = np.tile(np.repeat(np.array([3277, -3277], dtype=np.int16), 8), 1000)  # a second at a tenth of full scale
    with Publishing(broker.url()) as publishing:
        publishing.until(lambda: reader.of("home/ears/availability"))
        publishing.until(lambda: publishing.mqtt._connection.is_connected)
        for _ in range(25):
            publishing.mqtt.hear(Progress(square, 0, 0, 0))
        publishing.until(lambda: len(reader.of("home/ears/level")) == 2)
        assert reader.of("home/ears/level") == ["-20.0", "-20.0"]


def test_a_broker_that_is_absent_at_the_start_is_waited_for_and_gets_every_detection_in_order(tmp_path, caplog):
    broker = Broker(tmp_path)
    with running(broker):
        pass  # so that its port is known
    with Publishing(broker.url()) as publishing:
        for k in range(5):
            publishing.mqtt.hear(detection(k))
        publishing.until(lambda: "Connection refused" in caplog.text)
        with running(broker), Reader(broker) as reader:
            publishing.until(lambda: len(reader.of(TOPIC)) == 5)
            assert times(reader.of(TOPIC)) == [0, 1, 2, 3, 4]
            assert reader.of("home/ears/availability")[-1:] == ["online"]
            publishing.mqtt.hear(Closed(0))
    assert caplog.text.count("Connection refused") == 1
    assert publishing.mqtt.count()["dropped"] == 0


def test_a_broker_is_killed_and_started_again_and_every_detection_is_delivered_once(broker, reader):
    with Publishing(broker.url()) as publishing:
        for k in range(0, 15, 3):
            publishing.mqtt.hear(detection(k))
            publishing.mqtt.hear(detection(k + 1))
            publishing.until(lambda n=k + 2: len(reader.of(TOPIC)) == n and not publishing.mqtt._sent)
            broker.kill()
            wait_until(lambda: not reader.is_ready)
            publishing.mqtt.hear(detection(k + 2))
            broker.start()
            wait_until(lambda: reader.is_ready)
        publishing.until(lambda: len(reader.of(TOPIC)) == 15 and not publishing.mqtt._sent)
        publishing.mqtt.hear(Closed(0))
        reader.wait_for("home/ears/availability", "offline")
    assert publishing.mqtt.count() == {"published": 15, "waiting": 0, "dropped": 0}
    assert times(reader.of(TOPIC)) == list(range(15))


def test_what_a_broker_did_not_take_before_it_was_killed_is_sent_again(tmp_path):
    with running(Broker(tmp_path, is_lasting=True)) as broker, Reader(broker) as reader:
        with Publishing(broker.url()) as publishing:
            publishing.until(lambda: publishing.mqtt._connection.is_connected)
            broker.hang()
            for k in range(50):
                publishing.mqtt.hear(detection(k))
            assert (len(publishing.mqtt._sent), len(publishing.mqtt._waiting)) == (20, 30)
            broker.kill()
            broker.start()
            publishing.until(lambda: len(reader.of(TOPIC)) == 50 and not publishing.mqtt._sent)
            publishing.mqtt.hear(Closed(0))
        assert publishing.mqtt.count() == {"published": 50, "waiting": 0, "dropped": 0}
        assert times(reader.of(TOPIC)) == list(range(50))


def test_of_detections_that_wait_the_oldest_are_dropped_counted_and_reported_once(tmp_path, caplog):
    broker = Broker(tmp_path)
    with running(broker):
        pass
    with Publishing(broker.url(), most_waiting=10) as publishing:
        for k in range(25):
            publishing.mqtt.hear(detection(k))
        assert publishing.mqtt.count() == {"published": 0, "waiting": 10, "dropped": 15}
        with running(broker), Reader(broker) as reader:
            publishing.until(lambda: len(reader.of(TOPIC)) == 10)
            assert times(reader.of(TOPIC)) == list(range(15, 25))
            counts = json.loads(reader.of("home/ears/detections")[-1])
            assert counts["total"] == 25
            publishing.mqtt.hear(Closed(0))
    assert caplog.text.count("that wait the oldest are dropped") == 1
    assert "has not taken 15 detections" in caplog.text


def test_a_broker_that_hangs_holds_up_nobody_and_what_it_did_not_take_is_counted(broker, reader, caplog):
    with Publishing(broker.url()) as publishing:
        publishing.until(lambda: publishing.mqtt._connection.is_connected)
        broker.hang()
        for k in range(50):
            publishing.mqtt.hear(detection(k))
        publishing.mqtt.hear(Closed(0))
        assert publishing.mqtt.count() == {"published": 0, "waiting": 0, "dropped": 50}
    assert "has not taken 50 detections" in caplog.text


def test_a_broker_that_takes_connections_and_never_answers_is_logged_once(monkeypatch, caplog):
    from detector.outputs import client

    monkeypatch.setattr(client, "KEEPALIVE_S", 1)
    monkeypatch.setattr(client, "LONGEST_WAIT_S", 1)
    accepted = []

    def has_taken(n: int) -> bool:
        with contextlib.suppress(BlockingIOError):
            accepted.append(mute.accept())
        return len(accepted) == n

    with socket.create_server(("127.0.0.1", 0)) as mute:
        mute.setblocking(False)
        port = mute.getsockname()[1]
        with Publishing(f"mqtt://127.0.0.1:{port}") as publishing:
            publishing.until(lambda: has_taken(3))
        for connection, _ in accepted:
            connection.close()
    assert [record.getMessage() for record in caplog.records] == [
        f"127.0.0.1:{port}: it does not answer; it is tried again"
    ]


def test_a_recording_that_is_open_is_listened_to(broker, reader):
    recording = Opened("demo.flac", False, "yes-no", "litert", 16000, {"yes": 0.9})
    with Publishing(broker.url(), recording) as publishing:
        publishing.until(lambda: reader.of("home/ears/state"))
        publishing.mqtt.hear(recording)
        publishing.until(lambda: len(reader.of("home/ears/state")) == 2)
    states = [json.loads(text)["state"] for text in reader.of("home/ears/state")]
    assert states == ["starting", "listening"]


def test_whoever_ends_before_the_broker_has_confirmed_that_it_is_online_does_not_take_leave(broker, reader):
    with Publishing(broker.url()) as publishing:
        reader.wait_for("home/ears/availability", "online")  # and nothing has caught up with that
        publishing.mqtt.__exit__(None, None, None)
        publishing.mqtt._connection._client.socket().close()  # as the end of the process does
        reader.wait_for("home/ears/availability", "offline")


def test_of_what_is_retained_one_message_a_topic_is_under_way_and_then_the_latest(broker, reader):
    with Publishing(broker.url()) as publishing:
        publishing.until(lambda: publishing.mqtt._connection.is_connected and not publishing.mqtt._under_way)
        broker.hang()
        for k in range(100):
            publishing.mqtt.hear(State(Condition.LISTENING, 1, Condition.DEAF, f"the {k}th"))
        assert list(publishing.mqtt._under_way.values()) == ["home/ears/state"]
        broker.resume()
        publishing.until(lambda: len(reader.of("home/ears/state")) == 3)
        details = [json.loads(text).get("detail") for text in reader.of("home/ears/state")]
        assert details == [None, "the 0th", "the 99th"]


def test_a_user_with_the_right_password_publishes_and_with_a_wrong_one_it_is_logged_once(tmp_path, caplog):
    passwords = hash_password(tmp_path, "ears", "secret word")
    (tmp_path / "password").write_text("secret word\n")
    with running(Broker(tmp_path, (f"password_file {passwords}", "allow_anonymous false"))) as broker:
        url = broker.url(user="ears")
        with Publishing(url, password_file=str(tmp_path / "password")) as publishing:
            publishing.until(lambda: publishing.mqtt._connection.is_connected)
        with Publishing(url, password="wrong") as publishing:
            publishing.until(lambda: broker.log.count("not authorised") >= 2)
            publishing.until(lambda: "the broker refuses" in caplog.text)
    assert [record.getMessage() for record in caplog.records if "refuses" in record.message] == [
        f"127.0.0.1:{broker.port}: the broker refuses: Not authorized; it is tried again"
    ]


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[Broker]:
    """A broker that shows a certificate and asks for one."""
    make_certificates(tmp_path)
    files = (f"cafile {tmp_path}/ca.crt", f"certfile {tmp_path}/server.crt", f"keyfile {tmp_path}/server.key")
    with running(Broker(tmp_path, (*files, "require_certificate true", "use_identity_as_username true"))) as broker:
        yield broker


def test_certificates_are_shown_and_checked(secure, tmp_path):
    files = {"ca_file": "ca.crt", "certificate_file": "client.crt", "key_file": "client.key"}
    settings = {field: str(tmp_path / name) for field, name in files.items()}
    with Publishing(secure.url(scheme="mqtts"), **settings) as publishing:
        publishing.until(lambda: publishing.mqtt._connection.is_connected)
    assert "u'client'" in secure.log


# paho leaves a socket whose handshake failed to the garbage collector, which closes it at once.
@pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")
@pytest.mark.filterwarnings("ignore:Exception ignored in. <ssl.SSLSocket:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, "its certificate is not accepted (self-signed certificate in certificate chain)"),
        ({"ca_file": "stranger.crt"}, "its certificate is not accepted"),
        ({"ca_file": "ca.crt"}, "certificate required"),
    ],
)
def test_a_certificate_that_is_wrong_or_missing_is_logged_once(secure, tmp_path, caplog, settings, expected):
    settings = {field: str(tmp_path / name) for field, name in settings.items()}
    with Publishing(secure.url(scheme="mqtts"), **settings) as publishing:
        publishing.until(lambda: len(re.findall("SSL routines::.*(alert unknown ca|peer did not)", secure.log)) >= 2)
        publishing.until(lambda: expected in caplog.text)
    assert caplog.text.count("it is tried again") == 1


# ---- Home Assistant


def config_of(reader: Reader) -> list[dict[str, object]]:
    return [json.loads(text) for topic, text, _ in list(reader.messages) if topic.endswith("/config")]


def test_words_that_are_gone_after_a_reload_are_removed_from_home_assistant(broker, reader):
    with Publishing(broker.url()) as publishing:
        publishing.until(lambda: config_of(reader))
        assert {"word_yes", "word_no"} < config_of(reader)[-1]["components"].keys()
        publishing.mqtt.hear(Opened("microphone", True, "yes-no", "litert", 16000, {"yes": 0.9}, "kitchen"))
        publishing.until(lambda: len(config_of(reader)) == 3)
        removing, final = config_of(reader)[1:]
        assert removing["components"]["word_no"] == {"platform": "event"}
        assert removing["components"] | {"word_no": 0} == final["components"] | {"word_no": 0}
        assert "word_no" not in final["components"]


def test_words_of_an_earlier_run_are_removed_from_home_assistant(broker, reader):
    with Publishing(broker.url()) as publishing:
        publishing.until(lambda: config_of(reader))
        publishing.mqtt.hear(Closed(0))
    other = Opened("microphone", True, "computer", "litert", 16000, {"computer": 0.9}, "kitchen")
    with Publishing(broker.url(), other) as publishing:
        publishing.until(lambda: len(config_of(reader)) == 4)
        before, now, removing, final = config_of(reader)
        assert before["components"]["state"]["unique_id"] == now["components"]["state"]["unique_id"]
        assert removing["components"]["word_yes"] == removing["components"]["word_no"] == {"platform": "event"}
        assert final == now


def test_all_is_announced_anew_when_home_assistant_has_started(broker, reader):
    with Publishing(broker.url()) as publishing:
        publishing.until(lambda: config_of(reader))
        reader.client.publish("homeassistant/status", "offline", qos=1)
        reader.client.publish("homeassistant/status", "online", qos=1)
        publishing.until(lambda: len(config_of(reader)) == 2)
        assert config_of(reader)[0] == config_of(reader)[1]


def test_that_home_assistant_has_started_before_announces_nothing_anew(broker, reader):
    reader.client.publish("homeassistant/status", "online", qos=1, retain=True)
    reader.wait_for("homeassistant/status", "online")
    with Publishing(broker.url()) as publishing:
        for k in range(3):  # each is taken after what the one before has led to
            publishing.mqtt.hear(detection(k))
            publishing.until(lambda n=k + 1: publishing.mqtt.count()["published"] == n)
    (config,) = {topic for topic, _, _ in reader.messages if topic.endswith("/config")}
    assert len(reader.of(config)) == 1
    assert len(re.findall(r"Received SUBSCRIBE from keyword-detector-", broker.log)) == 1


def test_nothing_is_announced_where_that_is_turned_off(broker, reader):
    with Publishing(broker.url(), discovery=False) as publishing:
        publishing.until(lambda: reader.of("home/ears/state"))
        publishing.mqtt.hear(Closed(0))
        reader.wait_for("home/ears/availability", "offline")
    assert config_of(reader) == []


# ---- what does not fit


def test_a_key_with_a_password_ends_the_start_instead_of_asking_for_it(tmp_path):
    make_certificates(tmp_path)
    from mosquitto import _openssl

    _openssl(tmp_path, "pkey", "-in", "client.key", "-aes256", "-passout", "pass:x", "-out", "locked.key")
    files = {"certificate_file": str(tmp_path / "client.crt"), "key_file": str(tmp_path / "locked.key")}
    with pytest.raises(SettingsError, match="expected a certificate and its key, without a password, in"):
        Publishing("mqtts://127.0.0.1", **files)


@pytest.mark.parametrize("field", ["ca_file", "certificate_file"])
def test_a_certificate_that_is_missing_ends_the_start(tmp_path, field):
    with pytest.raises(SettingsError, match=r"missing.crt, found: No such file or directory"):
        Publishing("mqtts://127.0.0.1", **{field: str(tmp_path / "missing.crt")})
