"""The conversation with one client, from its first event to its last."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence

from detector.errors import DetectorError
from detector.server import messages
from detector.server.reading import Chunk, Message, MessageReader, RefusedError, Request, read_data
from detector.server.scoring import Scoring
from detector.server.session import Found, Offer, Session
from detector.server.settings import ServeSettings

log = logging.getLogger(__name__)

AT_ONCE = 16
"""Events of one client that are answered before others have their turn, where they have come already."""


class Client:
    """Answers what a client sends, one event after the other, so that it is not read faster than it is answered."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        name: str,
        offer: Offer,
        info: bytes,
        limits: ServeSettings,
        scoring: Scoring,
    ) -> None:
        """Serve whoever is at the other end of two streams.

        Parameters
        ----------
        reader, writer : StreamReader, StreamWriter
        name : str
            What the log calls it.
        offer : Offer
        info : bytes
            What describes the offer.
        limits : ServeSettings
        scoring : Scoring
        """
        self._messages = MessageReader(reader, limits)
        self._writer = writer
        self.name = name
        self._info = info
        self._limits = limits
        self._scoring = scoring
        self._session = Session(offer, name)
        self._is_reported = False
        writer.transport.set_write_buffer_limits(high=limits.most_waiting_bytes)

    async def serve(self) -> None:
        """Answer until the client has gone.

        Raises
        ------
        RefusedError
            If it sends what does not fit, too much or too slowly, or does not read; it has been sent the reason.
        """
        try:
            n_answered = 0
            while (message := await self._messages.read()) is not None:
                await self._answer(message)
                n_answered += 1
                if n_answered % AT_ONCE == 0:
                    await asyncio.sleep(0)
        except (RefusedError, DetectorError) as exc:
            with contextlib.suppress(RefusedError):
                await self._write(messages.refusal(str(exc)))
            raise RefusedError(str(exc)) from exc
        except ConnectionError:
            log.debug("%s has gone", self.name)

    async def _answer(self, message: Message) -> None:
        session = self._session
        match message.kind:
            case "audio-chunk":
                await self._take(read_data(message, Chunk), message.payload)
            case "audio-start":
                read_data(message, Chunk)
                session.start()
            case "audio-stop":
                await self._report(await self._scoring.do(session.finish))
                if session.n_detections == 0:
                    await self._write(messages.not_detected())
                session.start()
            case "detect":
                await self._select(read_data(message, Request))
            case "describe":
                await self._write(self._info)
            case "ping":
                await self._write(messages.pong(message.data.get("text")))
            case "pause-satellite":
                session.is_paused = True
            case "run-satellite":
                session.is_paused = False
            case _:
                log.debug("%s sent '%s', which means nothing here", self.name, message.kind)

    async def _select(self, request: Request) -> None:
        self._session.is_paused = False
        unknown = self._session.select(request.names)
        if unknown:
            text = f"expected names of words on offer, found {', '.join(map(repr, unknown[:5]))}: 'describe' lists them"
            log.log(logging.DEBUG if self._is_reported else logging.INFO, "%s: %s", self.name, text)
            self._is_reported = True  # once: it may ask as often as it likes
            await self._write(messages.refusal(text))

    async def _take(self, chunk: Chunk, sound: bytes) -> None:
        if self._session.is_other_form(chunk):
            await self._report(await self._scoring.do(self._session.change))
        self._session.add(chunk, sound)
        await self._work()

    async def _work(self) -> None:
        while self._session.is_due:
            await self._report(await self._scoring.do(self._session.work))

    async def _report(self, found: Sequence[Found]) -> None:
        for one in found:
            log.info("%s: %s %.2f", self.name, one.detection.keyword, one.detection.score)
            await self._write(messages.detected(one))

    async def _write(self, answer: bytes) -> None:
        """Write an answer; wait for a client that has too much to read, for a while.

        Raises
        ------
        RefusedError
            If it does not read.
        """
        try:
            async with asyncio.timeout(self._limits.read_s):
                self._writer.write(answer)
                await self._writer.drain()
        except TimeoutError:
            raise RefusedError(
                f"expected a client that reads its answers, found {self._limits.most_waiting_bytes} bytes unread"
            ) from None
