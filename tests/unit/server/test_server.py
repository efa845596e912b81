"""A server and clients of the protocol's own library: each is served as if it were alone, whatever the others do."""

import asyncio
import json
import logging

import numpy as np
import pytest

pytest.importorskip("wyoming", reason="needs the extra wyoming: pip install 'keyword-detector[wyoming]'")

from ears import connect, read, read_detections, read_stream, send, serving
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.event import Event
from wyoming.info import Describe, Info
from wyoming.ping import Ping, Pong
from wyoming.wake import Detect, NotDetected

from detector import Detector
from detector.errors import SettingsError
from detector.server.session import Offer, Session


@pytest.fixture
def offer(model):
    return Offer(model, tuple(model.manifest.words), {})


@pytest.fixture
def two_words(demo_samples):
    """The demo's first two words, "yes" and "no"."""
    return demo_samples[: 6 * 16000]


def raw(uri):
    """Connect to a server without a client's manners."""
    host, _, port = uri.removeprefix("tcp://").rpartition(":")
    return asyncio.open_connection(host, int(port))


def line(**fields):
    return json.dumps(fields).encode() + b"\n"


def chunk(n_bytes, **fields):
    data = {"rate": 16000, "width": 2, "channels": 1, **fields}
    return line(type="audio-chunk", data=data, payload_length=n_bytes) + bytes(n_bytes)


async def hear(uri, samples, **options):
    async with connect(uri) as client:
        sending = asyncio.create_task(send(client, samples, **options))
        await sending
        return await read_stream(client)


def test_each_word_is_described_as_a_model_of_its_own(offer, model):
    async def main():
        async with serving(offer) as uri, connect(uri) as client:
            await client.write_event(Describe().event())
            return Info.from_event(await read(client))

    (program,) = asyncio.run(main()).wake
    assert program.name == "keyword-detector"
    assert program.installed
    assert [(one.name, one.phrase, one.languages, one.installed) for one in program.models] == [
        ("yes", "yes", ["en"], True),
        ("no", "no", ["en"], True),
    ]
    assert {one.version for one in program.models} == {model.manifest.sha256[:12]}
    assert all(one.attribution.name.startswith("keyword-detector, speech_commands") for one in program.models)


