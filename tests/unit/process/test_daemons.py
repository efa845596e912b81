"""Which processes are detectors, and that no other is signalled."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from commands import end, start, wait_until_listening, wait_until_says

from detector.process import daemons
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
    assert found.command[-5:] == ("listen", "-", "--config", str(settings), "--record", str(folder))[-5:]
    assert found.folder == Path.cwd()
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


@pytest.mark.parametrize(
    ("cgroup", "unit"),
    [
        ("0::/system.slice/keyword-detector.service\n", "keyword-detector"),
        (
            "0::/system.slice/system-keyword\\x2ddetector.slice/keyword-detector@kitchen.service\n",
            "keyword-detector@kitchen",
        ),
        (
            "0::/user.slice/user-1000.slice/user@1000.service/app.slice/keyword-detector.service\n",
            "--user keyword-detector",
        ),
        ("0::/user.slice/user-1000.slice/session-2.scope\n", None),
        ("12:pids:/docker/1234\n0::/\n", None),
    ],
)
def test_a_unit_of_systemd_is_known_by_its_group(tmp_path, monkeypatch, cgroup, unit):
    monkeypatch.setattr(daemons, "PROCESSES", tmp_path)
    (tmp_path / "42").mkdir()
    (tmp_path / "self").mkdir()
    (tmp_path / "42/cmdline").write_bytes(b"python3\0/opt/bin/keyword-detector\0listen\0--config\0a.toml\0")
    (tmp_path / "42/status").write_text("Name:\tpython3\nSigCgt:\t0000000000000a01\n")
    (tmp_path / "42/cgroup").write_text(cgroup)
    (found,) = find_daemons()
    assert (found.pid, found.unit, found.can_reload) == (42, unit, True)
