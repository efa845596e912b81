"""What announces a detector to Home Assistant over MQTT, so that it shows up there by itself as a device with entities.

One retained message holds the device and all of its entities ("device discovery", Home Assistant 2024.11 and later).
"""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import detector
from detector.events import Condition
from detector.text import printable

ONLINE, OFFLINE = "online", "offline"
EVENT_TYPE = "detected"
WORD_KEY = "word_"
"""What the keys of words begin with, among those of a device's entities."""
MACHINE_IDS = (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id"))


@dataclass(frozen=True)
class Topics:
    """Where what is published."""

    prefix: str

    @property
    def availability(self) -> str:
        """`online` or `offline`, retained."""
        return f"{self.prefix}/availability"

    @property
    def detection(self) -> str:
        """Each detection, as JSON Lines have it."""
        return f"{self.prefix}/detection"

    @property
    def detections(self) -> str:
        """How many detections there were since the start, retained."""
        return f"{self.prefix}/detections"

    @property
    def state(self) -> str:
        """How hearing stands, as JSON Lines have it, retained."""
        return f"{self.prefix}/state"

    @property
    def level(self) -> str:
        """The level of the sound, in dBFS."""
        return f"{self.prefix}/level"

    @property
    def status(self) -> str:
        """The report of each minute, as JSON Lines have it, retained."""
        return f"{self.prefix}/status"


def identify(name: str | None, files: Iterable[Path] = MACHINE_IDS) -> str:
    """Return an identifier of a detector on this machine: the same after each start, and of no other.

    The machine's own identifier is confidential (machine-id(5)), so that a keyed hash of it is returned. A machine
    without one is known by its name.
    """
    machine = next((text for file in files if (text := _read_line(file))), socket.gethostname())
    return hmac.digest(machine.encode(), _encode_name(name), hashlib.sha256).hex()[:16]


def _encode_name(name: str | None) -> bytes:
    # A command line need not be UTF-8.
    return f"keyword-detector\n{name or ''}".encode(errors="surrogateescape")


def _read_line(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


def describe_device(identifier: str, name: str | None, topics: Topics, words: Sequence[str], model: str) -> str:
    """Return the message that announces a detector and its entities, as JSON."""
    components = {
        **{_key_of(word): _describe_word(word, topics) for word in words},
        "state": {
            "platform": "sensor",
            "name": "State",
            "device_class": "enum",
            "options": [condition.value for condition in Condition],
            "state_topic": topics.state,
            "value_template": "{{ value_json.state }}",
            "json_attributes_topic": topics.state,
            "entity_category": "diagnostic",
            "icon": "mdi:microphone",
        },
        "level": {
            "platform": "sensor",
            "name": "Level",
            "state_topic": topics.level,
            "unit_of_measurement": "dBFS",
            "state_class": "measurement",
            "entity_category": "diagnostic",
            "icon": "mdi:waveform",
        },
        "detections": {
            "platform": "sensor",
            "name": "Detections",
            "state_topic": topics.detections,
            "value_template": "{{ value_json.total }}",
            "json_attributes_topic": topics.detections,
            "json_attributes_template": "{{ value_json.words | tojson }}",
            "state_class": "total_increasing",
            "icon": "mdi:counter",
        },
    }
    for key, component in components.items():
        component |= {"unique_id": f"{identifier}_{key}", "availability_topic": topics.availability, "qos": 1}
    # It is about the availability, and would itself be unavailable instead of off.
    components["connection"] = {
        "platform": "binary_sensor",
        "name": "Connection",
        "unique_id": f"{identifier}_connection",
        "device_class": "connectivity",
        "state_topic": topics.availability,
        "payload_on": ONLINE,
        "payload_off": OFFLINE,
        "entity_category": "diagnostic",
        "qos": 1,
    }
    return json.dumps(
        {
            "device": {
                "identifiers": [identifier],
                "name": f"Keyword detector {printable(name)}" if name else "Keyword detector",
                "manufacturer": "keyword-detector",
                "model": model,
                "sw_version": detector.__version__,
            },
            "origin": {"name": "keyword-detector", "sw_version": detector.__version__},
            "components": components,
        },
        ensure_ascii=False,
    )


def _describe_word(word: str, topics: Topics) -> dict[str, Any]:
    """Return the entity of a word: an event, at each of its detections."""
    # A template that yields nothing is no event: the topic has the detections of all words.
    is_this = f"value_json.keyword == {json.dumps(word, ensure_ascii=False)}"
    event = f'dict(value_json, event_type="{EVENT_TYPE}") | tojson'
    return {
        "platform": "event",
        "name": word,
        "event_types": [EVENT_TYPE],
        "state_topic": topics.detection,
        "value_template": f"{{% if {is_this} %}}{{{{ {event} }}}}{{% endif %}}",
        "icon": "mdi:account-voice",
    }


def _key_of(word: str) -> str:
    return f"{WORD_KEY}{quote(word, safe='')}"


def find_words(message: str | bytes) -> set[str]:
    """Return the words that a message of `describe_device` announces; none of a message of another make."""
    try:
        components = json.loads(message)["components"].items()
        return {
            unquote(key.removeprefix(WORD_KEY)) for key, it in components if key.startswith(WORD_KEY) and len(it) > 1
        }
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return set()


def remove_words(message: str, words: Iterable[str]) -> str:
    """Return a message that announces the same, and that words have gone: of an entity that goes the platform is left.

    Leaving it out would not remove it. The message without it is to follow, for who subscribes later.
    """
    config = json.loads(message)
    config["components"] |= {_key_of(word): {"platform": "event"} for word in words}
    return json.dumps(config, ensure_ascii=False)
