"""What is read from what servers' programs write, and how those are asked."""

import json
import os
import sys

import msgspec
import pytest
from clocks import Clock

from detector.audio.inquiry import ANSWER_WITHIN_S, Answer, Inquiry, Origin, read_pactl, read_pw_dump

PID = 4711
MICROPHONE = {"object.serial": 50, "media.class": "Audio/Source", "node.name": "alsa_input.usb"}
SPEAKER = {"object.serial": 45, "media.class": "Audio/Sink", "node.name": "alsa_output.hdmi"}
DUMMY = {"object.serial": 90, "media.class": "Audio/Sink", "node.name": "auto_null"}
OF_PULSE = {"object.serial": 70, "media.class": "Stream/Input/Audio", "application.process.id": str(PID)}
OF_PIPEWIRE = {"object.serial": 70, "media.class": "Stream/Input/Audio", "client.id": 8}


def pw_dump(*nodes, links=()):
    """Return what pw-dump writes of nodes with the ids 0, 1, ... and links between them."""
    objects = [{"id": k, "type": "PipeWire:Interface:Node", "info": {"props": node}} for k, node in enumerate(nodes)]
    client = {"application.process.id": PID, "pipewire.sec.pid": 1}
    objects.append({"id": 8, "type": "PipeWire:Interface:Client", "info": {"props": client}})
    for k, (output, taker) in enumerate(links):
        info = {"output-node-id": output, "input-node-id": taker, "props": {}}
        objects.append({"id": 20 + k, "type": "PipeWire:Interface:Link", "info": info})
    objects.append({"id": 30, "type": "PipeWire:Interface:Metadata", "metadata": []})
    return json.dumps(objects).encode()


@pytest.mark.parametrize("stream", [OF_PULSE, OF_PIPEWIRE], ids=["pulse", "pipewire"])
@pytest.mark.parametrize(
    ("source", "origin"),
    [
        (MICROPHONE, Origin(50, "alsa_input.usb", is_monitor=False)),
        (SPEAKER, Origin(45, "alsa_output.hdmi", is_monitor=True)),
        (DUMMY, Origin(90, "auto_null", is_monitor=True)),
    ],
    ids=["microphone", "monitor", "dummy"],
)
def test_pipewire_says_which_node_is_linked_to_a_stream_of_ours(stream, source, origin):
    other = {"object.serial": 71, "media.class": "Stream/Input/Audio", "application.process.id": "1"}
    answer = read_pw_dump(pw_dump(source, stream, other, SPEAKER, links=[(3, 2), (0, 1), (0, 1)]), PID)
    sources = {"alsa_input.usb"} if source is MICROPHONE else set()
    assert answer == Answer(is_listed=True, origin=origin, sources=sources)
    assert origin.is_dummy == (source is DUMMY)


def test_pipewire_says_that_a_stream_is_linked_to_nothing_or_that_there_is_none():
    assert read_pw_dump(pw_dump(MICROPHONE, OF_PULSE), PID) == Answer(True, None, {"alsa_input.usb"})
    assert read_pw_dump(pw_dump(MICROPHONE, OF_PULSE), 1) == Answer(False, None, {"alsa_input.usb"})


def pactl(source, pid=PID):
    sources = [
        {"index": 3, "name": "vmic", "monitor_source": ""},
        {"index": 5, "name": "auto_null.monitor", "monitor_source": "auto_null"},
    ]
    outputs = [{"source": source, "properties": {"application.process.id": str(pid)}}]
    return json.dumps({"sources": sources, "source_outputs": outputs, "modules": []}).encode()


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (pactl(3), Answer(True, Origin(3, "vmic", is_monitor=False), {"vmic"})),
        (pactl(5), Answer(True, Origin(5, "auto_null", is_monitor=True), {"vmic"})),
        (pactl(4294967295), Answer(True, None, {"vmic"})),
        (pactl(3, pid=1), Answer(False, None, {"vmic"})),
    ],
)
def test_pulseaudio_says_which_source_a_stream_of_ours_captures(text, answer):
    assert read_pactl(text, PID) == answer


@pytest.mark.parametrize("read", [read_pw_dump, read_pactl])
@pytest.mark.parametrize("text", [b"", b"{", b"[1]", b"null", b'{"sources": 1}'])
def test_what_is_nothing_of_a_server_is_refused(read, text):
    with pytest.raises(msgspec.MsgspecError):
        read(text, PID)


def program(text, answer=None):
    """Return a program that writes a text, and who reads it: it expects the text, and this process's number."""

    def read(written, pid):
        assert (written, pid) == (text.encode(), os.getpid())
        if answer is None:
            raise msgspec.DecodeError
        return answer

    return (sys.executable, "-c", f"print({text!r}, end='')"), read


ELSEWHERE = Answer(False, None, frozenset({"other"}))
HERE = Answer(True, Origin(1, "mic", is_monitor=False), frozenset({"mic"}))


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([HERE, ELSEWHERE], HERE),
        ([ELSEWHERE, HERE], HERE),
        ([None, HERE], HERE),
        ([ELSEWHERE, None], ELSEWHERE),
        ([None, None], None),
        ([], None),
    ],
)
def test_the_server_that_knows_our_stream_answers(answers, expected):
    inquiry = Inquiry([program(str(k), answer) for k, answer in enumerate(answers)])
    assert inquiry.wait() == expected
    assert not inquiry.is_pending
    assert inquiry.poll() is None


def test_a_program_that_is_missing_or_fails_is_left_out():
    missing = (("no-such-program",), program("")[1])
    failing = ((sys.executable, "-c", "raise SystemExit(3)"), program("")[1])
    assert Inquiry([missing, failing, program("x", HERE)]).wait() == HERE


def test_a_program_that_hangs_is_ended():
    clock = Clock()
    hanging = ((sys.executable, "-c", "import time; time.sleep(60)"), program("")[1])
    inquiry = Inquiry([hanging], clock=clock)
    inquiry.ask()
    process = inquiry._process
    assert inquiry.poll() is None
    assert inquiry.is_pending
    clock.advance(ANSWER_WITHIN_S)
    assert inquiry.poll() is None
    assert not inquiry.is_pending
    assert process.returncode < 0
