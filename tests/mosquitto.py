"""A real broker of MQTT on a port of its own, certificates for it, and a client that keeps what it publishes."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from commands import WITHIN_S, wait_until

MOSQUITTO = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
MISSING = None if MOSQUITTO and shutil.which("openssl") else "needs mosquitto: apt-get install mosquitto openssl"


@dataclass
class Broker:
    """A broker that can be killed, suspended and started again."""

    folder: Path
    settings: tuple[str, ...] = ("allow_anonymous true",)
    port: int = 0
    is_lasting: bool = False
    """Whether it still knows sessions, and what it has taken for them, after it was killed."""
    _process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, on the same port as before, and wait until it listens."""
        assert MOSQUITTO is not None
        if not self.port:
            with socket.socket() as taken:
                taken.bind(("127.0.0.1", 0))
                self.port = taken.getsockname()[1]
        config = self.folder / "mosquitto.conf"
        lines = ["user root", f"listener {self.port} 127.0.0.1", *self.settings]
        if self.is_lasting:
            lines += ["persistence true", f"persistence_location {self.folder}/"]
            lines += ["autosave_on_changes true", "autosave_interval 1"]
        config.write_text("\n".join(lines) + "\n")
        with open(self.folder / "log", "ab") as log:
            self._process = subprocess.Popen([MOSQUITTO, "-v", "-c", config], stdout=log, stderr=log)
        wait_until(self._listens)

    def _listens(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), WITHIN_S):
            return True
        return False

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def url(self, *, scheme: str = "mqtt", user: str = "", prefix: str = "home/ears") -> str:
        return f"{scheme}://{user}{'@' if user else ''}127.0.0.1:{self.port}/{prefix}"

    def kill(self) -> None:
        """End it at once, as a crash does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(WITHIN_S)
            self._process = None

    def end(self) -> None:
        """Ask it to end, and wait until it has."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(WITHIN_S)
            self._process = None

    def hang(self) -> None:
        """Stop it where it is; it answers nobody."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


@dataclass
class Reader:
    """A client that subscribes to everything, and keeps a session while it is not there."""

    broker: Broker
    messages: list[tuple[str, str, bool]] = field(default_factory=list)
    """Topic, text, and whether it was retained from before."""
    is_ready: bool = False

    def __enter__(self) -> Self:
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion

        self.client = Client(CallbackAPIVersion.VERSION2, client_id="reader", clean_session=False)
        self.client.reconnect_delay_set(1, 1)
        self.client.on_connect = lambda client, *_: client.subscribe("#", 1)
        self.client.on_subscribe = lambda *_: setattr(self, "is_ready", True)
        self.client.on_disconnect = lambda *_: setattr(self, "is_ready", False)
        self.client.on_message = lambda _client, _data, message: self.messages.append(
            (message.topic, message.payload.decode(), message.retain)
        )
        self.client.connect_async("127.0.0.1", self.broker.port)
        self.client.loop_start()
        wait_until(lambda: self.is_ready)
        return self

    def __exit__(self, *_: object) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def of(self, topic: str) -> list[str]:
        """Return what was published under a topic, in order."""
        return [text for found, text, _ in list(self.messages) if found == topic]

    def wait_for(self, topic: str, text: str) -> None:
        """Return when a topic's last message is a text."""
        wait_until(lambda: self.of(topic)[-1:] == [text])


@contextlib.contextmanager
def running(broker: Broker) -> Iterator[Broker]:
    """Start a broker; end it in any case."""
    try:
        broker.start()
        yield broker
    finally:
        broker.kill()


def make_certificates(folder: Path) -> None:
    """Make an authority `ca`, and `server` and `client` signed by it: NAME.crt and NAME.key each; and a `stranger`."""
    for authority in ("ca", "stranger"):
        _openssl(folder, "req", "-x509", *_new_key(authority), "-out", f"{authority}.crt")
    for name in ("server", "client"):
        _openssl(folder, "req", *_new_key(name), "-out", f"{name}.csr", "-addext", "subjectAltName=IP:127.0.0.1")
        signed_by = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-copy_extensions", "copy"]
        _openssl(folder, "x509", "-req", "-in", f"{name}.csr", *signed_by, "-days", "2", "-out", f"{name}.crt")


def _new_key(name: str) -> list[str]:
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    return [*curve, "-nodes", "-keyout", f"{name}.key", "-subj", f"/CN={name}"]


def _openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True, timeout=WITHIN_S)


def hash_password(folder: Path, user: str, password: str) -> Path:
    """Return a file of passwords with this one."""
    file = folder / "passwords"
    command = ["mosquitto_passwd", "-b", "-c", file, user, password]
    subprocess.run(command, check=True, capture_output=True, timeout=WITHIN_S)
    return file
