"""`keyword-detector serve`: many clients, each with its own sound."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from functools import partial

from detector.assembly import choose_thresholds
from detector.core.detector import choose_words, override_thresholds
from detector.core.model import load_model
from detector.errors import EXIT_OK, SettingsError
from detector.process.extras import needing_extra
from detector.process.signals import StopFlag, deferred_stop
from detector.process.supervisor import open_service
from detector.server.address import Tcp, parse_uri
from detector.settings import Settings

PURPOSE = "the verb serve"


def serve(settings: Settings) -> int:
    """Serve clients at the address of the settings until a signal, or the end of standard input.

    Raises
    ------
    DetectorError
        If the model cannot be used, the settings do not fit it, or nothing can listen there.
    """
    address = parse_uri(settings.serve.uri)
    if settings.serve.announce is not None and (not isinstance(address, Tcp) or address.is_local):
        raise SettingsError(
            f"expected an address that others reach with --zeroconf, found {address}: tcp://0.0.0.0:10400 is every one"
        )
    with needing_extra("wyoming", PURPOSE):
        from detector.server.server import Server
    announce: Callable[[Tcp], AbstractAsyncContextManager[None]] | None = None
    if settings.serve.announce is not None:
        with needing_extra("zeroconf", "--zeroconf"):
            from detector.server.announce import announced
        announce = partial(announced, name=settings.serve.announce)
    from detector.server.session import Offer

    model = load_model(settings.model)
    words, thresholds = choose_words(model.manifest.words, settings.words), choose_thresholds(settings, model.manifest)
    override_thresholds(model.manifest.decision, thresholds)  # what does not fit ends the command, not a client
    offer = Offer(model, words, thresholds, settings.channel)
    notifier, watchdog = open_service(os.environ)

    async def run() -> None:
        stopped = asyncio.Event()
        with _set_by_signals(stop, stopped):
            server = Server(offer, settings.serve, address, notifier=notifier, watchdog=watchdog, announced=announce)
            await server.run(stopped)

    with deferred_stop() as stop:
        asyncio.run(run())
    return EXIT_OK


@contextlib.contextmanager
def _set_by_signals(stop: StopFlag, stopped: asyncio.Event) -> Iterator[None]:
    """Set an event of the running loop, in this block, when a signal has set a flag: it wakes the loop up."""
    loop = asyncio.get_running_loop()
    woken, wakes = socket.socketpair()
    with woken, wakes:
        woken.setblocking(False)
        wakes.setblocking(False)

        def wake() -> None:
            woken.recv(4096)
            if stop.is_set():
                stopped.set()

        loop.add_reader(woken, wake)
        before = signal.set_wakeup_fd(wakes.fileno(), warn_on_full_buffer=False)
        try:
            if stop.is_set():
                stopped.set()
            yield
        finally:
            signal.set_wakeup_fd(before)
            loop.remove_reader(woken)
