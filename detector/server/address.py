"""Where clients are served: an address, and the sockets that listen there."""

from __future__ import annotations

import errno
import ipaddress
import socket
import stat
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from detector.errors import DetectorError, SettingsError
from detector.text import format_address

BACKLOG = 128
"""Clients that wait to be let in."""
FORMS = "tcp://ADDRESS:PORT, unix:///PATH or stdio://"


class Tcp(NamedTuple):
    """A port of this machine."""

    host: str
    port: int

    @property
    def is_local(self) -> bool:
        """Whether this machine alone can reach it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def __str__(self) -> str:
        return f"tcp://{format_address(self.host, self.port)}"


class Unix(NamedTuple):
    """A socket in the file system."""

    path: Path

    def __str__(self) -> str:
        return f"unix://{self.path}"


class Stdio(NamedTuple):
    """Standard input and output."""

    def __str__(self) -> str:
        return "stdio://"


Address = Tcp | Unix | Stdio


def parse_uri(uri: str) -> Address:
    """Return the address that a URI names.

    Raises
    ------
    SettingsError
        If it names none.
    """
    problem = SettingsError(f"expected a URI to serve clients at, {FORMS}, found '{uri}'")
    try:
        parts = urlsplit(uri)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise problem from None
    rest = (parts.path.strip("/"), parts.query, parts.fragment, parts.username)
    match parts.scheme:
        case "tcp" if host and port is not None and not any(rest):
            return Tcp(host, port)
        case "unix" if parts.netloc + parts.path:
            return Unix(Path(unquote(parts.netloc + parts.path)))
        case "stdio" if not host and not any(rest):
            return Stdio()
    raise problem


def open_port(address: Tcp) -> socket.socket:
    """Return a socket that listens at a port, of which 0 is any that is free.

    Raises
    ------
    SettingsError
        If another program has it, or it may not be used.
    DetectorError
        If the address is none of this machine, which it may become.
    """
    try:
        (family, _, _, _, where), *_ = socket.getaddrinfo(*address, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        return socket.create_server(where[:2], family=family, backlog=BACKLOG)
    except socket.gaierror as exc:
        raise DetectorError(f"expected an address of this machine, found '{address.host}': {exc.strerror}") from exc
    except OverflowError as exc:
        raise SettingsError(f"expected a port up to 65535, found {address.port}") from exc
    except OSError as exc:
        if exc.errno == errno.EADDRNOTAVAIL:
            raise DetectorError(
                f"expected an address of this machine, found '{address.host}', which is none, or not yet"
            ) from exc
        raise _cannot_listen(address, exc) from exc


def open_path(address: Unix) -> socket.socket:
    """Return a socket that listens at a path, in place of one that was left behind there.

    Raises
    ------
    SettingsError
        If something else is there, or it may not be used.
    """
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _remove_left_behind(address.path)
        listening.bind(str(address.path))
        listening.listen(BACKLOG)
    except OSError as exc:
        listening.close()
        raise _cannot_listen(address, exc) from exc
    return listening


def _remove_left_behind(path: Path) -> None:
    """Remove a socket that nobody listens at."""
    try:
        is_socket = stat.S_ISSOCK(path.lstat().st_mode)
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as tried:
        if is_socket and tried.connect_ex(str(path)) == errno.ECONNREFUSED:
            path.unlink()


def _cannot_listen(address: Address, error: OSError) -> SettingsError:
    if error.errno == errno.EADDRINUSE:
        return SettingsError(f"expected {address} to be free, found another program or file there: choose another")
    return SettingsError(f"expected to listen at {address}, found: {error.strerror or error}")
