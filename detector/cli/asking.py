"""Takes for `keyword-detector learn`, from the microphone; one that is unlike the others is asked for once more."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from detector.learn.dialogue import record_room, record_takes
from detector.learn.material import Material, Sound
from detector.learn.speech import RATE_HZ
from detector.learn.takes import Take
from detector.learn.terminal import Terminal
from detector.process.signals import deferred_stop
from detector.process.stderr import hide_native_messages
from detector.settings import Settings


def ask(word: str, settings: Settings, *, n_takes: int, room_s: float, speaker: str | None) -> Material | None:
    """Ask for takes at the microphone, then for the room; None if asked to stop.

    Raises
    ------
    DetectorError
        If there is no microphone, or no take that can be learnt from.
    """
    from detector.audio.microphone import Microphone

    if settings.log_level != "debug":
        hide_native_messages()
    source = Microphone(settings.device, sample_rate_hz=RATE_HZ, channel=settings.channel)
    with deferred_stop() as stop, Terminal() as screen:
        takes = list(record_takes(source, word, screen=screen, stop=stop, n_takes=n_takes, speaker=speaker))
        room = np.empty(0, dtype=np.int16)
        if room_s and not stop.is_set():
            room = record_room(source, screen=screen, stop=stop, room_s=room_s)
        if stop.is_set():
            return None
    return Material(tuple(takes), room=(Sound(room, "the room"),) if len(room) else ())


def ask_again(word: str, settings: Settings, more: Material, unlike: Sequence[str]) -> Material | None:
    """Ask for the takes that are unlike the others, where somebody watches; None if none of them is replaced."""
    odd = find_unlike(more, unlike)
    if not odd or not Terminal().has_keys:
        return None
    asked = ask(word, settings, n_takes=len(odd), room_s=0.0, speaker=odd[0].speaker)
    return None if asked is None else replace_takes(more, odd, asked.takes)


def find_unlike(more: Material, unlike: Sequence[str]) -> list[Take]:
    """Return the takes that lines begin with."""
    return [take for take in more.takes if any(line.startswith(f"{take.source} ") for line in unlike)]


def replace_takes(more: Material, odd: Sequence[Take], new: Sequence[Take]) -> Material:
    """Return material with some takes in the place, and by the names, of others."""
    named = {id(old): dataclasses.replace(take, source=old.source) for old, take in zip(odd, new, strict=True)}
    return dataclasses.replace(more, takes=tuple(named.get(id(take), take) for take in more.takes))
