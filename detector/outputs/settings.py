"""What a user may choose of the outputs: tables of `detector.settings.Settings`."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from detector.types import PositiveSeconds, Text, describe

Commands = Annotated[
    dict[str, Text],
    describe(
        "commands to run at a detection, by word, '*' standing for every word; without a shell, with {keyword}, "
        "{score}, {time_s}, {start_s}, {model} and {source} filled in",
        metavar="WORD=COMMAND",
        unset="none",
        examples=[{"yes": "/usr/local/bin/light on"}, {"*": "logger detected {keyword} {score}"}],
        can_reload=False,
    ),
]


class CommandSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Limits of the commands that are run at a detection."""

    most_at_once: Annotated[int, Meta(ge=1, le=64), describe("commands that run at once, at most")] = 4
    when_busy: Annotated[
        Literal["drop", "queue"],
        describe("what comes on top: dropped and counted, or run when another has ended"),
    ] = "drop"
    most_waiting: Annotated[
        int, Meta(ge=1, le=1000), describe("with 'queue': commands that wait, at most; of more the oldest are dropped")
    ] = 20
    limit_s: Annotated[
        PositiveSeconds, describe("a command, with what it has started, is ended after this many seconds")
    ] = 30.0


class OutputSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """JSON Lines beside standard output."""

    path: Annotated[
        Text | None,
        describe(
            "file, which is appended to, or FIFO that gets JSON Lines, with the events if 'events' is set; opened anew "
            "on SIGHUP",
            metavar="PATH",
            unset="none",
            examples=["/var/lib/keyword-detector/detections.jsonl"],
        ),
    ] = None
