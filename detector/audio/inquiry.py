"""What a sound server says of our stream: from which of its sources the samples come.

A server moves a stream whose source vanishes to another one without an error: PipeWire to the monitor of a dummy sink,
which delivers zeros at full rate. ALSA and PortAudio do not know of it, so the server is asked by its own programs,
pw-dump and pactl: they come with the servers, cost a few milliseconds of processor time, and where they are missing or
hang nothing else is worse for it. Binding a library of each server would be more code and could block or crash here.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

ANSWER_WITHIN_S = 2.0
"""A program that takes longer is ended: its server hangs."""
DUMMY = "auto_null"
"""The sink that PulseAudio and PipeWire's session manager make where there is no other."""


class Origin(NamedTuple):
    """Where a stream's samples come from."""

    serial: int
    """The server's own number of it, never used again: a card that is plugged in anew has another."""
    name: str
    is_monitor: bool
    """Not a microphone but what a sink plays."""

    @property
    def is_dummy(self) -> bool:
        """There is no sound behind it."""
        return self.is_monitor and self.name == DUMMY


class Answer(NamedTuple):
    """What a server says."""

    is_listed: bool
    """The server has a stream of this process."""
    origin: Origin | None
    """Of the stream; None if it is connected to nothing."""
    sources: frozenset[str]
    """Names of all that is not the monitor of a sink."""


class Inquiry:
    """Asks the server, or one of several, without waiting for the answer. One thread only."""

    def __init__(
        self,
        programs: Sequence[tuple[tuple[str, ...], Callable[[bytes, int], Answer]]] | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Ask nothing yet; `programs` are commands and who reads what they write, the first that knows us preferred."""
        known = PROGRAMS if programs is None else programs
        self._programs = [program for program in known if shutil.which(program[0][0])]
        self._clock = clock
        self._left: list[tuple[tuple[str, ...], Callable[[bytes, int], Answer]]] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._file = -1
        self._asked_s = 0.0
        self._answer: Answer | None = None

    @property
    def is_pending(self) -> bool:
        """Whether there is no answer yet to what was asked."""
        return self._process is not None

    def ask(self) -> None:
        """Begin to ask; what was asked before is not waited for."""
        self.cancel()
        self._left, self._answer = list(self._programs), None
        self._ask_next()

    def poll(self) -> Answer | None:
        """Return the answer once: None while there is none, and where nobody could say anything."""
        if self._process is None:
            return None
        code = self._process.poll()
        if code is None and self._clock() - self._asked_s < ANSWER_WITHIN_S:
            return None
        if code == 0:
            _, read = self._left[0]
            try:
                answer = read(_read_all(self._file), os.getpid())
            except msgspec.MsgspecError:
                answer = None  # another version's, which says nothing to us
            if answer is not None and (answer.is_listed or self._answer is None):
                self._answer = answer
        self.cancel()
        del self._left[0]
        if self._answer is not None and self._answer.is_listed:
            return self._answer
        self._ask_next()
        return None if self.is_pending else self._answer

    def wait(self) -> Answer | None:
        """Ask, and return the answer; None where nobody could say anything."""
        self.ask()
        while self._process is not None:
            if (answer := self.poll()) is not None:
                return answer
            time.sleep(0.005)
        return None

    def cancel(self) -> None:
        """Ask no longer."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            os.close(self._file)
            self._process = None

    def _ask_next(self) -> None:
        while self._left and self._process is None:
            command, _ = self._left[0]
            self._file = os.memfd_create(command[0])
            try:
                self._process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=self._file, stderr=subprocess.DEVNULL
                )
            except OSError:  # not allowed, or out of memory
                os.close(self._file)
                del self._left[0]
            self._asked_s = self._clock()


def _read_all(file: int) -> bytes:
    return os.pread(file, os.fstat(file).st_size, 0)


class _Info(msgspec.Struct):
    props: dict[str, Any] | None = None
    output_node_id: int = msgspec.field(name="output-node-id", default=-1)
    input_node_id: int = msgspec.field(name="input-node-id", default=-1)


class _Object(msgspec.Struct):
    id: int
    type: str
    info: _Info | None = None


def read_pw_dump(text: bytes, pid: int) -> Answer:
    """Return what PipeWire says of the stream of a process.

    Raises
    ------
    msgspec.MsgspecError
        If this is not what pw-dump writes.
    """
    objects = [(item, item.info.props or {}) for item in msgspec.json.decode(text, type=list[_Object]) if item.info]
    clients = {item.id for item, properties in objects if _is_of(properties, pid) and item.type.endswith(":Client")}
    nodes = {item.id: properties for item, properties in objects if item.type.endswith(":Node")}
    ours = {
        number
        for number, properties in nodes.items()
        if properties.get("media.class") == "Stream/Input/Audio"
        and (properties.get("client.id") in clients or _is_of(properties, pid))
    }
    origins = [
        nodes[item.info.output_node_id]
        for item, _ in objects
        if item.info and item.info.input_node_id in ours and item.info.output_node_id in nodes
    ]
    sources = (properties for properties in nodes.values() if not _is_sink(properties))
    return Answer(
        bool(ours),
        _choose(Origin(int(of["object.serial"]), str(of.get("node.name")), _is_sink(of)) for of in origins),
        frozenset(str(of.get("node.name")) for of in sources if str(of.get("media.class")).startswith("Audio/Source")),
    )


def _is_sink(properties: dict[str, Any]) -> bool:
    return str(properties.get("media.class")).startswith("Audio/Sink")


def _is_of(properties: dict[str, Any], pid: int) -> bool:
    return str(properties.get("application.process.id")) == str(pid)


def _choose(origins: Iterable[Origin]) -> Origin | None:
    """Return one of the origins: a microphone rather than a monitor."""
    return min(origins, key=lambda origin: (origin.is_monitor, origin.serial), default=None)


class _Source(msgspec.Struct):
    index: int
    name: str
    monitor_source: str = ""  # pactl's name for the sink that a monitor is of


class _Output(msgspec.Struct):
    source: int
    properties: dict[str, Any]


class _Lists(msgspec.Struct):
    sources: list[_Source]
    source_outputs: list[_Output]


def read_pactl(text: bytes, pid: int) -> Answer:
    """Return what a PulseAudio server says of the stream of a process.

    Raises
    ------
    msgspec.MsgspecError
        If this is not what pactl writes.
    """
    lists = msgspec.json.decode(text, type=_Lists)
    ours = [output.source for output in lists.source_outputs if _is_of(output.properties, pid)]
    origins = [
        Origin(source.index, source.monitor_source or source.name, bool(source.monitor_source))
        for source in lists.sources
    ]
    return Answer(
        bool(ours),
        _choose(origin for origin in origins if origin.serial in ours),
        frozenset(origin.name for origin in origins if not origin.is_monitor),
    )


PROGRAMS: tuple[tuple[tuple[str, ...], Callable[[bytes, int], Answer]], ...] = (
    (("pw-dump",), read_pw_dump),
    (("pactl", "--format=json", "list"), read_pactl),
)
