"""A connection to a broker that comes and goes, by the client of paho, which connects in a thread of its own.

What happens in that thread is noted, and looked at by whoever publishes, with `catch_up`: paho calls back with locks
held that publishing takes, too.
"""

from __future__ import annotations

import socket
import ssl
import sys
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, LogLevel, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from detector.outputs.broker import Address

KEEPALIVE_S = 30
"""A broker that has not answered for this long, or up to twice as long, is lost."""
FIRST_WAIT_S, LONGEST_WAIT_S = 1, 30
"""Before a connection is tried again; the wait doubles from try to try."""
NO_ANSWER = "it does not answer"


class Connection:
    """Publishes, and calls whoever publishes when the broker is there, has taken a message or has sent one."""

    def __init__(
        self,
        address: Address,
        *,
        client_id: str,
        password: str | None,
        tls: ssl.SSLContext | None,
        greeting: tuple[str, str],
        will: tuple[str, str],
        connected: Callable[[], None],
        taken: Callable[[int], None],
        received: Callable[[str, bytes, bool], None],
        troubled: Callable[[str], None],
    ) -> None:
        """Prepare a connection; `start` begins to connect.

        Parameters
        ----------
        greeting, will : (topic, message)
            What is published, retained, when a connection was made, and by the broker when it was lost.
        connected : callable
            Takes that the broker has taken the greeting; what was under way when a connection was lost, paho has sent
            again by then.
        taken : callable
            Takes the number of a message that the broker has taken.
        received : callable
            Takes the topic and content of a message, and whether it was published before it was subscribed to.
        troubled : callable
            Takes what is wrong, each time that a connection fails or is lost.
        """
        self._address = address
        self._greeting = greeting
        self._connected, self._taken, self._received, self._troubled = connected, taken, received, troubled
        self._calls: deque[Callable[[], None]] = deque()
        self._greeting_number: int | None = None
        self._error = ""
        self._is_finished = False
        self.is_connected = False
        # Version 3.1.1 is what every broker speaks.
        self._client = Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=MQTTProtocolVersion.MQTTv311)
        self._client.username = address.user
        self._client.password = password
        if tls is not None:
            self._client.tls_set_context(tls)
        self._client.max_inflight_messages_set(0)  # who publishes sees to it
        self._client.will_set(*will, qos=1, retain=True)
        self._client.reconnect_delay_set(FIRST_WAIT_S, LONGEST_WAIT_S)
        self._client.on_pre_connect = self._on_pre_connect
        self._client.on_connect = self._on_connect
        self._client.on_connect_fail = self._on_connect_fail
        self._client.on_disconnect = self._on_disconnect
        self._client.on_publish = self._on_publish
        self._client.on_message = self._on_message
        self._client.on_log = self._on_log

    def start(self) -> None:
        """Connect, and connect again, from now on."""
        self._client.connect_async(self._address.host, self._address.port, keepalive=KEEPALIVE_S)
        self._client.loop_start()

    def catch_up(self) -> None:
        """Make the calls for what has happened since the last time."""
        while self._calls:
            self._calls.popleft()()

    def publish(self, topic: str, message: str, *, qos: int = 1, is_retained: bool = False) -> int:
        """Publish a message, and return its number; with QoS 1 it is sent again until the broker has taken it."""
        return self._client.publish(topic, message, qos=qos, retain=is_retained).mid

    def subscribe(self, *topics: str) -> None:
        """Ask for the messages of topics, for as long as the connection holds."""
        self._client.subscribe([(topic, 1) for topic in topics])

    def finish(self, topic: str, message: str, timeout_s: float) -> None:
        """Publish a last message, retained, wait for at most timeout_s until it is taken, and disconnect. Once.

        It does not wait for the thread, as `loop_stop` would: that may itself be waiting, for an address or for a
        broker that does not answer.
        """
        if self._is_finished:
            return
        self._is_finished = True
        if self.is_connected:
            last = self._client.publish(topic, message, qos=1, retain=True)
            if last.rc == MQTTErrorCode.MQTT_ERR_SUCCESS:
                last.wait_for_publish(timeout_s)
            self._client.disconnect()
        # Otherwise the greeting may be on its way, and whoever takes leave is not given a last will.

    # ---- in the thread of paho

    def _on_pre_connect(self, _client: Client, _: Any) -> None:
        self._error = ""  # what paho reports after a connection was lost is not why the next one is

    def _on_connect(self, client: Client, _: Any, _flags: ConnectFlags, reason: ReasonCode, _properties: Any) -> None:
        if reason.is_failure:
            self._error = f"the broker refuses: {reason}"
        elif self._is_finished:
            client.disconnect()
        else:
            self._error = ""
            self._greeting_number = client.publish(*self._greeting, qos=1, retain=True).mid

    def _on_publish(self, _client: Client, _: Any, number: int, _reason: ReasonCode, _properties: Any) -> None:
        if number == self._greeting_number:
            self._calls.append(self._note_connected)
        else:
            self._calls.append(partial(self._taken, number))

    def _on_message(self, _client: Client, _: Any, message: MQTTMessage) -> None:
        self._calls.append(partial(self._received, message.topic, bytes(message.payload), message.retain))

    def _on_connect_fail(self, _client: Client, _: Any) -> None:
        # paho does not hand the error over, but calls while it handles it.
        error = sys.exception()
        self._calls.append(partial(self._note_trouble, describe(error) if isinstance(error, OSError) else str(error)))

    def _on_disconnect(
        self, _client: Client, _: Any, _flags: DisconnectFlags, reason: ReasonCode, _properties: Any
    ) -> None:
        is_mute = reason == "Keep alive timeout"
        text = self._error or (NO_ANSWER if is_mute else f"the connection was lost ({reason})")
        self._calls.append(partial(self._note_trouble, text))
        self._error = ""

    def _on_log(self, _client: Client, _: Any, level: int, text: str) -> None:
        if level == LogLevel.MQTT_LOG_ERR:
            self._error = f"the connection was lost ({text})"

    # ---- in the thread of whoever catches up

    def _note_connected(self) -> None:
        self.is_connected = True
        self._connected()

    def _note_trouble(self, text: str) -> None:
        self.is_connected = False
        if not self._is_finished:
            self._troubled(text)


def describe(error: OSError) -> str:
    """Return why no connection was made, in words that tell one kind of failure from another."""
    match error:
        case ssl.SSLCertVerificationError():
            return f"its certificate is not accepted ({error.verify_message})"
        case ssl.SSLError():
            return f"TLS failed ({error.reason or error})"
        case socket.gaierror():
            return f"the name is not known ({error.strerror})"
        case TimeoutError():
            return NO_ANSWER
    return error.strerror or str(error)
