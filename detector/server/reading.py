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


async def read_message(reader: asyncio.StreamReader, limits: ServeSettings, *, is_first: bool) -> Message | None:
    """Return a client's next event; None where it has ended, which it may do at any moment.

    `reader` has to be one of `limits.most_header_bytes`.

    Raises
    ------
    RefusedError
        If what comes is no event, is too long, or does not come in time.
    """
    first_s = min(limits.event_s, limits.idle_s) if is_first else limits.idle_s
    try:
        async with asyncio.timeout(first_s):
            start = await reader.read(1)
        if not start:
            return None
        async with asyncio.timeout(limits.event_s):
            return await _read_rest(start, reader, limits)
    except TimeoutError:
        raise RefusedError(
            f"expected an event within {first_s:g} s, and all of it within {limits.event_s:g} s"
        ) from None
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


async def _read_rest(start: bytes, reader: asyncio.StreamReader, limits: ServeSettings) -> Message:
    try:
        line = start if start == b"\n" else start + await reader.readuntil(b"\n")
    except asyncio.LimitOverrunError:
        raise RefusedError(f"expected a line of at most {limits.most_header_bytes} bytes, found a longer one") from None
    header = _decode(line, _Header)
    data = dict(header.data or {})
    if header.data_length:
        _check_length("data", header.data_length, limits.most_data_bytes)
        data |= _decode(await reader.readexactly(header.data_length), dict[str, Any])
    payload = b""
    if header.payload_length:
        _check_length("payload", header.payload_length, limits.most_payload_bytes)
        payload = await reader.readexactly(header.payload_length)
    return Message(header.type, data, payload)


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


def _decode(content: bytes, kind: Any) -> Any:
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise RefusedError(f"expected an event in JSON, found: {exc}") from exc
