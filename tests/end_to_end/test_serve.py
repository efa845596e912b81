"""The command `serve` as a process, and clients of it by the library that Home Assistant uses."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import re
import shlex
import socket
import subprocess
from pathlib import Path

import pytest
from commands import ENVIRONMENT, assert_last_line, assert_one_line, call, end, patched, run, start, wait_until_says
from heads import make_manifest, write_pair

from detector.settings import read_settings

pytest.importorskip("wyoming", reason="needs the extra wyoming: pip install 'keyword-detector[wyoming]'")

from ears import connect, read, read_detections, read_stream, send
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.event import read_event, write_event
from wyoming.info import Describe, Info
from wyoming.wake import Detect, Detection

ANYWHERE = "tcp://127.0.0.1:0"


def start_server(*arguments, uri=ANYWHERE, **options):
    """Start a server; return its process and its URI."""
    process = start("serve", "--uri", uri, *arguments, **options)
    return process, wait_until_says(process, "serving ").split()[-1]


async def hear(uri, samples, **options):
    async with connect(uri) as client:
        await send(client, samples, **options)
        return await read_stream(client)


def detected_in(file, *arguments):
    lines = call("detect", file, "--json", *arguments).stdout.splitlines()
    return [(line["keyword"], round(line["time_s"] * 1000)) for line in map(json.loads, lines)]


def test_what_is_detected_is_what_listening_to_the_same_recording_detects(demo_file, demo_samples):
    process, uri = start_server()
    expected = detected_in(demo_file)

    async def main():
        async with connect(uri) as client:
            await send(client, demo_samples)
            return [(one.name, one.timestamp) for one in await read_detections(client, len(expected))]

    assert asyncio.run(main()) == expected
    assert len(expected) >= 7
    _, log = end(process)
    assert re.findall(r"127\.0\.0\.1:\d+: (yes|no) 0\.\d\d$", log, re.MULTILINE) == [word for word, _ in expected]


def test_models_words_and_thresholds_are_chosen_as_for_a_recording(
    model, flatbuffer, tmp_path, demo_file, demo_samples
):
    write_pair(tmp_path, make_manifest(model, "mine", ["ja"]), flatbuffer)
    chosen = ["--model", f"yes-no,{tmp_path / 'mine.json'}", "--words", "no,ja", "--threshold", "no=0.95"]
    process, uri = start_server(*chosen)

    async def main():
        async with connect(uri) as client:
            await client.write_event(Describe().event())
            info = Info.from_event(await read(client))
            await send(client, demo_samples)
            return info, await read_stream(client)

    info, words = asyncio.run(main())
    assert [one.name for one in info.wake[0].models] == ["no", "ja"]
    assert words == [word for word, _ in detected_in(demo_file, *chosen)]
    assert "ja" in words
    end(process)


def test_serves_one_client_on_standard_input_and_output(demo_samples):
    """As the test of wyoming-openwakeword does: what is on offer, a word, then another stream, which has none."""
    form = {"rate": 16000, "width": 2, "channels": 1}
    sent = io.BytesIO()
    write_event(Describe().event(), sent)
    write_event(Detect(names=["yes"]).event(), sent)
    for sound in (demo_samples[: 5 * 16000].tobytes(), bytes(64000)):
        write_event(AudioStart(**form).event(), sent)
        for first in range(0, len(sound), 2048):
            write_event(AudioChunk(**form, audio=sound[first : first + 2048]).event(), sent)
    write_event(AudioStop().event(), sent)
    finished = subprocess.run(
        [*start_command(), "--uri", "stdio://"], input=sent.getvalue(), capture_output=True, check=False, timeout=120
    )
    answers, written = [], io.BytesIO(finished.stdout)
    while (answer := read_event(written)) is not None:
        answers.append(answer)
    assert [answer.type for answer in answers] == ["info", "detection", "not-detected"]
    assert Detection.from_event(answers[1]).name == "yes"
    assert finished.returncode == 0


def start_command():
    from commands import KEYWORD_DETECTOR

    return [*KEYWORD_DETECTOR, "serve"]


def test_standard_input_that_is_a_file_is_no_client(demo_file):
    with open(demo_file, "rb") as file:
        assert_last_line(
            run("serve", "--uri", "stdio://", stdin=file), 78, "expected a client on standard input and output"
        )


def test_a_socket_in_the_file_system_is_removed_at_the_end(tmp_path, demo_samples):
    process, uri = start_server(uri=f"unix://{tmp_path}/ears")
    assert asyncio.run(hear(uri, demo_samples[: 4 * 16000])) == ["yes"]
    end(process)
    assert not (tmp_path / "ears").exists()


def test_asked_to_end_it_lets_its_clients_go_and_its_port_is_free(demo_samples):
    process, uri = start_server()
    port = int(uri.rpartition(":")[2])

    async def main():
        async with contextlib.AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(connect(uri)) for _ in range(20)]
            for client in clients:
                await client.write_event(AudioChunk(16000, 2, 1, demo_samples[:80_000].tobytes()).event())
            await read(clients[0])
            await asyncio.to_thread(end, process)

    asyncio.run(main())
    with socket.create_server(("127.0.0.1", port)):
        pass


def test_the_supervisor_is_notified_while_it_serves_and_while_nobody_asks(supervisor):
    process, _ = start_server(env=ENVIRONMENT | supervisor.environment_with_watchdog)
    supervisor.wait_for("READY=1")
    supervisor.wait_for("WATCHDOG=1", n_times=3)
    end(process)
    supervisor.wait_for("STOPPING=1")
    assert any("serving 0 clients at tcp://127.0.0.1:" in message for _, message in supervisor.messages)


def test_what_does_not_fit_ends_it_before_it_listens():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        uri = "tcp://{}:{}".format(*taken.getsockname())
        assert_one_line(call("serve", "--uri", uri), 78, f"expected {uri} to be free")
    assert_one_line(
        call("serve", "--uri", "127.0.0.1:10400"), 78, "expected a URI to serve clients at, tcp://ADDRESS:PORT"
    )
    assert_one_line(call("serve", "--uri", ANYWHERE, "--words", "computer"), 78, "'computer'")
    assert_one_line(call("serve", "--uri", ANYWHERE, "--threshold", "computer=0.5"), 78, "'computer'")
    assert_one_line(call("serve", "--uri", ANYWHERE, "--zeroconf"), 78, "expected an address that others reach")


@pytest.mark.parametrize(("package", "arguments", "extra"), [
    ("wyoming", ["--uri", ANYWHERE], "wyoming"),
    ("zeroconf", ["--uri", "tcp://0.0.0.0:0", "--zeroconf", "kitchen"], "zeroconf"),
])  # fmt: skip
def test_without_its_library_it_names_what_to_install(package, arguments, extra):
    finished = run("serve", *arguments, command=patched(f"import sys\nsys.modules['{package}'] = None"))
    assert_one_line(finished, 78, f"expected the package {package}", f"pip install 'keyword-detector[{extra}]'")


def test_nothing_of_it_is_imported_to_listen(words):
    program = """
