"""What the system unit forbids leaves capture and inference working."""

from __future__ import annotations

import ctypes.util
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from commands import ENVIRONMENT, KEYWORD_DETECTOR, keywords, wait_until_listening

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
    tried = subprocess.run(confined("true"), capture_output=True, text=True, check=False, timeout=60)
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
        confined(sys.executable, "-c", statement), capture_output=True, text=True, check=False, timeout=60
    )
    assert finished.returncode == 1
    assert message in finished.stderr


@pytest.mark.microphone
def test_a_microphone_is_heard_all_the_same(microphone, demo_samples, demo_words, tmp_path):
    wav = tmp_path / "words.wav"
    soundfile.write(wav, np.concatenate((demo_samples[: 6 * 16000], np.zeros(8000, dtype=np.int16))), 16000)
    process = subprocess.Popen(
        confined(*KEYWORD_DETECTOR, "listen", "--json"),
        env=ENVIRONMENT | microphone.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_until_listening(process)
        time.sleep(2)
        microphone.play(wav)
        time.sleep(1)
        process.send_signal(signal.SIGTERM)
        stdout, _ = process.communicate(timeout=10)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 0
    assert keywords(stdout) == demo_words[:2]
