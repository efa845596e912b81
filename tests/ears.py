"""A server in this process, and clients of it by the library that Home Assistant uses."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import numpy as np
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncClient
from wyoming.event import Event
from wyoming.wake import Detect, Detection, NotDetected

from detector.process.supervisor import Notifier, Watchdog
from detector.server.address import parse_uri
from detector.server.server import Server
from detector.server.session import Offer
from detector.server.settings import ServeSettings

WITHIN_S = 120.0
"""What a test waits for comes much sooner."""


@contextlib.asynccontextmanager
async def serving(offer: Offer, *, watchdog: Watchdog | None = None, **settings: Any) -> AsyncIterator[str]:
    """Serve clients in this block, and yield the URI; a server that fails ends it."""
    chosen = ServeSettings(**({"uri": "tcp://127.0.0.1:0"} | settings))
    notifier = Notifier(None)
    server = Server(
        offer, chosen, parse_uri(chosen.uri), notifier=notifier, watchdog=watchdog or Watchdog(notifier, None)
    )
    stop = asyncio.Event()
    running = asyncio.create_task(server.run(stop))
    is_open = asyncio.create_task(server.is_open.wait())
    await asyncio.wait([running, is_open], return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        await running
    try:
        async with asyncio.timeout(WITHIN_S):
            yield str(server.address)
    finally:
        stop.set()
        await running


def connect(uri: str) -> AsyncClient:
    """Return a client, which connects when it is entered."""
    return AsyncClient.from_uri(uri)


async def read(client: AsyncClient) -> Event:
    """Return the next answer."""
    event = await client.read_event()
    assert event is not None, "expected an answer, found the connection closed"
    return event


async def send(
    client: AsyncClient,
    samples: np.ndarray,
    *,
    names: Sequence[str] | None = None,
    rate: int = 16000,
    width: int = 2,
    channels: int = 1,
    step: int = 1024,
    each: Callable[[int], int | None] = lambda first: None,
) -> None:
    """Ask for words, then send sound as a stream, whole samples of `width` bytes along the last axis.

    `each` gives the timestamp of a chunk by the number of its first sample.
    """
    form = {"rate": rate, "width": width, "channels": channels}
    await client.write_event(Detect(names=None if names is None else list(names)).event())
    await client.write_event(AudioStart(**form).event())
    for first in range(0, len(samples), step):
        sound = np.ascontiguousarray(samples[first : first + step]).tobytes()
        await client.write_event(AudioChunk(**form, audio=sound, timestamp=each(first)).event())
    await client.write_event(AudioStop().event())


async def read_detections(client: AsyncClient, n_detections: int) -> list[Detection]:
    """Return the next answers, which have to be detections."""
    found = []
    for _ in range(n_detections):
        event = await read(client)
        assert Detection.is_type(event.type), event
        found.append(Detection.from_event(event))
    return found


async def read_stream(client: AsyncClient) -> list[str | None]:
    """Return the words that are detected in a stream that was sent, up to the answer to a ping behind it."""
    await client.write_event(Event("ping", {"text": "end"}))
    words: list[str | None] = []
    while (event := await read(client)).type != "pong":
        assert Detection.is_type(event.type) or NotDetected.is_type(event.type), event
        words.append(Detection.from_event(event).name if Detection.is_type(event.type) else None)
    return words