import sys, atexit
import os
exit_ = os._exit
def report(code):
    print(*(name for name in ("asyncio", "wyoming", "zeroconf") if name in sys.modules), file=sys.stderr, flush=True)
    exit_(code)
os._exit = report
"""
    finished = run("detect", words, command=patched(program))
    assert finished.stderr == "\n"


# ---- docs/wyoming.md

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "wyoming.md"
NOT_HERE = {
    "pip install 'keyword-detector[wyoming]'": "installs a package",
    "pip install 'keyword-detector[zeroconf]'": "installs a package",
    **dict.fromkeys(
        (
            "sudo /opt/keyword-detector/venv/bin/pip install 'wyoming>=1.5.4,<2' 'zeroconf>=0.88,<1'",
            "sudo cp systemd/keyword-detector-serve.service /etc/systemd/system/",
            "sudo install -D -m 644 systemd/network/serve.conf -t /etc/systemd/system/keyword-detector-serve.service.d",
            'sudoedit /etc/keyword-detector.toml                 # [serve], uri = "tcp://0.0.0.0:10400"',
            "sudo systemctl daemon-reload",
            "sudo systemctl enable --now keyword-detector-serve",
        ),
        "needs root and systemd",
    ),
}
"""Commands of the document that no test can run, and why."""


def commands_of_the_document():
    plain = re.sub(r"```.*?```", "", DOCUMENT.read_text(), flags=re.DOTALL)
    return [line for line in re.findall(r"^    (\S.*)$", plain, re.MULTILINE) if line not in NOT_HERE]


@pytest.mark.parametrize("command", commands_of_the_document())
def test_the_commands_of_the_document_serve(command, demo_samples, tmp_path):
    program, verb, *arguments = shlex.split(command)
    assert (program, verb) == ("keyword-detector", "serve")
    uri = arguments[arguments.index("--uri") + 1] if "--uri" in arguments else "tcp://127.0.0.1:10400"
    if "--zeroconf" in arguments:
        pytest.importorskip("zeroconf", reason="needs the extra zeroconf: pip install 'keyword-detector[zeroconf]'")
    if uri == "stdio://":
        assert run("serve", "--uri", uri, input="").returncode == 0
        return
    here = re.sub(r":\d+$", ":0", uri).replace("/run/", f"{tmp_path}/")
    process, uri = start_server(*[one for one in arguments if one not in ("--uri", uri)], uri=here)
    assert asyncio.run(hear(uri.replace("0.0.0.0", "127.0.0.1"), demo_samples[: 4 * 16000])) == ["yes"]
    end(process)


def test_the_settings_of_the_document_fit(tmp_path):
    blocks = re.findall(r"```toml\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert blocks
    for block in blocks:
        (tmp_path / "settings.toml").write_text(block)
        assert "serve" in block
        read_settings(tmp_path / "settings.toml", {})


def test_the_python_of_the_document_prints_a_detection():
    process, uri = start_server()
    (code,) = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    code = code.replace("tcp://127.0.0.1:10400", uri)
    finished = run(command=[*patched("")[:1], "-c", code], cwd=ROOT)
    assert finished.stdout.split()[0] == "yes", finished.stderr
    end(process)
