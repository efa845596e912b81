"""Where a broker is and how it knows us, and what does not fit."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import example, given
from hypothesis.strategies import text

from detector.errors import SettingsError
from detector.outputs.broker import Address, check_identifier, check_topic, parse_address, read_password
from detector.outputs.settings import MqttSettings


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("mqtt://broker", Address("broker", 1883, False, None, "ears")),
        ("mqtts://broker", Address("broker", 8883, True, None, "ears")),
        ("mqtts://kitchen@broker:9001/home/kitchen/", Address("broker", 9001, True, "kitchen", "home/kitchen")),
        ("mqtt://a%40b@[::1]/home%20of%20ours", Address("::1", 1883, False, "a@b", "home of ours")),
        ("mqtt://@10.0.0.1:1883", Address("10.0.0.1", 1883, False, None, "ears")),
    ],
)
def test_a_url_names_a_broker_a_user_and_a_topic(url, expected):
    assert parse_address(url, default_prefix="ears") == expected


@pytest.mark.parametrize(
    "url",
    [
        "broker",
        "broker:1883",
        "http://broker",
        "mqtt://",
        "mqtt:///home",
        "mqtt://broker:port",
        "mqtt://broker:99999",
        "mqtt://[::1",
        "mqtt://broker/home?x=1",
        "mqtt://broker/home#x",
        "mqtt://broker/home/+",
        "mqtt://broker/%23",
        "mqtt://broker/$SYS/x",
        f"mqtt://{'a' * 64}.de",
        "mqtt://a..b",
        "mqtt://broker:0",
        "mqtt://\ud800",
        "mqtt://me\ud800@broker",
        "mqtt://broker/\ud800",
        "mqtt://broker/a\0b",
        "mqtt://broker/%1b[31m",
        "mqtt://broker/\ufffe",
        "mqtt://me%00@broker",
        f"mqtt://{'a' * 70000}@broker",
        f"mqtt://broker/{'a' * 300}",
    ],
)
def test_what_is_no_broker_is_refused_in_one_line(url):
    with pytest.raises(SettingsError, match=r"^expected .*, found") as refused:
        parse_address(url, default_prefix="ears")
    assert "\n" not in str(refused.value)


@given(text())
@example("//[")
def test_any_text_is_a_broker_or_refused(rest):
    with contextlib.suppress(SettingsError):
        address = parse_address(f"mqtt://{rest}", default_prefix="ears")
        assert address.host
        assert 0 < address.port < 65536
        assert (address.host + address.prefix + (address.user or "")).encode()


@pytest.mark.parametrize("name", ["a#b", "\x1b[31m", "k\udce9"])
def test_a_name_that_makes_no_topic_is_refused_unless_the_url_has_one(name):
    with pytest.raises(SettingsError, match=r"^expected in the name a topic of MQTT without"):
        parse_address("mqtt://broker", default_prefix=f"keyword-detector/{name}")
    assert parse_address("mqtt://broker/home", default_prefix=f"keyword-detector/{name}").prefix == "home"


def test_what_home_assistant_does_not_take_is_refused():
    with pytest.raises(SettingsError, match=r"expected in mqtt\.discovery_prefix a topic .*found 'home/#'"):
        check_topic("home/#", "mqtt.discovery_prefix")
    for identifier in ("my/kitchen", "küche", "", "a" * 65):
        with pytest.raises(SettingsError, match=r"expected mqtt\.device_id to be letters, digits, _ and -, found"):
            check_identifier(identifier)


def test_a_password_in_a_url_is_refused_without_repeating_it_and_with_where_it_belongs():
    with pytest.raises(SettingsError, match=r"found one: it belongs into the file that password_file names") as refused:
        parse_address("mqtt://kitchen:geheim@broker", default_prefix="ears")
    assert "geheim" not in str(refused.value)


def test_a_password_is_read_from_its_file_or_a_credential_or_the_environment_in_this_order(tmp_path):
    file, credentials = tmp_path / "file", tmp_path / "credentials"
    credentials.mkdir()
    file.write_text("of the file\n")
    environment = {"KEYWORD_DETECTOR_MQTT_PASSWORD": "of the environment"}
    settings = MqttSettings()
    assert read_password(settings, {}, "user") is None
    assert read_password(settings, environment, "user") == "of the environment"
    environment["CREDENTIALS_DIRECTORY"] = str(credentials)
    assert read_password(settings, environment, "user") == "of the environment"
    (credentials / "mqtt-password").write_text("of the credential\r\n")
    assert read_password(settings, environment, "user") == "of the credential"
    assert read_password(MqttSettings(password_file=str(file)), environment, "user") == "of the file"


def test_an_empty_credential_is_no_password(tmp_path):
    (tmp_path / "mqtt-password").write_text("")
    assert read_password(MqttSettings(), {"CREDENTIALS_DIRECTORY": str(tmp_path)}, None) is None


@pytest.mark.parametrize("name", ["missing", "folder", "latin"])
def test_a_password_that_cannot_be_read_is_refused_in_one_line(tmp_path, name):
    (tmp_path / "folder").mkdir()
    (tmp_path / "latin").write_bytes(b"gehe\xefm")
    with pytest.raises(SettingsError, match=rf"^expected a password in {tmp_path / name}, found"):
        read_password(MqttSettings(password_file=str(tmp_path / name)), {}, "user")


@pytest.mark.parametrize("password", ["geheim\udce9", "geheim" * 20000])
def test_a_password_that_mqtt_does_not_take_is_refused_without_repeating_it(password):
    with pytest.raises(SettingsError, match=r"^expected a password of up to 65535 bytes of UTF-8, found") as refused:
        read_password(MqttSettings(), {"KEYWORD_DETECTOR_MQTT_PASSWORD": password}, "user")
    assert "geheim" not in str(refused.value)


def test_a_password_without_a_user_is_refused():
    with pytest.raises(SettingsError, match=r"found none: mqtt://USER@HOST"):
        read_password(MqttSettings(), {"KEYWORD_DETECTOR_MQTT_PASSWORD": "x"}, None)
