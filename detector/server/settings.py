"""What a user may choose of the server: a table of `detector.settings.Settings`."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from detector.types import PositiveSeconds, Text, describe


class ServeSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where clients are served, and what each may take."""

    uri: Annotated[
        Text,
        describe(
            "where clients find the server: tcp://ADDRESS:PORT, of which 127.0.0.1 is this machine alone, and 0.0.0.0 "
            "every network it is in; unix:///PATH; or stdio://, one client on standard input and output",
            metavar="URI",
        ),
    ] = "tcp://127.0.0.1:10400"
    announce: Annotated[
        Text | None,
        describe(
            "announce the server in the local network (zeroconf), where Home Assistant finds it, by this name or the "
            "machine's",
            metavar="NAME",
            unset="it is not announced",
            examples=["kitchen"],
        ),
    ] = None
    most_clients: Annotated[int, Meta(ge=1, le=10_000), describe("clients at once; further ones are refused")] = 128
    most_header_bytes: Annotated[int, Meta(ge=256, le=2**20), describe("longest line that an event begins with")] = (
        16_384
    )
    most_data_bytes: Annotated[int, Meta(ge=256, le=2**24), describe("most data of an event behind that line")] = 65_536
    most_payload_bytes: Annotated[
        int, Meta(ge=256, le=2**26), describe("most sound in an event; a client that sends more is closed, as with "
                                              "the other limits")
    ] = 524_288  # fmt: skip
    most_waiting_bytes: Annotated[
        int, Meta(ge=1024, le=2**26), describe("answers that wait for a client to read them; then it is waited for")
    ] = 65_536
    event_s: Annotated[
        PositiveSeconds,
        describe("a client is closed whose first event, or the rest of one, does not come within this many seconds"),
    ] = 10.0
    read_s: Annotated[PositiveSeconds, describe("a client that is to read its answers is waited for this long")] = 5.0
    idle_s: Annotated[PositiveSeconds, describe("a client that sends nothing for so many seconds is closed")] = 900.0
