"""Events of a client, and what is refused of what looks like one."""

import asyncio
import json
import re

import hypothesis
import pytest
from hypothesis import strategies

from detector.server.reading import Chunk, Message, MessageReader, RefusedError, Request, read_data
from detector.server.settings import ServeSettings

LIMITS = ServeSettings(most_header_bytes=256, most_data_bytes=256, most_payload_bytes=256, event_s=0.05, idle_s=0.05)


def read(*pieces, is_end=True, limits=LIMITS):
    """Return the events that a client sends in pieces, before it ends."""

    async def read_all():
        reader = asyncio.StreamReader()
        for piece in pieces:
            reader.feed_data(piece)
        if is_end:
            reader.feed_eof()
        messages, events = [], MessageReader(reader, limits)
        while (message := await events.read()) is not None:
            messages.append(message)
        return messages

    return asyncio.run(read_all())


def test_an_event_is_a_line_with_data_and_a_payload_behind_it():
    data = b'{"rate": 16000}'
    line = json.dumps({"type": "audio-chunk", "data": {"width": 2}, "data_length": len(data), "payload_length": 4})
    sent = line.encode() + b"\n" + data + b"abcd" + b'{"type": "describe", "version": "1.5.4"}\n'
    assert read(*(sent[at : at + 7] for at in range(0, len(sent), 7))) == [
        Message("audio-chunk", {"width": 2, "rate": 16000}, b"abcd"),
        Message("describe", {}, b""),
    ]


def test_a_client_may_end_at_any_moment():
    sent = b'{"type": "audio-chunk", "data_length": 2, "payload_length": 4}\n{}abcd'
    for n_bytes in range(len(sent)):
        assert read(sent[:n_bytes]) == []
    assert len(read(sent)) == 1


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "expected an event in JSON, found: JSON is malformed"),
        (b"\n", "expected an event in JSON"),
        (b"{}\n", "missing required field `type`"),
        (b'{"type": 3}\n', "Expected `str`, got `int` - at `$.type`"),
        (b'{"type": "\xff"}\n', "expected an event in JSON"),
        (b'{"type": "ping", "data": []}\n', "Expected `object | null`, got `array`"),
        (b'{"type": "ping", "data_length": -1}\n', "Expected `int` >= 0"),
        (b'{"type": "ping", "data_length": 1.5}\n', "Expected `int | null`, got `float`"),
        (b'{"type": "ping", "data_length": 2}\n[]', "Expected `object`, got `array`"),
        (b'{"type": "ping", "data_length": 257}\n', "expected at most 256 bytes of data, found 257"),
        (b'{"type": "ping", "payload_length": 257}\n', "expected at most 256 bytes of payload, found 257"),
        (b'{"type": "ping", "payload_length": 99999999999999999999}\n', "expected at most 256 bytes of payload"),
        (b'{"type": "' + b"a" * 300 + b'"}\n', "expected a line of at most 256 bytes, found a longer one"),
        (b"a" * 1000, "expected a line of at most 256 bytes, found a longer one"),
    ],
)
def test_what_is_no_event_or_too_long_is_refused(sent, reason):
    with pytest.raises(RefusedError, match=re.escape(reason)):
        read(sent)


def test_nesting_without_end_is_refused():
    limits = ServeSettings(most_header_bytes=2**20)
    with pytest.raises(RefusedError, match="expected an event in JSON"):
        read(b'{"type": "ping", "data": {"a": ' + b"[" * 500_000 + b"\n", limits=limits)


@hypothesis.given(strategies.binary(max_size=400))
def test_random_bytes_end_or_are_refused(sent):
    try:
        messages = read(sent)
    except RefusedError:
        return
    assert all(isinstance(message, Message) for message in messages)


@pytest.mark.parametrize("sent", [b"", b"{", b'{"type": "ping", "data_length": 2}\n{'], ids=["nothing", "line", "data"])
def test_an_event_that_does_not_come_in_time_is_refused(sent):
    with pytest.raises(RefusedError, match=r"expected an event within 0.05 s, and all of it within 0.05 s"):
        read(sent, is_end=False)


def test_a_client_that_has_sent_an_event_may_be_idle_for_longer_than_one_that_has_not():
    async def read_on(sent):
        reader = asyncio.StreamReader()
        reader.feed_data(sent)
        events = MessageReader(reader, ServeSettings(event_s=0.05, idle_s=3600))
        async with asyncio.timeout(0.5):
            while True:
                await events.read()

    with pytest.raises(RefusedError):
        asyncio.run(read_on(b""))
    with pytest.raises(TimeoutError):
        asyncio.run(read_on(b'{"type": "describe"}\n'))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({"rate": 16000, "width": 2}, "missing required field `channels`"),
        ({"rate": 0, "width": 2, "channels": 1}, "Expected `int` >= 1000"),
        ({"rate": 16000, "width": 5, "channels": 1}, "Expected `int` <= 4"),
        ({"rate": 16000, "width": 2, "channels": 10**9}, "Expected `int` <= 64"),
        ({"rate": 16000, "width": True, "channels": 1}, "Expected `int`, got `bool`"),
        ({"rate": 16000, "width": 2, "channels": 1, "timestamp": "now"}, "got `str`"),
    ],
)
def test_sound_of_no_form_is_refused(data, reason):
    with pytest.raises(RefusedError, match=rf"expected the data of 'audio-chunk', found: .*{reason}"):
        read_data(Message("audio-chunk", data, b""), Chunk)


def test_data_that_nobody_here_knows_are_left_out():
    assert read_data(Message("detect", {"names": ["yes"], "context": {"a": 1}}, b""), Request) == Request(["yes"])
