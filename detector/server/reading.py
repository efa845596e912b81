"""What a client sends, read within limits: an event is a line of JSON, data and payload behind it, each at a length.

The line and the data are what anybody may send: they are read into Structs, which refuse what does not fit. Nothing
is kept of an event that is refused.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, NamedTuple, TypeVar

import msgspec

from detector.server.settings import ServeSettings

S = TypeVar("S", bound=msgspec.Struct)
T = TypeVar("T")

AT_ONCE_BYTES = 65_536
"""Taken from a connection at once."""


class RefusedError(Exception):
    """A client sent, or did not send, what it may or should: it is closed. One line, for its log and ours."""


class Message(NamedTuple):
    """An event, as it came."""

    kind: str
    data: dict[str, Any]
    payload: bytes


class _Header(msgspec.Struct, frozen=True):
    type: Annotated[str, msgspec.Meta(max_length=100)]
    data: dict[str, Any] | None = None
    data_length: Annotated[int, msgspec.Meta(ge=0)] | None = None
    payload_length: Annotated[int, msgspec.Meta(ge=0)] | None = None


HEADER = msgspec.json.Decoder(_Header)
DATA = msgspec.json.Decoder(dict[str, Any])


class Form(msgspec.Struct, frozen=True):
    """How sound is written that a client announces or sends: signed little-endian, of 8 bits unsigned as in a WAV."""

    rate: Annotated[int, msgspec.Meta(ge=1000, le=768_000)]
    width: Annotated[int, msgspec.Meta(ge=1, le=4)]
    """Bytes."""
    channels: Annotated[int, msgspec.Meta(ge=1, le=64)]

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of each channel."""
        return self.width * self.channels


class Chunk(Form, frozen=True):
    """Sound, or the beginning of it, and where it is by the client's own clock."""

    timestamp: int | float | None = None

    @property
    def form(self) -> Form:
        """How it is written."""
        return Form(self.rate, self.width, self.channels)


class Request(msgspec.Struct, frozen=True):
    """A wish for some words; none, or an empty list: all."""

    names: Annotated[list[str], msgspec.Meta(max_length=10_000)] | None = None


class MessageReader:
    """The events of one client, in order.

    What has come is taken apart without waiting, an event after the other: many clients send fifty a second.
    """

    def __init__(self, reader: asyncio.StreamReader, limits: ServeSettings) -> None:
        self._reader = reader
        self._limits = limits
        self._come = bytearray()
        """What has come of the next events."""
        self._header: _Header | None = None
        """Of the next event, once its line has come."""
        self._n_looked_at = 0
        """Bytes of it in which the line does not end."""
        self._is_first = True

    async def read(self) -> Message | None:
        """Return a client's next event; None where it has ended, which it may do at any moment.

        Raises
        ------
        RefusedError
            If what comes is no event, is too long, or does not come in time.
        """
        due_s: float | None = None
        loop, limits = asyncio.get_running_loop(), self._limits
        while (message := self._take()) is None:
            first_s = min(limits.event_s, limits.idle_s) if self._is_first else limits.idle_s
            if self._come or self._header is not None:
                due_s = due_s or loop.time() + limits.event_s
            try:
                async with asyncio.timeout_at(due_s or loop.time() + first_s):
                    come = await self._reader.read(AT_ONCE_BYTES)
            except TimeoutError:
                raise RefusedError(
                    f"expected an event within {first_s:g} s, and all of it within {limits.event_s:g} s"
                ) from None
            except ConnectionError:
                return None
            if not come:
                return None
            self._come += come
        self._is_first = False
        return message

    def _take(self) -> Message | None:
        """Take the next event out of what has come, if all of it has."""
        header = self._header = self._header or self._take_header()
        if header is None:
            return None
        n_data, n_payload = header.data_length or 0, header.payload_length or 0
        if len(self._come) < n_data + n_payload:
            return None
        data = dict(header.data or {})
        if n_data:
            behind: dict[str, Any] = _decode(self._come[:n_data], DATA)
            data |= behind
        payload = bytes(self._come[n_data : n_data + n_payload])
        del self._come[: n_data + n_payload]
        self._header = None
        return Message(header.type, data, payload)

    def _take_header(self) -> _Header | None:
        most = self._limits.most_header_bytes
        end = self._come.find(b"\n", self._n_looked_at, most)
        if end < 0:
            self._n_looked_at = len(self._come)
            if len(self._come) >= most:
                raise RefusedError(f"expected a line of at most {most} bytes, found a longer one")
            return None
        header: _Header = _decode(self._come[:end], HEADER)
        del self._come[: end + 1]
        self._n_looked_at = 0
        _check_length("data", header.data_length or 0, self._limits.most_data_bytes)
        _check_length("payload", header.payload_length or 0, self._limits.most_payload_bytes)
        return header


def read_data(message: Message, kind: type[S]) -> S:
    """Return the data of an event as a Struct.

    Raises
    ------
    RefusedError
        If they do not fit.
    """
    try:
        return msgspec.convert(message.data, kind)
    except msgspec.ValidationError as exc:
        raise RefusedError(f"expected the data of '{message.kind}', found: {exc}") from exc


def _check_length(what: str, found: int, most: int) -> None:
    if found > most:
        raise RefusedError(f"expected at most {most} bytes of {what}, found {found}")


def _decode(content: bytearray, decoder: msgspec.json.Decoder[T]) -> T:
    try:
        return decoder.decode(content)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise RefusedError(f"expected an event in JSON, found: {exc}") from exc
