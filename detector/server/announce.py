"""The server's announcement in the local network, by which Home Assistant finds it. Imports zeroconf, an extra."""

from __future__ import annotations

import contextlib
import ipaddress
import logging
from collections.abc import AsyncIterator, Sequence

import ifaddr
from zeroconf import InterfaceChoice, NonUniqueNameException
from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

from detector.errors import DetectorError
from detector.server.address import Tcp

log = logging.getLogger(__name__)

KIND = "_wyoming._tcp.local."


@contextlib.asynccontextmanager
async def announced(address: Tcp, name: str) -> AsyncIterator[None]:
    """Announce a port of this machine, by a name, in this block.

    Raises
    ------
    DetectorError
        If another machine has the name, or there is no network.
    """
    found = _find_addresses(address)
    interfaces: Sequence[str] | InterfaceChoice = found if address.is_local else InterfaceChoice.All
    try:
        zeroconf = AsyncZeroconf(interfaces=interfaces)
    except OSError as exc:
        raise DetectorError(f"expected a network to announce the server in, found: {exc.strerror}") from exc
    service = AsyncServiceInfo(KIND, f"{name}.{KIND}", port=address.port, parsed_addresses=list(found))
    try:
        await zeroconf.async_register_service(service)
        log.info("announced as '%s' at %s", name, ", ".join(found))
        yield
    except NonUniqueNameException as exc:
        raise DetectorError(f"expected a name that no other server has, found '{name}': announce another") from exc
    finally:
        await zeroconf.async_close()


def _find_addresses(address: Tcp) -> list[str]:
    """Return the numeric addresses that an address of a server stands for, all of this machine's or one."""
    with contextlib.suppress(ValueError):
        if not ipaddress.ip_address(address.host).is_unspecified:
            return [address.host]
    found = [str(ip.ip) for adapter in ifaddr.get_adapters() for ip in adapter.ips if ip.is_IPv4]
    return [one for one in found if not ipaddress.ip_address(one).is_loopback]
