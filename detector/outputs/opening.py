"""Opens the outputs that settings ask for; the module of an output is imported only if it is asked for."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from detector.events import Listener, Opened
from detector.process.extras import needing_extra
from detector.settings import Settings

if TYPE_CHECKING:
    from detector.outputs.mqtt import Mqtt


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

    def reopen(self, settings: Settings) -> None:
        """Have outputs open their files anew. Does not wait."""
        for reopen in self.reopeners:
            reopen(settings)


def open_outputs(settings: Settings, words: Sequence[str], opened: Opened, stack: contextlib.ExitStack) -> Outputs:
    """Return the outputs that settings ask for, open.

    Parameters
    ----------
    settings : Settings
    words : sequence of str
        Those of the model, whether they are listened for or not.
    opened : Opened
        The stream as it is named before its source is open.
    stack : ExitStack
        Closes what is opened here.

    Raises
    ------
    DetectorError
        If an output cannot be opened, or needs a package that is not installed (`needing_extra`).
    """
    del words
    outputs = Outputs()
    if settings.mqtt.url is not None:
        mqtt = stack.enter_context(prepare_mqtt(settings, opened))
        outputs.aside.append(mqtt)
        outputs.counters["mqtt"] = mqtt.count
    return outputs


def prepare_mqtt(settings: Settings, opened: Opened) -> Mqtt:
    """Return what publishes to the broker of settings; it does not connect yet.

    Raises
    ------
    SettingsError
        As `open_outputs` does.
    """
    with needing_extra("mqtt", "--mqtt"):
        from detector.outputs.mqtt import Mqtt

    return Mqtt(settings.mqtt, opened, os.environ)
