"""Opens the outputs that settings ask for; the module of an output is imported only if it is asked for."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from detector import __version__
from detector.events import Listener, Opened
from detector.outputs.stamps import Stamps
from detector.process.extras import needing_extra
from detector.process.signals import StopFlag
from detector.settings import Settings

if TYPE_CHECKING:
    from detector.outputs.metrics import Metrics
    from detector.outputs.mqtt import Mqtt
    from detector.outputs.pages import PageServer

log = logging.getLogger(__name__)


class Outputs:
    """The outputs beside the console: its listeners, and what else the daemon wants of them. Built in one thread.

    Whatever opens an output adds it here, and to the stack of the daemon what closes it: that happens when the
    listeners have got their last event, `Closed`.
    """

    def __init__(self) -> None:
        self.in_order: list[Listener] = []
        """Called in the thread that detects: they wait for nobody."""
        self.aside: list[Listener] = []
        """Called in threads of their own, see `Fanout`."""
        self.counters: dict[str, Callable[[], dict[str, int]]] = {}
        """By name of the output: returns what it has done, failed at and dropped so far. Called in any thread."""
        self.reopeners: list[Callable[[Settings], None]] = []
        """Called on SIGHUP, in the thread that detects, with the settings that hold from now on."""

    def count(self) -> dict[str, dict[str, int]]:
        """Return the counts of each output by its name. Any thread."""
        return {name: count() for name, count in self.counters.items()}

    def report(self) -> None:
        """Log what was counted."""
        for name, counts in self.count().items():
            log.info("%s: %s", name, describe_counts(counts))

    def reopen(self, settings: Settings) -> None:
        """Have outputs open their files anew. Does not wait."""
        for reopen in self.reopeners:
            reopen(settings)


def open_outputs(
    settings: Settings,
    words: Sequence[str],
    opened: Opened,
    stack: contextlib.ExitStack,
    stop: StopFlag,
    *,
    stamps: Stamps,
    count_dropped: Callable[[], int] = int,
) -> Outputs:
    """Return the outputs that settings ask for, open.

    Parameters
    ----------
    settings : Settings
    words : sequence of str
        Those of the model, whether they are listened for or not.
    opened : Opened
        The stream as it is named before its source is open.
    stack : ExitStack
        Closes what is opened here, and then reports what was counted.
    stop : StopFlag
        Set when the process is asked to end.
    stamps : Stamps
        Those of the console.
    count_dropped : callable
        Returns how many lines of standard output were dropped so far. Any thread.

    Raises
    ------
    DetectorError
        If an output cannot be opened, or needs a package that is not installed (`needing_extra`).
    """
    outputs = Outputs()
    stack.callback(outputs.report)
    if settings.on:
        _open_commands(settings, words, opened, stack, stop, outputs)
    if settings.output.path is not None:
        from detector.outputs.lines import JsonLines

        path = Path(settings.output.path)
        lines = stack.enter_context(JsonLines(path, opened, with_events=settings.events, stamps=stamps))
        outputs.aside.append(lines)
        outputs.counters["output"] = lines.count
        outputs.reopeners.append(lines.reopen)
    if settings.mqtt.url is not None:
        mqtt = stack.enter_context(_prepare_mqtt(settings, opened, stamps))
        outputs.aside.append(mqtt)
        outputs.counters["mqtt"] = mqtt.count
    if settings.metrics.address is not None:
        metrics, server = _prepare_metrics(
            settings.metrics.address, lambda: {"console": {"dropped": count_dropped()}} | outputs.count()
        )
        metrics.hear(opened)
        stack.enter_context(server)
        outputs.in_order.append(metrics)
    return outputs


def check_outputs(settings: Settings, words: Sequence[str], opened: Opened) -> None:
    """Refuse what `open_outputs` would refuse, as far as that can be found out without opening anything.

    Raises
    ------
    SettingsError
        If settings do not fit the words of the model, or this machine.
    """
    if settings.on:
        from detector.outputs.template import read_templates

        read_templates(settings.on, words)
    if settings.output.path is not None:
        from detector.outputs.lines import check_path

        check_path(Path(settings.output.path))
    if settings.mqtt.url is not None:
        _prepare_mqtt(settings, opened)
    if settings.metrics.address is not None:
        _prepare_metrics(settings.metrics.address, dict)


def describe_counts(counts: Mapping[str, int]) -> str:
    """Return what an output has counted, for people: "3 run, 1 failed, 0 dropped"."""
    return ", ".join(f"{count} {what.replace('_', ' ')}" for what, count in counts.items())


def _open_commands(
    settings: Settings,
    words: Sequence[str],
    opened: Opened,
    stack: contextlib.ExitStack,
    stop: StopFlag,
    outputs: Outputs,
) -> None:
    from detector.outputs.command import Commands
    from detector.outputs.template import read_templates

    # Whoever started this process may ignore the ends of children: then nobody would learn how a command has ended.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    templates = read_templates(settings.on, words)
    commands = Commands(templates, settings.command, opened, environment=os.environ, stop=stop)
    outputs.aside.append(stack.enter_context(commands))
    outputs.counters["command"] = commands.count


def _prepare_mqtt(settings: Settings, opened: Opened, stamps: Stamps | None = None) -> Mqtt:
    """Return what publishes to the broker of settings; it does not connect yet."""
    with needing_extra("mqtt", "--mqtt"):
        from detector.outputs.mqtt import Mqtt

    return Mqtt(settings.mqtt, opened, os.environ, stamps=stamps)


def _prepare_metrics(address: str, count: Callable[[], Mapping[str, Mapping[str, int]]]) -> tuple[Metrics, PageServer]:
    """Return what counts, and what answers once it is entered; `count` returns the counts of all outputs."""
    with needing_extra("metrics", "--metrics"):
        from detector.outputs.prometheus import make_pages
    from detector.outputs.addresses import parse_address
    from detector.outputs.metrics import Metrics
    from detector.outputs.pages import PageServer

    metrics = Metrics()
    host, port = parse_address(address)
    return metrics, PageServer(host, port, make_pages(metrics, count, version=__version__))
