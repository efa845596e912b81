"""A machine that is too slow for a while, or stands still: late words are not invented, and hearing goes on."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from datetime import datetime

import numpy as np
import pytest
from commands import ENVIRONMENT, end, ended, keywords, patched, read_until_heard, start, wait_until_says

pytestmark = pytest.mark.microphone

SLOW = """
import pathlib, sys, time
from detector.core import model
score = model.Model.score
switch = pathlib.Path(sys.argv.pop(1))
def slow(self, features):
    if switch.exists():
        time.sleep(0.1)
    return score(self, features)
model.Model.score = slow
"""

STEPPED = """
import pathlib, sys, time
import datetime as dates
offset = pathlib.Path(sys.argv.pop(1))
def offset_s():
    return float(offset.read_text())
wall = time.time
time.time = lambda: wall() + offset_s()
class Stepped(dates.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(time.time(), tz)
from detector.outputs import stamps
from detector.flight import recorder
stamps.datetime = recorder.datetime = Stepped
"""


def test_a_model_that_is_too_slow_scores_fewer_windows_until_it_is_not(
    microphone, supervisor, words, demo_words, tmp_path
):
    switch = tmp_path / "slow"
    environment = ENVIRONMENT | microphone.environment | supervisor.environment
    with ended(start(switch, "listen", "--json", "--events", command=patched(SLOW), env=environment)) as process:
        supervisor.wait_until_ready()
        switch.touch()
        assert "windows are now 120 ms apart" in wait_until_says(process, "too slow")
        microphone.play(words)
        stdout = read_until_heard(process, 2)
        switch.unlink()
        for _ in range(3):  # it may have gone to 240 ms
            if "now 60 ms apart" in wait_until_says(process, "ms apart"):
                break
        microphone.play(words)
        stdout += read_until_heard(process, 2) + end(process)[0]
    heard = [json.loads(line) for line in stdout.splitlines()]
    assert [line["keyword"] for line in heard if "keyword" in line] == 2 * demo_words[:2]
    assert {line["cause"] for line in heard if line.get("event") == "gap"} <= {"skip"}


def test_a_process_that_stood_still_for_ten_seconds_is_a_second_late_at_most(microphone, supervisor, words, demo_words):
    with ended(start("listen", "--json", "--events", env=microphone.environment | supervisor.environment)) as process:
        supervisor.wait_until_ready()
        process.send_signal(signal.SIGSTOP)
        stopped_s = time.monotonic()
        microphone.play(words)  # nobody listens
        time.sleep(max(0.0, stopped_s + 10 - time.monotonic()))
        process.send_signal(signal.SIGCONT)
        microphone.play(words)
        stdout = read_until_heard(process, 2)
        rest, stderr = end(process)
    lines = [json.loads(line) for line in (stdout + rest).splitlines()]
    # What was said while it stood still may be in the sound server's memory: of that the last second at most is heard.
    assert [line["keyword"] for line in lines if "keyword" in line] == demo_words[:2]
    assert [line for line in lines if line.get("event") == "gap"], stderr
    assert stderr.count("audio was lost") == 1  # once a minute at most


def test_a_clock_that_is_set_forth_and_back_by_an_hour_changes_nothing_but_the_time_of_day(
    microphone, supervisor, words, demo_words, tmp_path
):
    offset = tmp_path / "offset"
    offset.write_text("0")
    environment = ENVIRONMENT | microphone.environment | supervisor.environment
    stdout = ""
    with ended(start(offset, "listen", "--json", "--events", command=patched(STEPPED), env=environment)) as process:
        supervisor.wait_until_ready()
        for step_s in ("3600", "-3600"):
            offset.write_text(step_s)
            microphone.play(words)
            stdout += read_until_heard(process, 2)
        rest, stderr = end(process)
    lines = [json.loads(line) for line in (stdout + rest).splitlines()]
    heard = [line for line in lines if "keyword" in line]
    assert [line["keyword"] for line in heard] == 2 * demo_words[:2], stderr
    assert not [line for line in lines if line.get("event") == "gap"]
    hours = [datetime.fromisoformat(line["at"]).timestamp() / 3600 for line in heard]
    assert [round(hours[0] - hour) for hour in hours] == [0, 0, 2, 2]
    assert np.all(np.diff([line["time_s"] for line in heard]) > 0)


def test_other_programs_that_take_every_core_do_not_keep_it_from_hearing(microphone, supervisor, words, demo_words):
    environment = microphone.environment | supervisor.environment
    with ended(start("listen", "--json", env=environment)) as process, contextlib.ExitStack() as stack:
        supervisor.wait_until_ready()
        for _ in range(os.cpu_count() or 1):
            stack.enter_context(ended(subprocess.Popen([sys.executable, "-c", "while True: pass"])))
        microphone.play(words)
        stdout = read_until_heard(process, 2) + end(process)[0]
    assert keywords(stdout) == demo_words[:2]
