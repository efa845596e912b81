"""Detections, and how hearing stands, to an MQTT broker; see docs/mqtt.md for the topics."""

from __future__ import annotations

import json
import logging
import math
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from detector.events import Closed, Condition, Detection, Event, Opened, Progress, State, StatusReport
from detector.outputs.broker import check_identifier, check_topic, open_tls, parse_address, read_password
from detector.outputs.client import Connection
from detector.outputs.discovery import (
    OFFLINE,
    ONLINE,
    Topics,
    describe_device,
    find_words,
    identify,
    remove_words,
)
from detector.outputs.settings import MqttSettings
from detector.outputs.stamps import Stamps
from detector.samples import INT16_SCALE

log = logging.getLogger(__name__)

MOST_SENT = 20
"""Detections that are sent before the broker has taken the first of them."""
LEVEL_EVERY_S = 10
FAINTEST = 1.0 / 12.0
"""Power of the rounding to 16 bits, in steps: digital silence has the level of this, -101 dBFS."""
FORGOTTEN_AFTER_S = 600.0
"""The same trouble is logged once while no connection is made; after one, if this long has passed."""
FINISH_S = 0.15
"""How long the end may wait for the broker; `fanout.FINISH_S` bounds all that stands aside."""


class Mqtt:
    """A listener that publishes; it waits for nobody, and is to stand aside. One thread only.

    Detections wait, up to a number, while the broker is absent. Of all else only the latest counts: it is kept, and
    published, retained, again after each connection.
    """

    def __init__(
        self,
        settings: MqttSettings,
        stream: Opened,
        environment: Mapping[str, str],
        *,
        stamps: Stamps | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare to publish what is detected in a stream.

        Parameters
        ----------
        settings : MqttSettings
        stream : Opened
            What events are of before a source is open.
        environment : mapping
            Of this process: it may hold the password.
        stamps : Stamps, optional
            Those that other outputs have, too.
        clock : callable
            Returns seconds of a monotonic clock.

        Raises
        ------
        SettingsError
            If the settings do not fit.
        """
        assert settings.url is not None
        name = stream.source_id
        address = parse_address(settings.url, default_prefix=f"keyword-detector/{name}" if name else "keyword-detector")
        self._identifier = check_identifier(settings.device_id) if settings.device_id else identify(name)
        self._topics = Topics(address.prefix)
        self._broker = str(address)
        self._most_waiting = settings.most_waiting
        prefix = check_topic(settings.discovery_prefix.strip("/"), "mqtt.discovery_prefix")
        self._discovery = prefix if settings.discovery else None
        self._clock = clock
        self._connection = Connection(
            address,
            client_id=f"keyword-detector-{self._identifier}",
            password=read_password(settings, environment, address.user),
            tls=open_tls(settings) if address.is_tls else None,
            greeting=(self._topics.availability, ONLINE),
            will=(self._topics.availability, OFFLINE),
            connected=self._publish_all,
            taken=self._note_taken,
            received=self._receive,
            troubled=self._note_trouble,
        )
        self._stream = stream
        self._stamps = stamps or Stamps()
        self._waiting: deque[str] = deque()
        self._sent: set[int] = set()
        self._kept: dict[str, str] = {}
        """The latest message by topic, retained at the broker."""
        self._unpublished: set[str] = set()
        """Topics whose latest message was not handed over yet: one of each is under way, so that none pile up."""
        self._under_way: dict[int, str] = {}
        self._detections = Counter(dict.fromkeys(stream.thresholds, 0))
        self._words: set[str] = set()
        """Those that were announced."""
        self._sound: list[NDArray[np.int16]] = []
        self._n_sound = 0
        self._troubles: dict[str, float] = {}
        """When which was logged."""
        self._is_troubled = True
        self._is_started = False
        self._n_published = self._n_dropped = 0

    def __enter__(self) -> Self:
        """Begin to connect; a broker that is not there is waited for."""
        self.hear(self._stream)
        self.hear(State(Condition.STARTING))
        self._is_started = True
        self._connection.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Disconnect, if the end of the stream did not."""
        self._connection.finish(self._topics.availability, OFFLINE, 0.0)

    def hear(self, event: Event) -> None:
        """Publish an event that concerns others; and at each, several times a second, do what is due."""
        self._connection.catch_up()
        match event:
            case Opened():
                self._stream = event
                self._announce(event)
                if self._is_started and not event.is_live:  # nobody assesses a recording
                    self._keep(self._topics.state, self._encode(State(Condition.LISTENING, 1, Condition.STARTING)))
            case Detection():
                self._add(event)
            case State():
                self._keep(self._topics.state, self._encode(event))
            case StatusReport():
                self._keep(self._topics.status, self._encode(event))
            case Progress():
                self._measure(event.samples)
            case Closed():
                self._finish()
        self._send()

    def count(self) -> dict[str, int]:
        """Return how many detections the broker has taken, wait for it, and were dropped. Any thread."""
        return {
            "published": self._n_published,
            "waiting": len(self._waiting) + len(self._sent),
            "dropped": self._n_dropped,
        }

    # ---- what is published

    def _encode(self, event: Event) -> str:
        return event.encode(self._stream, self._stamps.of(event, self._stream))

    def _add(self, detection: Detection) -> None:
        self._waiting.append(self._encode(detection))
        if len(self._waiting) > self._most_waiting:
            self._waiting.popleft()
            self._n_dropped += 1
            if self._n_dropped == 1:
                text = "%s takes no messages: of more than %d detections that wait the oldest are dropped"
                log.warning(text, self._broker, self._most_waiting)
        self._detections[detection.keyword] += 1
        self._keep_counts()

    def _keep_counts(self) -> None:
        words = dict(self._detections)
        self._keep(self._topics.detections, json.dumps({"total": sum(words.values()), "words": words}))

    def _announce(self, stream: Opened) -> None:
        """Announce the detector, and that words have gone which were announced before."""
        for word in stream.thresholds:
            self._detections.setdefault(word, 0)
        self._keep_counts()
        if self._discovery is not None:
            gone, self._words = self._words - stream.thresholds.keys(), set(stream.thresholds)
            config = describe_device(
                self._identifier, stream.source_id, self._topics, list(stream.thresholds), stream.model
            )
            self._keep_config(config, gone)

    def _keep_config(self, config: str, gone: set[str]) -> None:
        if gone and self._connection.is_connected:
            self._connection.publish(self._config_topic, remove_words(config, gone), is_retained=True)
            self._unpublished.add(self._config_topic)
        self._keep(self._config_topic, config)

    @property
    def _config_topic(self) -> str:
        return f"{self._discovery}/device/{self._identifier}/config"

    def _measure(self, samples: NDArray[np.int16]) -> None:
        """Publish the level of the sound, when it is due; of no use later, it does not wait."""
        self._sound.append(samples)
        self._n_sound += len(samples)
        if self._n_sound >= LEVEL_EVERY_S * self._stream.sample_rate_hz:
            sound = np.concatenate(self._sound).astype(np.float64)
            self._sound, self._n_sound = [], 0
            if self._connection.is_connected:
                power = max(float(np.var(sound)), FAINTEST)
                level_db = 10.0 * math.log10(power / INT16_SCALE**2)
                self._connection.publish(self._topics.level, f"{level_db:.1f}", qos=0)

    # ---- how it gets there

    def _keep(self, topic: str, message: str) -> None:
        if self._kept.get(topic) != message:
            self._kept[topic] = message
            self._unpublished.add(topic)

    def _send(self, at_most: int = MOST_SENT) -> None:
        if not self._connection.is_connected:
            return
        # First what is retained: Home Assistant ignores the events of an entity that it does not know yet.
        for topic in self._unpublished.difference(self._under_way.values()):
            self._unpublished.remove(topic)
            self._under_way[self._connection.publish(topic, self._kept[topic], is_retained=True)] = topic
        while self._waiting and len(self._sent) < at_most:
            self._sent.add(self._connection.publish(self._topics.detection, self._waiting.popleft()))

    def _note_taken(self, number: int) -> None:
        self._under_way.pop(number, None)
        if number in self._sent:
            self._sent.remove(number)
            self._n_published += 1

    def _publish_all(self) -> None:
        """Publish what is retained, as a broker that was started anew may have forgotten it."""
        if self._is_troubled:
            log.info("publishing to %s as %s/...", self._broker, self._topics.prefix)
            self._is_troubled = False
        now_s = self._clock()
        self._troubles = {text: s for text, s in self._troubles.items() if now_s - s < FORGOTTEN_AFTER_S}
        if self._discovery is not None:
            # Before ours is published: what an earlier run has announced is delivered first.
            self._connection.subscribe(self._config_topic, f"{self._discovery}/status")
        self._unpublished.update(self._kept)
        self._under_way.clear()  # of an earlier connection, and sent again before this is called

    def _receive(self, topic: str, message: bytes, is_retained: bool) -> None:  # noqa: FBT001 - called by position
        """Remove words that an earlier run has announced; publish all anew for a Home Assistant that has started."""
        if topic != self._config_topic:
            # Of before we subscribed: all has just been published.
            if message == ONLINE.encode() and not is_retained:
                self._unpublished.update(self._kept)
        elif is_retained and (gone := find_words(message) - self._words):  # not what we have just published
            self._keep_config(self._kept[topic], gone)

    def _note_trouble(self, text: str) -> None:
        if text not in self._troubles:
            self._troubles[text] = self._clock()
            self._is_troubled = True
            log.warning("%s: %s; it is tried again", self._broker, text)

    def _finish(self) -> None:
        """Publish the rest and the end; what the broker does not take in time is dropped."""
        self._send(at_most=MOST_SENT + len(self._waiting))
        self._connection.finish(self._topics.availability, OFFLINE, FINISH_S)
        self._connection.catch_up()
        self._n_dropped += len(self._waiting) + len(self._sent)
        self._waiting.clear()
        self._sent.clear()
        if self._n_dropped:
            log.warning("%s has not taken %d detections", self._broker, self._n_dropped)
