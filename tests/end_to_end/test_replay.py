"""The flight recorder from the command line."""

from __future__ import annotations

import json
import signal
import subprocess

import numpy as np
from commands import WITHIN_S, assert_one_line, keywords, run, start, wait_until_idle, wait_until_listening


def test_what_listen_records_replay_hears_as_it_was(demo_samples, tmp_path):
    folder = tmp_path / "kept"
    listened = run("listen", "-", "--json", "--record", folder, input=demo_samples.tobytes())
    assert listened.returncode == 0, listened.stderr
    lines = [json.loads(line) for line in listened.stdout.splitlines()]
    files = sorted(folder.glob("*.flac"))
    assert files
    for file in files:
        replayed = run("replay", file, "--json")
        assert "all as they were" in replayed.stderr
        for line in replayed.stdout.splitlines():
            again = json.loads(line)
            assert (again["keyword"], again["score"], again["time_s"]) in [
                (line["keyword"], line["score"], line["time_s"]) for line in lines
            ]
    assert keywords(run("replay", files[0].with_suffix(".json"), "--json").stdout)[0] == lines[0]["keyword"]


def test_a_signal_keeps_what_is_around_it(tmp_path):
    process = start("listen", "-", "--record", tmp_path, stdin=subprocess.PIPE)
    wait_until_listening(process)
    second = np.zeros(16000, dtype="<i2").tobytes()
    process.stdin.buffer.write(second * 3)
    process.stdin.buffer.flush()
    wait_until_idle(process)
    process.send_signal(signal.SIGUSR2)
    wait_until_idle(process)
    process.stdin.buffer.write(second * 4)
    process.stdin.buffer.flush()
    wait_until_idle(process)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=WITHIN_S)
    (file,) = tmp_path.glob("*-asked.flac")
    finished = run("replay", file)
    assert (finished.returncode, finished.stdout) == (0, "")
    assert "0 detections, all as they were" in finished.stderr


def test_what_is_no_flight_is_66(tmp_path):
    assert_one_line(run("replay", tmp_path / "a.flac"), 66, "found no")
    assert_one_line(run("replay", "/"), 66, "found the folder /")
    assert_one_line(run("replay", ""), 66, "found the folder .")
    (tmp_path / "b.json").write_text("[]")
    assert_one_line(run("replay", tmp_path / "b.flac"), 66, "expected a recording of the flight recorder")
    (tmp_path / "c").touch()
    assert_one_line(run("listen", "-", "--record", tmp_path / "c", stdin=subprocess.DEVNULL), 78, "folder to record")
