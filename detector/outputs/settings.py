"""What a user may choose of the outputs: tables of `detector.settings.Settings`."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from detector.types import PositiveInt, PositiveSeconds, Text, describe

Commands = Annotated[
    dict[str, Text],
    describe(
        "commands to run at a detection, by word, '*' standing for every word; without a shell, with {keyword}, "
        "{score}, {time_s}, {start_s}, {model} and {source} filled in",
        metavar="WORD=COMMAND",
        unset="none",
        examples=[{"yes": "/usr/local/bin/light on"}, {"*": "logger detected {keyword} {score}"}],
        can_reload=False,
    ),
]


class CommandSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Limits of the commands that are run at a detection."""

    most_at_once: Annotated[int, Meta(ge=1, le=64), describe("commands that run at once, at most")] = 4
    when_busy: Annotated[
        Literal["drop", "queue"],
        describe("what comes on top: dropped and counted, or run when another has ended"),
    ] = "drop"
    most_waiting: Annotated[
        int, Meta(ge=1, le=1000), describe("with 'queue': commands that wait, at most; of more the oldest are dropped")
    ] = 20
    limit_s: Annotated[
        PositiveSeconds, describe("a command, with what it has started, is ended after this many seconds")
    ] = 30.0


class OutputSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """JSON Lines beside standard output."""

    path: Annotated[
        Text | None,
        describe(
            "file, which is appended to, or FIFO that gets JSON Lines, with the events if 'events' is set; opened anew "
            "on SIGHUP",
            metavar="PATH",
            unset="none",
            examples=["/var/lib/keyword-detector/detections.jsonl"],
        ),
    ] = None


class MqttSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is published to an MQTT broker, if anything."""

    url: Annotated[
        Text | None,
        describe(
            "publish detections, state and level to an MQTT broker, and announce them to Home Assistant: "
            "mqtt://USER@HOST:PORT/PREFIX, of which HOST will do; mqtts is TLS; the password: see password_file",
            metavar="URL",
            unset="nothing is published",
            examples=["mqtt://keyword-detector@homeassistant.local/keyword-detector"],
        ),
    ] = None
    password_file: Annotated[
        Text | None,
        describe(
            "file that holds the password",
            unset="systemd's credential mqtt-password, or the variable KEYWORD_DETECTOR_MQTT_PASSWORD",
            examples=["/etc/keyword-detector/mqtt-password"],
        ),
    ] = None
    ca_file: Annotated[
        Text | None,
        describe("certificates (PEM) that the broker's is checked against", unset="the system's", examples=["ca.crt"]),
    ] = None
    certificate_file: Annotated[
        Text | None,
        describe("certificate (PEM) to show to the broker", unset="none is shown", examples=["client.crt"]),
    ] = None
    key_file: Annotated[
        Text | None,
        describe(
            "key (PEM) of that certificate, without a password", unset="in the same file", examples=["client.key"]
        ),
    ] = None
    most_waiting: Annotated[
        PositiveInt, describe("of more detections than this that wait for the broker the oldest are dropped")
    ] = 1000
    discovery: Annotated[bool, describe("announce the detector and its words to Home Assistant")] = True
    discovery_prefix: Annotated[Text, describe("topic under which Home Assistant looks for devices")] = "homeassistant"
    device_id: Annotated[
        Text | None,
        describe(
            "what Home Assistant, and the broker, know this detector by",
            unset="made of the machine's identifier and the name",
            examples=["kitchen"],
        ),
    ] = None


class MetricsSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Metrics for Prometheus, and health."""

    address: Annotated[
        Text | None,
        describe(
            "answer /metrics, for Prometheus, and /healthz over HTTP at this address; a port alone is one of 127.0.0.1",
            metavar="HOST:PORT",
            unset="nothing is answered",
            examples=["127.0.0.1:9275"],
        ),
    ] = None
