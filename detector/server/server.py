"""The server: lets clients in, serves them at once, and ends when it is asked to."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

from detector.errors import SettingsError
from detector.process.supervisor import Notifier, Watchdog
from detector.server.address import Address, Stdio, Tcp, Unix, open_path, open_port
from detector.server.client import Client
from detector.server.messages import describe, refusal
from detector.server.reading import RefusedError
from detector.server.scoring import Scoring
from detector.server.session import Offer
from detector.server.settings import ServeSettings

log = logging.getLogger(__name__)

BUFFER_BYTES = 32_768
"""Of twice as much that a client has sent and nobody has read no more is taken from its connection."""
TICK_S = 1.0
"""The supervisor is notified about as often, once a piece of work has been done."""
END_S = 0.2
"""Clients that are served when the end is asked for have so long to let go."""
LAST_S, N_LAST = 1.0, 64
"""A refused client's last sound is read and dropped for so long, and in so many pieces, before it is closed."""
QUIET_S = 60.0
"""Of what is wrong with clients a kind is logged once in so long: a flood of them is no flood of lines."""


class Server:
    """Clients, each with a task of its own, and the one thread that works for all of them."""

    def __init__(
        self,
        offer: Offer,
        settings: ServeSettings,
        address: Address,
        *,
        notifier: Notifier,
        watchdog: Watchdog,
        announced: Callable[[Tcp], AbstractAsyncContextManager[None]] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Offer words at an address, once `run` runs.

        Parameters
        ----------
        offer : Offer
        settings : ServeSettings
        address : Tcp, Unix or Stdio
        notifier : Notifier
        watchdog : Watchdog
        announced : callable, optional
            Announces a port while its block is entered.
        clock : callable
            Returns seconds of a monotonic clock.
        """
        self._offer = offer
        self._settings = settings
        self.address = address
        """With the port that was found, where any was asked for."""
        self._info = describe(offer.model, offer.words)
        self._notifier, self._watchdog = notifier, watchdog
        self._announced = announced
        self._clock = clock
        self._scoring = Scoring()
        self._clients: set[asyncio.Task[None]] = set()
        self._n_connected = 0
        self._logged_s: dict[str, float] = {}
        self._n_unlogged = 0
        self.is_open = asyncio.Event()
        """Set once clients are let in."""

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set, or the one client of standard input has ended.

        Raises
        ------
        DetectorError
            If nothing can listen at the address, or announce it.
        """
        ends = [asyncio.create_task(work) for work in (self._scoring.run(), self._notify(), _wait_for(stop))]
        try:
            async with self._listening() as only_client:
                self.is_open.set()
                log.info("serving %s at %s", ", ".join(self._offer.words), self.address)
                waited_for = [*ends, *([] if only_client is None else [only_client])]
                done, _ = await asyncio.wait(waited_for, return_when=asyncio.FIRST_COMPLETED)
                self._notifier.stopping()
                for end in done:
                    end.result()
        finally:
            tasks = [*self._clients, *ends]
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=END_S)

    @contextlib.asynccontextmanager
    async def _listening(self) -> AsyncIterator[asyncio.Task[None] | None]:
        """Let clients in, in this block; the one of standard input and output is all there will be."""
        address = self.address
        async with contextlib.AsyncExitStack() as stack:
            only_client = None
            match address:
                case Stdio():
                    for descriptor in (0, 1):  # others may have it, too, as of a terminal
                        stack.callback(os.set_blocking, descriptor, os.get_blocking(descriptor))
                    only_client = self._begin(*await open_stdio(), "standard input")
                case Unix():
                    listening = open_path(address)
                    stack.callback(address.path.unlink, missing_ok=True)
                    stack.callback(
                        (await asyncio.start_unix_server(self._accept, sock=listening, limit=BUFFER_BYTES)).close
                    )
                case Tcp():
                    listening = open_port(address)
                    self.address = address._replace(port=listening.getsockname()[1])
                    stack.callback((await asyncio.start_server(self._accept, sock=listening, limit=BUFFER_BYTES)).close)
                    if not address.is_local:
                        log.warning(
                            "%s: whoever reaches this machine there is served, and not asked who it is", address
                        )
                    if self._announced is not None:
                        await stack.enter_async_context(self._announced(self.address))
            yield only_client

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a client that has connected, unless there are as many as may be."""
        self._n_connected += 1
        peer = writer.get_extra_info("peername")
        name = f"{peer[0]}:{peer[1]}" if isinstance(peer, tuple) else f"client {self._n_connected}"
        if len(self._clients) < self._settings.most_clients:
            self._begin(reader, writer, name)
            return
        text = f"expected at most {self._settings.most_clients} clients at once, found one more"
        self._report(name, text)
        writer.write(refusal(text))
        writer.close()

    def _begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, name: str) -> asyncio.Task[None]:
        client = Client(
            reader,
            writer,
            name=name,
            offer=self._offer,
            info=self._info,
            limits=self._settings,
            scoring=self._scoring,
        )
        task = asyncio.create_task(self._serve(client, reader, writer))
        self._clients.add(task)
        task.add_done_callback(self._clients.discard)
        return task

    async def _serve(self, client: Client, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        log.debug("%s has connected", client.name)
        is_closed = False
        try:
            try:
                await client.serve()
            except RefusedError as exc:
                self._report(client.name, str(exc))
                await _drop_last(reader, writer)
            writer.close()
            is_closed = await _wait_until_closed(writer, self._settings.read_s)
        except Exception:  # logged; the others are served on
            log.exception(
                "internal failure with %s, which is closed; please report it with the lines below", client.name
            )
        finally:
            if not is_closed:
                writer.transport.abort()  # what it does not read is dropped
            log.debug("%s is closed", client.name)

    def _report(self, name: str, text: str) -> None:
        """Log why a client is closed, unless that was logged a moment ago."""
        kind, now_s = text.partition(", found")[0], self._clock()
        if now_s - self._logged_s.get(kind, float("-inf")) < QUIET_S:
            self._n_unlogged += 1
            log.debug("%s is closed: %s", name, text)
            return
        self._logged_s[kind] = now_s
        others = f"; {self._n_unlogged} more were closed since the last such line" if self._n_unlogged else ""
        self._n_unlogged = 0
        log.warning("%s is closed: %s%s", name, text, others)

    async def _notify(self) -> None:
        """Give the supervisor signs of life while both this thread and the one that works for clients go on."""
        is_ready, n_ticks, n_before = False, 0, -1
        await self.is_open.wait()
        while True:
            await self._scoring.do(int)
            n_ticks += 1
            is_ready = is_ready or self._notifier.ready()
            self._watchdog.progress(n_ticks, n_ticks, self._clock())
            if len(self._clients) != n_before:
                n_before = len(self._clients)
                self._notifier.status(f"serving {n_before} clients at {self.address}")
            await asyncio.sleep(TICK_S)


async def _drop_last(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read what a refused client still sends: to close on it resets the connection, and the client's reason is lost."""
    with contextlib.suppress(OSError):  # TimeoutError is one
        async with asyncio.timeout(LAST_S):
            writer.write_eof()
            for _ in range(N_LAST):
                if not await reader.read(BUFFER_BYTES):
                    return


async def _wait_until_closed(writer: asyncio.StreamWriter, timeout_s: float) -> bool:
    """Wait until a client has read what there is, or gone; return False if it takes too long."""
    try:
        async with asyncio.timeout(timeout_s):
            await writer.wait_closed()
    except TimeoutError:
        return False
    except OSError:
        return True
    return True


async def _wait_for(stop: asyncio.Event) -> None:
    await stop.wait()


async def open_stdio() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Return standard input and standard output as a client.

    Raises
    ------
    SettingsError
        If one of them is no pipe, socket or terminal.
    """
    loop = asyncio.get_running_loop()
    reader, unused = asyncio.StreamReader(BUFFER_BYTES), asyncio.StreamReader()
    try:
        source, sink = (os.fdopen(os.dup(number), mode) for number, mode in ((0, "rb"), (1, "wb")))
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), source)
        transport, protocol = await loop.connect_write_pipe(lambda: asyncio.StreamReaderProtocol(unused), sink)
    except (ValueError, OSError) as exc:
        raise SettingsError(
            "expected a client on standard input and output, pipes or sockets, found files: serve at tcp:// or unix://"
        ) from exc
    return reader, asyncio.StreamWriter(transport, protocol, None, loop)
