"""The announcement, by a browser of the same kind as Home Assistant's."""

import asyncio

import pytest

pytest.importorskip("zeroconf", reason="needs the extra zeroconf: pip install 'keyword-detector[zeroconf]'")

from zeroconf import IPVersion
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

from detector.server.address import Tcp
from detector.server.announce import KIND, announced

HERE = "127.0.0.1"
WITHIN_S = 60.0


async def find(name):
    """Return where a service of some name is, once it is there."""
    found = asyncio.Event()

    def note(zeroconf, service_type, name, state_change):
        if name == f"{wanted}.{KIND}":
            found.set()

    wanted = name
    browsing = AsyncZeroconf(interfaces=[HERE])
    try:
        browser = AsyncServiceBrowser(browsing.zeroconf, KIND, handlers=[note])
        async with asyncio.timeout(WITHIN_S):
            await found.wait()
            service = AsyncServiceInfo(KIND, f"{name}.{KIND}")
            assert await service.async_request(browsing.zeroconf, WITHIN_S * 1000)
        await browser.async_cancel()
        return service.parsed_addresses(IPVersion.V4Only), service.port
    finally:
        await browsing.async_close()


def test_a_server_is_found_by_its_name():
    async def main():
        async with announced(Tcp(HERE, 10499), "kitchen"):
            return await find("kitchen")

    assert asyncio.run(main()) == ([HERE], 10499)
