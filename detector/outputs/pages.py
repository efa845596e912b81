"""Pages for whoever asks over HTTP: a scraper, a supervisor, a browser. Asked for seldom, and answered aside.

One thread serves all connections, so that no number of clients makes more of them. A connection has one request, and a
few seconds for all of it; of more connections than a few the oldest go, so that clients which hold theirs open keep
nobody else from asking. What a client sends decides on a path and the form of the answer, and is put into none.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import logging
import socket
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from types import TracebackType
from typing import NamedTuple, Self

from detector.errors import DetectorError, SettingsError
from detector.text import format_address

log = logging.getLogger(__name__)

MOST_CONNECTIONS = 16
MOST_HEAD_BYTES = 8192
"""Of a request, with its headers; it has no body."""
REQUEST_S = 5.0
"""For a request and its answer."""
STOP_S = 0.2
METHODS = ("GET", "HEAD")


class Page(NamedTuple):
    """An answer."""

    body: bytes
    content_type: str
    status: HTTPStatus = HTTPStatus.OK


Write = Callable[[str], Page]
"""Writes a page, given the media types that a client accepts (its header "Accept"). Called in another thread."""


class PageServer:
    """Answers requests for some pages, in a thread of its own, until it is left."""

    def __init__(self, host: str, port: int, pages: Mapping[str, Write], *, request_s: float = REQUEST_S) -> None:
        """Answer at an address.

        Parameters
        ----------
        host : str
            A numeric address of this machine.
        port : int
            0 takes any that is free.
        pages : mapping
            By path, "/metrics".
        request_s : float
            For how long a connection may last.
        """
        self.port = port
        self._host = host
        self._pages = pages
        self._request_s = request_s
        self._is_local = ipaddress.ip_address(host).is_loopback
        self._connections: dict[asyncio.Task[None], None] = {}  # in the order in which they came
        self._thread = threading.Thread(target=self._run, name=f"pages {host}", daemon=True)

    def __enter__(self) -> Self:
        """Begin to answer.

        Raises
        ------
        SettingsError
            If the address is taken by another program, or may not be used.
        DetectorError
            If it is none of this machine, which it may become.
        """
        self._socket = _open_socket(self._host, self.port)
        self.port = int(self._socket.getsockname()[1])
        paths = " and ".join(self._pages)
        where = format_address(self._host, self.port)
        if self._is_local:
            log.info("answering %s at http://%s", paths, where)
        else:
            log.warning("answering %s at http://%s: to whoever reaches that address, without a password", paths, where)
        self._loop = asyncio.new_event_loop()
        self._asked_to_stop = asyncio.Event()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close all connections, and wait for `STOP_S` at most until that is done."""
        self._loop.call_soon_threadsafe(self._asked_to_stop.set)
        self._thread.join(STOP_S)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._listen())
        self._loop.close()

    async def _listen(self) -> None:
        server = await asyncio.start_server(
            self._accept, sock=self._socket, limit=MOST_HEAD_BYTES, backlog=MOST_CONNECTIONS
        )
        await self._asked_to_stop.wait()
        server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await server.wait_closed()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a connection, in place of the oldest where there are too many."""
        if len(self._connections) >= MOST_CONNECTIONS:
            oldest = next(iter(self._connections))
            del self._connections[oldest]
            oldest.cancel()
        connection = self._loop.create_task(self._serve(reader, writer))
        self._connections[connection] = None
        connection.add_done_callback(lambda ended: self._connections.pop(ended, None))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request; a client that goes, or takes too long, is let go without a word."""
        is_done = False
        try:
            with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
                async with asyncio.timeout(self._request_s):
                    try:
                        answer = self._answer(await reader.readuntil(b"\r\n\r\n"))
                    except asyncio.LimitOverrunError:
                        answer = _refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
                    writer.write(answer)
                    writer.close()
                    await writer.wait_closed()
                    is_done = True
        finally:
            if not is_done:
                writer.transport.abort()  # what it does not read is dropped

    def _answer(self, head: bytes) -> bytes:
        request, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        method, _, rest = request.partition(" ")
        target, _, version = rest.rpartition(" ")
        if not version.startswith("HTTP/1.") or not target.startswith("/"):
            return _refuse(HTTPStatus.BAD_REQUEST)
        if method not in METHODS:
            return _refuse(HTTPStatus.METHOD_NOT_ALLOWED, f"Allow: {', '.join(METHODS)}")
        if self._is_local and not _is_local(headers.get("host", "")):
            return _refuse(HTTPStatus.MISDIRECTED_REQUEST)
        write = self._pages.get(target.partition("?")[0])
        if write is None:
            return _refuse(HTTPStatus.NOT_FOUND)
        try:
            page = write(headers.get("accept", ""))
        except Exception:  # logged; others are served on
            log.exception("a page could not be written: %s", target.partition("?")[0])
            return _refuse(HTTPStatus.INTERNAL_SERVER_ERROR)
        return _encode(page, has_body=method == "GET")


def _open_socket(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=MOST_CONNECTIONS)
    except OSError as exc:
        where = format_address(host, port)
        if exc.errno == errno.EADDRINUSE:
            raise SettingsError(
                f"expected {where} to be free, found another program there: choose another port"
            ) from exc
        if exc.errno == errno.EADDRNOTAVAIL:
            raise DetectorError(
                f"expected an address of this machine, found {host}, which is none, or not yet"
            ) from exc
        raise SettingsError(f"expected to listen at {where}, found: {exc.strerror}") from exc


def _is_local(host: str) -> bool:
    """Return whether a header "Host" names this machine as itself does, or there is none.

    A page of the web may give its own name the address of this machine, to read what a browser on it may ask for.
    """
    name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
    if name.lower() in ("", "localhost"):
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


def _refuse(status: HTTPStatus, *headers: str) -> bytes:
    return _encode(Page(f"{status} {status.phrase}\n".encode(), "text/plain; charset=utf-8", status), *headers)


def _encode(page: Page, *headers: str, has_body: bool = True) -> bytes:
    lines = [
        f"HTTP/1.1 {page.status} {page.status.phrase}",
        f"Content-Type: {page.content_type}",
        f"Content-Length: {len(page.body)}",
        "Cache-Control: no-store",
        "X-Content-Type-Options: nosniff",
        "Connection: close",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + (page.body if has_body else b"")
