"""Which processes are detectors, and that no other is signalled."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
from commands import end, start, wait_until_listening, wait_until_says

from detector.process.daemons import (
    Daemon,
    find_daemons,
    find_holder,
    is_listening,
    look_at,
    request_keep,
    request_reload,
)


@pytest.mark.parametrize(
    ("command", "is_one"),
    [
        (["/opt/keyword-detector/venv/bin/python", "/opt/keyword-detector/venv/bin/keyword-detector", "listen"], True),
        (["python3", "-m", "detector", "listen", "-"], True),
        (["python3", "-m", "detector", "detect", "listen"], False),
        (["vi", "listen"], False),
        (["listen"], False),
        (["grep", "keyword-detector"], False),
        ([""], False),
    ],
)
def test_a_detector_is_known_by_its_command_line(command, is_one):
    assert is_listening(command) == is_one


def test_a_process_that_is_none_is_not_signalled():
    with subprocess.Popen([sys.executable, "-c", "input()", "listen"], stdin=subprocess.PIPE) as process:
        assert look_at(process.pid) is None
        assert not request_reload(Daemon(process.pid, caught=-1, unit=None))
        process.communicate(b"\n")
        assert process.returncode == 0


def test_a_detector_is_found_by_the_folder_that_it_records_into_and_reloads(tmp_path):
    settings, folder = tmp_path / "settings.toml", tmp_path / "kept"
    settings.write_text("json = true\n")
    process = start("listen", "-", "--config", settings, "--record", folder, stdin=subprocess.PIPE)
    wait_until_listening(process)
    found = find_holder(folder)
    assert (found.pid, found.can_reload, found.unit) == (process.pid, True, None)
    assert found in list(find_daemons())
    assert find_holder(tmp_path) is None
    assert request_reload(found)
    wait_until_says(process, "settings were read anew")
    end(process)
    assert find_holder(folder) is None
    assert not request_reload(found)


def test_a_detector_that_a_hangup_would_end_is_left_alone(tmp_path):
    process = start(
        "listen",
        "-",
        "--record",
        tmp_path,
        stdin=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
    )
    wait_until_listening(process)
    found = find_holder(tmp_path)
    assert (found.pid, found.can_reload) == (process.pid, False)
    assert not request_reload(found._replace(caught=-1))
    assert request_keep(found)
    end(process)