def test_what_is_detected_has_the_clients_own_time_and_a_client_may_go_on(offer, demo_samples, demo_words):
    async def main():
        async with serving(offer) as uri, connect(uri) as client:
            await send(client, demo_samples, each=lambda first: 1_000_000 + first // 16)
            first = await read_detections(client, len(demo_words))
            await send(client, demo_samples, names=["no"])
            return first, await read_stream(client)

    first, again = asyncio.run(main())
    detector = Detector(offer.model)
    expected = detector.feed(demo_samples) + detector.finish()
    assert [one.name for one in first] == [one.keyword for one in expected] == demo_words
    for found, wanted in zip(first, expected, strict=True):
        assert found.timestamp <= 1_000_000 + wanted.time_s * 1000 <= found.timestamp + 64
    assert again == [word for word in demo_words if word == "no"]


def test_a_stream_without_a_word_ends_with_not_detected(offer, rng):
    noise = rng.normal(0, 300, 32000).astype("<i2")

    async def main():
        async with serving(offer) as uri:
            return await hear(uri, noise), await hear(uri, noise[:0])

    assert asyncio.run(main()) == ([None], [None])


def test_a_stream_that_is_begun_anew_counts_alone(offer, two_words):
    """As the test of wyoming-openwakeword does: a word, then another stream, which has none."""

    async def main():
        async with serving(offer) as uri, connect(uri) as client:
            form = {"rate": 16000, "width": 2, "channels": 1}
            await client.write_event(Detect(names=["yes"]).event())
            await client.write_event(AudioStart(**form).event())
            await client.write_event(AudioChunk(**form, audio=two_words.tobytes()).event())
            await read_detections(client, 1)
            await client.write_event(AudioStart(**form).event())
            await client.write_event(AudioChunk(**form, audio=bytes(32000)).event())
            await client.write_event(AudioStop().event())
            return await read(client)

    assert NotDetected.is_type(asyncio.run(main()).type)


def test_a_satellite_sends_sound_without_beginning_a_stream_and_pauses(offer, two_words):
    async def main():
        async with serving(offer) as uri, connect(uri) as client:
            await client.write_event(Event("pause-satellite"))
            await client.write_event(AudioChunk(16000, 2, 1, two_words.tobytes()).event())
            assert await read_stream(client) == []
            await client.write_event(Event("run-satellite"))
            await client.write_event(AudioChunk(16000, 2, 1, two_words.tobytes()).event())
            assert await read_stream(client) == ["yes", "no"]
            await client.write_event(Event("pause-satellite"))
            await client.write_event(Detect().event())  # what a satellite sends to go on
            await client.write_event(AudioChunk(16000, 2, 1, two_words.tobytes()).event())
            return await read_stream(client)

    assert asyncio.run(main()) == ["yes", "no"]


def test_a_ping_is_answered_and_what_means_nothing_here_is_not(offer):
    async def main():
        async with serving(offer) as uri, connect(uri) as client:
            await client.write_event(Event("transcribe", {"language": "en"}))
            await client.write_event(Ping(text="there?").event())
            return Pong.from_event(await read(client)).text

    assert asyncio.run(main()) == "there?"


def test_names_of_no_word_are_named_and_the_others_are_detected(offer, two_words, caplog):
    caplog.set_level(logging.INFO)

    async def main():
        async with serving(offer) as uri, connect(uri) as client:
            for _ in range(3):
                await client.write_event(Detect(names=["computer"]).event())
                await read(client)
            await send(client, two_words, names=["computer", "no"])
            refused = await read(client)
            return refused, await read_stream(client)

    refused, words = asyncio.run(main())
    assert refused.type == "error"
    assert refused.data["text"].startswith("expected names of words on offer, found 'computer'")
    assert words == ["no"]
    assert caplog.text.count("found 'computer'") == 1


@pytest.mark.parametrize(("rate", "width", "channels"), [(48000, 2, 2), (16000, 4, 1), (22050, 2, 1)])
def test_sound_of_other_forms_is_converted(offer, two_words, rate, width, channels):
    from detector.audio.resample import resample
    from detector.samples import to_float, to_int16

    samples = to_int16(resample(to_float(two_words), 16000, rate)).astype(f"<i{width}") << 8 * (width - 2)
    sound = np.stack([samples] * channels, axis=1)

    async def main():
        async with serving(offer) as uri:
            return await hear(uri, sound, rate=rate, width=width, channels=channels)

    assert asyncio.run(main()) == ["yes", "no"]


def test_a_hundred_clients_at_once_hear_their_own_words_and_nobody_elses(offer, two_words):
    silence = np.zeros(len(two_words), dtype="<i2")
    wanted = [(two_words, ["yes"], ["yes"]), (two_words, ["no"], ["no"]), (silence, None, [None])]

    async def main():
        async with serving(offer) as uri:
            clients = [hear(uri, sound, names=names) for _ in range(34) for sound, names, _ in wanted]
            return await asyncio.gather(*clients)

    heard = asyncio.run(main())
    assert heard == [words for _ in range(34) for _, _, words in wanted]


def test_serves_at_a_socket_in_the_file_system_and_removes_it(offer, two_words, tmp_path):
    async def main():
        async with serving(offer, uri=f"unix://{tmp_path}/ears") as uri:
            return await hear(uri, two_words)

    assert asyncio.run(main()) == ["yes", "no"]
    assert not (tmp_path / "ears").exists()


def test_a_client_too_many_is_refused_and_there_is_room_when_one_has_gone(offer, two_words):
    async def main():
        async with serving(offer, most_clients=1) as uri:
            async with connect(uri) as first:
                await first.write_event(Ping().event())
                await read(first)
                async with connect(uri) as second:
                    refused = await read(second)
                    assert await second.read_event() is None
            async with asyncio.timeout(60):
                while (heard := await try_to_hear(uri, two_words)) is None:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            return refused.data["text"], heard

    refused, heard = asyncio.run(main())
    assert refused == "expected at most 1 clients at once, found one more"
    assert heard == ["yes", "no"]


async def try_to_hear(uri, samples):
    """Return what is detected; None where the client was refused."""
    try:
        return await hear(uri, samples)
    except (AssertionError, ConnectionError):
        return None


HOSTILE = {
    "random bytes": np.random.default_rng(1).bytes(5000),
    "a web browser": b"GET / HTTP/1.1\r\nHost: here\r\n\r\n",
    "a line without end": b"a" * 100_000,
    "no type": b"{}\n",
    "a type that is no text": line(type=["audio-chunk"]),
    "data that are no object": line(type="ping", data_length=2) + b"[]",
    "data without end": line(type="ping", data_length=10**12),
    "a payload without end": line(type="audio-chunk", payload_length=10**12),
    "sound of no rate": chunk(2, rate=0),
    "sound of a thousand channels": chunk(2, channels=1000),
    "sound without a form": line(type="audio-chunk", payload_length=2) + b"ab",
    "names that are no list": line(type="detect", data={"names": "yes"}),
    "nesting": b'{"type": "ping", "data": ' + b"[" * 16_000 + b"\n",
}


@pytest.mark.parametrize("sent", HOSTILE.values(), ids=HOSTILE)
def test_what_is_no_event_closes_its_client_with_a_reason_and_leaves_the_others_undisturbed(offer, two_words, sent):
    async def main():
        async with serving(offer) as uri:
            reader, writer = await raw(uri)
            writer.write(sent)
            answer = await read_all(reader)
            writer.close()
            return answer, await hear(uri, two_words)

    answer, heard = asyncio.run(main())
    assert not answer or b'"type": "error"' in answer  # a client that still sends may find the connection reset
    assert heard == ["yes", "no"]


def test_a_client_that_goes_on_sending_is_sent_the_reason_all_the_same(offer):
    async def main():
        async with serving(offer) as uri:
            reader, writer = await raw(uri)
            writer.write(chunk(2, rate=0))
            for _ in range(10):
                writer.write(chunk(50_000))
                await writer.drain()
            answer = await reader.read()
            writer.close()
            return answer

    assert b"expected the data of 'audio-chunk'" in asyncio.run(main())


def test_a_refused_client_that_never_stops_is_closed_all_the_same(offer, two_words):
    async def main():
        async with serving(offer) as uri:
            _, writer = await raw(uri)
            with pytest.raises(ConnectionError):
                await flood_with(writer, b"a" * 50_000)
            return await hear(uri, two_words)

    assert asyncio.run(main()) == ["yes", "no"]


async def flood_with(writer, sound):
    while True:
        writer.write(sound)
        await writer.drain()


async def read_all(reader):
    try:
        return await reader.read()
    except ConnectionError:
        return b""


@pytest.mark.parametrize("start", [b"", b"{", line(type="ping", data_length=5) + b"{"], ids=["nothing", "line", "data"])
def test_a_client_that_does_not_go_on_is_closed(offer, start):
    async def main():
        async with serving(offer, event_s=0.1) as uri:
            reader, writer = await raw(uri)
            writer.write(start)
            answer = await reader.read()
            writer.close()
            return answer

    assert b"expected an event within 0.1 s, and all of it within 0.1 s" in asyncio.run(main())


def test_a_client_that_drips_an_event_is_closed(offer, caplog):
    async def main():
        async with serving(offer, event_s=0.3) as uri:
            reader, writer = await raw(uri)
            reading = asyncio.create_task(read_all(reader))
            while not reading.done():
                writer.write(b"a")  # at last after the server has closed, which then resets the connection
                await asyncio.sleep(0.01)
            writer.close()

    asyncio.run(main())
    assert "is closed: expected an event within 0.3 s, and all of it within 0.3 s" in caplog.text


def test_a_client_that_reads_nothing_is_waited_for_and_then_closed(offer, two_words, caplog):
    async def main():
        async with serving(offer, most_waiting_bytes=1024, read_s=0.2) as uri:
            _, writer = await raw(uri)
            writer.transport.pause_reading()
            ask = line(type="describe") * 1000
            while "bytes unread" not in caplog.text:
                writer.write(ask)
                await asyncio.wait([asyncio.create_task(drain(writer))], timeout=0.05)
            writer.transport.abort()
            return await hear(uri, two_words)

    assert asyncio.run(main()) == ["yes", "no"]
    assert "expected a client that reads its answers, found 1024 bytes unread" in caplog.text


async def drain(writer):
    try:
        await writer.drain()
    except ConnectionError:
        return


def test_a_client_that_floods_waits_for_its_own_sound_and_is_not_read_meanwhile(offer, two_words):
    """A client in real time is served while ten send as fast as they can; the rest of what those send is not taken."""

    async def main():
        async with serving(offer) as uri:
            floods = [await raw(uri) for _ in range(10)]
            for _, writer in floods:
                writer.transport.set_write_buffer_limits(high=1)
            sending = [asyncio.create_task(flood(writer)) for _, writer in floods]
            heard = [await hear(uri, two_words) for _ in range(2)]
            assert not any(task.done() for task in sending)
            for task in sending:
                task.cancel()
            for _, writer in floods:
                writer.transport.abort()
            return heard

    assert asyncio.run(main()) == [["yes", "no"]] * 2


async def flood(writer):
    await flood_with(writer, chunk(100_000) + chunk(2) * 1000)


def test_clients_that_go_in_the_middle_leave_nothing_behind(offer, two_words, caplog):
    async def main():
        async with serving(offer) as uri:
            for n_bytes in range(0, 3000, 150):
                _, writer = await raw(uri)
                writer.write((chunk(1000) * 3)[:n_bytes])
                writer.transport.abort()
            return await hear(uri, two_words)

    assert asyncio.run(main()) == ["yes", "no"]
    assert "internal failure" not in caplog.text


def test_a_failure_of_ours_closes_one_client_and_is_logged_with_its_traceback(offer, two_words, caplog, monkeypatch):
    work = Session.work

    def fail(session):
        if session._form.rate == 12345:
            raise ZeroDivisionError
        return work(session)

    monkeypatch.setattr(Session, "work", fail)

    async def main():
        async with serving(offer) as uri:
            reader, writer = await raw(uri)
            writer.write(chunk(2, rate=12345))
            assert await read_all(reader) == b""
            writer.close()
            return await hear(uri, two_words)

    assert asyncio.run(main()) == ["yes", "no"]
    assert "ZeroDivisionError" in caplog.text


def test_what_is_wrong_with_many_clients_is_logged_once(offer, caplog):
    async def main():
        async with serving(offer) as uri:
            for _ in range(20):
                reader, writer = await raw(uri)
                writer.write(b"\n")
                await read_all(reader)
                writer.close()

    asyncio.run(main())
    assert sum(record.levelname == "WARNING" for record in caplog.records) == 1


def test_an_address_that_others_reach_is_warned_of(offer, caplog):
    async def main(uri):
        async with serving(offer, uri=uri):
            pass

    asyncio.run(main("tcp://127.0.0.1:0"))
    assert not [record for record in caplog.records if record.levelname == "WARNING"]
    asyncio.run(main("tcp://0.0.0.0:0"))
    assert "tcp://0.0.0.0:0: whoever reaches this machine there is served, and not asked who it is" in caplog.text


def test_a_taken_port_ends_the_server(offer):
    async def main():
        async with serving(offer) as uri, serving(offer, uri=uri):
            pass

    with pytest.raises(SettingsError, match="to be free, found another program"):
        asyncio.run(main())


def test_the_supervisor_is_given_signs_of_life_while_work_is_done(offer):
    class Counting:
        def __init__(self):
            self.counts = []

        def progress(self, n_captured, n_scored, now_s):
            self.counts.append((n_captured, n_scored))

    watchdog = Counting()

    async def main():
        async with serving(offer, watchdog=watchdog):
            while len(watchdog.counts) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    asyncio.run(main())
    assert watchdog.counts[:2] == [(1, 1), (2, 2)]
