"""What the system unit forbids leaves capture and inference working."""

from __future__ import annotations

import ctypes.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from commands import (
    ENVIRONMENT,
    KEYWORD_DETECTOR,
    WITHIN_S,
    end,
    keywords,
    read_until_heard,
    start,
    wait_until_listening,
)
from mosquitto import MISSING, Broker, Reader, running

ROOT = Path(__file__).parents[2]
CONFINE = [sys.executable, ROOT / "tests" / "confine.py", ROOT / "systemd" / "keyword-detector.service"]
NEEDED = ("systemd-analyze", "unshare", "setpriv")

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to take it away"),
    pytest.mark.skipif(
        any(shutil.which(program) is None for program in NEEDED) or ctypes.util.find_library("seccomp") is None,
        reason="needs systemd, util-linux and libseccomp2",
    ),
]


def confined(*command):
    return [str(word) for word in (*CONFINE, *command)]


@pytest.fixture(scope="module", autouse=True)
def _can_confine():
    """Skip where this kernel, or the container that we are in, does not let us."""
    tried = subprocess.run(confined("true"), capture_output=True, text=True, check=False, timeout=WITHIN_S)
    if tried.returncode != 0:
        pytest.skip(f"needs namespaces and PR_SET_MDWE (Linux 6.3): {tried.stderr.strip().splitlines()[-1:]}")


FORBIDDEN = {
    "open('/etc/new', 'w')": "Read-only file system",
    "import os; os.chown('/tmp', 65534, 65534)": "Operation not permitted",
    "import os; raise SystemExit(f'user {os.getuid()}, groups {os.getgid()} {os.getgroups()}')": (
        "user 65534, groups 65534 []"
    ),
    "open('/etc/shadow')": "Permission denied",
    "import mmap; mmap.mmap(-1, 4096, prot=7)": "PermissionError",
    "import os; os.sched_setaffinity(0, os.sched_getaffinity(0))": "PermissionError",
    "import socket; socket.create_connection(('127.0.0.1', 9), 1)": "unreachable",
}


@pytest.mark.parametrize(("statement", "message"), FORBIDDEN.items())
def test_what_is_forbidden_fails(statement, message):
    finished = subprocess.run(
        confined(sys.executable, "-c", statement), capture_output=True, text=True, check=False, timeout=WITHIN_S
    )
    assert finished.returncode == 1
    assert message in finished.stderr


ASK_ITSELF = """
import urllib.request
from detector.outputs.pages import Page, PageServer
with PageServer("127.0.0.1", 0, {"/metrics": lambda accept: Page(b"decisions 7", "text/plain")}) as server:
    print(urllib.request.urlopen(f"http://127.0.0.1:{server.port}/metrics").read().decode())
"""


def test_metrics_are_answered_with_their_drop_in():
    unit = f"{CONFINE[-1]}:{ROOT / 'systemd' / 'network' / 'metrics.conf'}"
    command = [str(word) for word in (*CONFINE[:-1], unit, sys.executable, "-c", ASK_ITSELF)]
    finished = subprocess.run(command, capture_output=True, text=True, check=False, timeout=WITHIN_S)
    assert (finished.stdout, finished.returncode) == ("decisions 7\n", 0), finished.stderr


@pytest.mark.skipif(MISSING is not None, reason=str(MISSING))
def test_detections_are_published_to_a_broker_with_its_drop_in(tmp_path, words):
    pytest.importorskip("paho.mqtt", reason="needs the extra mqtt: pip install 'keyword-detector[mqtt]'")
    unit = f"{CONFINE[-1]}:{ROOT / 'systemd' / 'network' / 'mqtt.conf'}"
    with running(Broker(tmp_path)) as broker, Reader(broker) as reader:
        command = [*CONFINE[:-1], unit, *KEYWORD_DETECTOR, "listen", "-", "--json", "--mqtt", broker.url()]
        finished = subprocess.run(
            [str(word) for word in command],
            input=words.read_bytes(),
            capture_output=True,
            check=False,
            timeout=WITHIN_S,
            env=ENVIRONMENT,
        )
        assert finished.returncode == 0, finished.stderr
        reader.wait_for("home/ears/availability", "offline")
        assert reader.of("home/ears/detection") == finished.stdout.decode().splitlines()
        assert len(finished.stdout.splitlines()) == 2


def test_commands_run_are_limited_and_may_do_no_more_than_the_unit(demo_samples):
    settings = """
[on]
yes = "sh -c 'echo $KEYWORD by $(id -u) >&2; exit 3'"
no = "sleep 1000"
"*" = "touch /var/lib/new"
[command]
most_at_once = 20
limit_s = 1
"""
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
        file.write(settings)
        file.flush()
        os.fchmod(file.fileno(), 0o644)
        finished = subprocess.run(
            confined(*KEYWORD_DETECTOR, "listen", "-", "--config", file.name),
            input=demo_samples.tobytes(),
            capture_output=True,
            check=False,
            timeout=WITHIN_S,
            env=ENVIRONMENT,
        )
    log = finished.stderr.decode()
    assert finished.returncode == 0, log
    assert "the command for 'yes' failed with exit status 3: yes by 65534;" in log
    assert "the command for 'no' was ended after 1 s, its limit;" in log
    assert "/var/lib/new': Read-only file system" in log


@pytest.mark.microphone
def test_a_microphone_is_heard_all_the_same(microphone, words, demo_words):
    environment = ENVIRONMENT | microphone.environment
    process = start("listen", "--json", command=confined(*KEYWORD_DETECTOR), env=environment)
    wait_until_listening(process)
    microphone.play(words)
    assert keywords(read_until_heard(process, 2) + end(process)[0]) == demo_words[:2]
