"""Where an MQTT broker is, and how it knows us: address, password, certificates. What does not fit ends the start."""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from detector.errors import SettingsError
from detector.files import decode_text, read_file
from detector.outputs.settings import MqttSettings
from detector.text import format_address

PORTS = {"mqtt": 1883, "mqtts": 8883}
"""Schemes, each with its port; the second is TLS."""
FORM = "mqtt[s]://[USER@]HOST[:PORT][/PREFIX]"
PLACES = (
    "it belongs into the file that password_file names, a systemd credential mqtt-password, or the variable "
    "KEYWORD_DETECTOR_MQTT_PASSWORD"
)
VARIABLE = "KEYWORD_DETECTOR_MQTT_PASSWORD"
CREDENTIAL = "mqtt-password"
_NEVER = r"\0-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff"
"""Control characters, surrogates and what is no character: brokers end a connection over them, without a word."""
_TOPIC = re.compile(f"[^$+#{_NEVER}][^+#{_NEVER}]{{0,249}}")
_USER = re.compile(f"[^{_NEVER}]{{0,250}}")
MOST_BYTES = 65535
"""Of a password: MQTT takes no longer one."""


@dataclass(frozen=True)
class Address:
    """A broker, and the topic that all of ours begin with."""

    host: str
    port: int
    is_tls: bool
    user: str | None
    prefix: str

    def __str__(self) -> str:
        """Return host and port, for people to read."""
        return format_address(self.host, self.port)


def parse_address(url: str, *, default_prefix: str) -> Address:
    """Return the broker of a URL.

    Raises
    ------
    SettingsError
        If it is none, or holds a password: command lines can be read by everybody on a machine. It is not repeated.
    """
    try:
        url.encode()
        parts = urlsplit(url)
        port = PORTS.get(parts.scheme) if parts.port is None else parts.port
    except ValueError as exc:
        raise SettingsError(f"expected mqtt.url to be {FORM}, found: {exc}") from exc
    if parts.password is not None:
        raise SettingsError(f"expected no password in mqtt.url, found one: {PLACES}")
    if parts.scheme not in PORTS or not parts.hostname or not port or parts.query or parts.fragment:
        raise SettingsError(f"expected mqtt.url to be {FORM}, found '{url}'")
    user, topic = unquote(parts.username or ""), unquote(parts.path).strip("/")
    if not _USER.fullmatch(user):
        raise SettingsError(
            "expected in mqtt.url a user of up to 250 characters, none of them a control character, found "
            f"'{user[:60]}'"
        )
    return Address(
        host=_check_host(parts),
        port=port,
        is_tls=parts.scheme == "mqtts",
        user=user or None,
        prefix=check_topic(topic or default_prefix, "mqtt.url" if topic else "the name"),
    )


def _check_host(parts: SplitResult) -> str:
    host = parts.hostname
    assert host is not None
    try:
        host.encode("idna")
    except UnicodeError as exc:
        raise SettingsError(f"expected the name of a host in mqtt.url, found '{host}'") from exc
    return host


def check_topic(topic: str, setting: str) -> str:
    """Return a topic of a setting that others may follow after a slash.

    Raises
    ------
    SettingsError
        If it holds what stands for any topic, or is one of the broker's own.
    """
    if not _TOPIC.fullmatch(topic):
        raise SettingsError(
            f"expected in {setting} a topic of MQTT without +, #, control characters and a $ at its start, of up "
            f"to 250 characters, found '{topic[:60]}'"
        )
    return topic


def check_identifier(identifier: str) -> str:
    """Return an identifier, of which Home Assistant makes names.

    Raises
    ------
    SettingsError
        If it holds what it does not take.
    """
    if not re.fullmatch("[a-zA-Z0-9_-]{1,64}", identifier):
        raise SettingsError(f"expected mqtt.device_id to be letters, digits, _ and -, found '{identifier[:60]}'")
    return identifier


def read_password(settings: MqttSettings, environment: Mapping[str, str], user: str | None) -> str | None:
    """Return a user's password: of the file that settings name, of systemd's credential, or of the environment.

    A newline at its end is none of it. None: there is none, or an empty one.

    Raises
    ------
    SettingsError
        If its file cannot be read, MQTT does not take it, or there is one without a user.
    """
    password = _find_password(settings, environment)
    if password is not None and not _can_be_sent(password):
        raise SettingsError(f"expected a password of up to {MOST_BYTES} bytes of UTF-8, found another")
    if password is not None and user is None:
        raise SettingsError("expected a user in mqtt.url, as there is a password, found none: mqtt://USER@HOST")
    return password


def _can_be_sent(password: str) -> bool:
    try:
        return len(password.encode()) <= MOST_BYTES
    except UnicodeEncodeError:  # of the environment, which need not be UTF-8
        return False


def _find_password(settings: MqttSettings, environment: Mapping[str, str]) -> str | None:
    file = Path(settings.password_file) if settings.password_file is not None else None
    if file is None and "CREDENTIALS_DIRECTORY" in environment:
        credential = Path(environment["CREDENTIALS_DIRECTORY"]) / CREDENTIAL
        file = credential if credential.exists() else None
    if file is None:
        return environment.get(VARIABLE) or None
    try:
        return decode_text(read_file(file, MOST_BYTES)).rstrip("\r\n") or None
    except OSError as exc:
        raise SettingsError(f"expected a password in {file}, found that it cannot be read ({exc.strerror})") from exc
    except ValueError as exc:
        raise SettingsError(f"expected a password in {file}, found no UTF-8") from exc


def open_tls(settings: MqttSettings) -> ssl.SSLContext:
    """Return how a broker is known, and how we show who we are.

    Raises
    ------
    SettingsError
        If a file is missing or holds no certificate, or a key needs a password.
    """
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
    except OSError as exc:
        raise SettingsError(f"expected certificates in {settings.ca_file}, found: {_reason_of(exc)}") from exc
    if settings.certificate_file is None:
        if settings.key_file is not None:
            raise SettingsError("expected mqtt.certificate_file beside mqtt.key_file, found none")
        return context
    try:
        # Without a password OpenSSL would ask for one, on a terminal that nobody looks at.
        context.load_cert_chain(settings.certificate_file, settings.key_file, password=lambda: b"")
    except OSError as exc:
        files = " and ".join(file for file in (settings.certificate_file, settings.key_file) if file)
        raise SettingsError(
            f"expected a certificate and its key, without a password, in {files}, found: {_reason_of(exc)}"
        ) from exc
    return context


def _reason_of(error: OSError) -> str:
    reason = error.reason if isinstance(error, ssl.SSLError) else None
    return reason.replace("_", " ").lower() if reason else error.strerror or "no such file"
