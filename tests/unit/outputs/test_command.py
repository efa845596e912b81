"""Commands at detections, with real processes: what they get, what limits them, and what becomes of them."""

import logging
import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import msgspec
import numpy as np
import pytest
from clocks import Clock
from commands import wait_until

from detector.events import Closed, Detection, Opened, Progress
from detector.outputs import command as module
from detector.outputs.broker import VARIABLE
from detector.outputs.command import GRACE_S, Commands
from detector.outputs.settings import CommandSettings
from detector.outputs.template import read_templates
from detector.process.signals import StopFlag

OPENED = Opened("USB", is_live=True, model="yes-no", runtime="a", sample_rate_hz=16000, thresholds={})
YES = Detection("yes", 0.9, 1.0, 0.5)
NOTHING = Progress(np.empty(0, dtype=np.int16), 0, 0, 0)
WORDS = ("yes", "no")


class World:
    """Commands and all around them; `turn` is what the listening loop does several times a second."""

    def __init__(self, commands, clock=None, environment=None, **settings):
        self.clock, self.stop = clock or Clock(), StopFlag()
        self.commands = Commands(
            read_templates(commands, WORDS),
            CommandSettings(**settings),
            OPENED,
            environment=os.environ if environment is None else environment,
            stop=self.stop,
            clock=self.clock,
        )

    def hear(self, *events):
        for event in events:
            self.commands.hear(event)

    def turn(self):
        self.commands.hear(NOTHING)

    def turn_until(self, is_so):
        def turned():
            self.turn()
            return is_so()

        wait_until(turned)

    @property
    def pids(self):
        return [running._process.pid for running in self.commands._running]

    def counts(self, **counts):
        return dict.fromkeys(("run", "failed", "timed_out", "dropped"), 0) | counts == self.commands.count()


@pytest.fixture
def world():
    """Return a function that makes worlds, whose commands are ended with the test."""
    with ExitStack() as stack:

        def make(commands, **options):
            made = World(commands, **options)

            def end():
                made.commands._waiting.clear()
                for pid in made.pids:
                    os.killpg(pid, signal.SIGKILL)
                made.turn_until(lambda: not made.pids)

            stack.callback(end)
            return made

        yield make


def python(code):
    """Return the command that runs a line of Python; it has no braces, double quotes and no new lines."""
    return f'{sys.executable} -c "{code}"'


def is_alive(pid):
    """Return whether there is such a process, and it is no zombie."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False


def messages(caplog):
    return [record.getMessage() for record in caplog.records]


def read_written(file):
    wait_until(lambda: file.exists() and file.read_text().endswith("end\n"))
    return file.read_text()


# ---- what a command gets


def test_a_command_gets_arguments_and_environment_and_nothing_of_ours(world, tmp_path, monkeypatch):
    file = tmp_path / "said"
    script = tmp_path / "hook"
    script.write_text(
        f"""#!{sys.executable}
import json, os, signal, sys
fds = [f"{{fd}} {{os.readlink('/proc/self/fd/' + fd)}}" for fd in os.listdir("/proc/self/fd")[:-1]]
state = open("/proc/self/status").read()
(blocked,) = [line.split()[1] for line in state.splitlines() if line.startswith("SigBlk")]
names = ["KEYWORD", "SCORE", "TIME_S", "START_S", "MODEL", "SOURCE", "NOTIFY_SOCKET", "{VARIABLE}", "OWN"]
said = [sys.argv[1:], [os.environ.get(name) for name in names], os.getsid(0) == os.getpid(), sorted(fds), blocked]
open({str(file)!r}, "w").write(json.dumps(said) + "end\\n")
"""
    )
    script.chmod(0o755)
    ours = os.open(tmp_path, os.O_RDONLY)
    os.set_inheritable(ours, True)  # as a C library may leave its own
    environment = {**os.environ, "NOTIFY_SOCKET": "/run/s", VARIABLE: "secret", "OWN": "kept"}
    made = world({"yes": f"{script} '{{keyword}} {{score}}' {{source}} {{time_s}}"}, environment=environment)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGPIPE])  # as a library of sound does
    try:
        made.hear(msgspec.structs.replace(OPENED, source="a; rm -rf $HOME"), YES)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    said = msgspec.json.decode(read_written(file).removesuffix("end\n"))
    os.close(ours)
    assert said[0] == ["yes 0.9", "a; rm -rf $HOME", "1.0"]
    assert said[1] == ["yes", "0.9", "1.0", "0.5", "yes-no", "a; rm -rf $HOME", None, None, "kept"]
    assert said[2], "a session of its own"
    assert [fd.split()[0] for fd in said[3]] == ["0", "1", "2"]
    assert said[3][:2] == ["0 /dev/null", "1 /dev/null"]
    assert said[4] == "0000000000000000", "no signal is blocked"


def test_signals_that_python_ignores_are_as_usual_for_a_command(world, tmp_path):
    made = world({"yes": f"sh -c 'grep SigIgn /proc/self/status > {tmp_path}/ignored'"})
    made.hear(YES)
    made.turn_until(lambda: not made.pids)
    ignored = int((tmp_path / "ignored").read_text().split()[1], 16)
    assert [number for number in (signal.SIGPIPE, signal.SIGXFSZ) if ignored >> (number - 1) & 1] == []


def test_a_word_runs_its_own_command_and_that_of_every_word(world, tmp_path):
    touch = "touch '{}/{{keyword}} {}'"
    made = world({word: touch.format(tmp_path, word) for word in ("yes", "no", "*")})
    made.hear(YES)
    made.turn_until(lambda: not made.pids)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["yes *", "yes yes"]
    assert made.counts(run=2)


def test_loading_a_slow_program_holds_no_other_thread_up():
    assert (sys.version_info >= (3, 11, 4)) == subprocess._USE_VFORK


# ---- what becomes of it


def test_a_failure_is_logged_once_a_kind_with_its_status_and_last_line_and_counted(world, caplog):
    made = world(
        {
            "yes": python("import sys; print('early', file=sys.stderr); sys.exit('no such light\\x1b\\n\\n')"),
            "no": python("import os; os.kill(os.getpid(), 9)"),
        }
    )
    for k in range(3):
        made.hear(YES, Detection("no", 0.9, 1.0, 0.5))
        made.turn_until(lambda: not made.pids)
        assert made.counts(run=2 * (k + 1), failed=2 * (k + 1))
    assert sorted(messages(caplog)) == [
        "the command for 'no' was ended by signal 9; from now on this is counted",
        "the command for 'yes' failed with exit status 1: no such light\\x1b; from now on this is counted",
    ]


def test_a_program_that_cannot_be_started_any_more_is_a_failure(world, tmp_path, caplog):
    script = tmp_path / "hook"
    script.write_text("neither a script nor a program\n")
    script.chmod(0o755)
    made = world({"yes": f"{script}"})
    made.hear(YES)
    script.unlink()
    made.hear(YES, YES)
    assert made.counts(failed=3)
    assert messages(caplog) == [
        "the command for 'yes' cannot be started: Exec format error; from now on this is counted",
        "the command for 'yes' cannot be started: No such file or directory; from now on this is counted",
    ]


def test_what_floods_standard_error_is_read_in_pieces_and_its_end_is_kept(world, caplog):
    made = world({"yes": python("import sys; sys.stderr.write('x' * 3000000 + chr(10) + 'done'); sys.exit(3)")})
    made.hear(YES)
    n_turns = 0
    while made.pids:
        made.turn()
        n_turns += 1
        assert all(len(running._tail) <= module.TAIL_BYTES for running in made.commands._running)
    assert n_turns >= 3000000 // module.PIECE_BYTES
    assert messages(caplog) == ["the command for 'yes' failed with exit status 3: done; from now on this is counted"]


def test_a_last_line_without_end_is_cut(world, caplog):
    made = world({"yes": python("import sys; sys.exit('x' * 100000)")})
    made.hear(YES)
    made.turn_until(lambda: not made.pids)
    assert f"status 1: {'x' * module.MOST_SHOWN}; from" in caplog.text


def test_what_a_command_leaves_in_the_background_is_not_waited_for(world, tmp_path):
    made = world({"yes": f"sh -c 'sleep 1000 & echo $! > {tmp_path}/pid.new; mv {tmp_path}/pid.new {tmp_path}/pid'"})
    made.hear(YES)
    made.turn_until(lambda: not made.pids)
    pid = int((tmp_path / "pid").read_text())
    assert made.counts(run=1)
    assert is_alive(pid)
    os.kill(pid, signal.SIGKILL)


# ---- limits


def test_commands_on_top_are_dropped_and_counted(world, caplog):
    made = world({"yes": "sleep 1000"}, most_at_once=2)
    made.hear(*[YES] * 5)
    assert len(made.pids) == 2
    assert made.counts(run=2, dropped=3)
    assert messages(caplog) == ["2 commands run already: what comes on top is dropped; from now on this is counted"]


def test_or_they_wait_and_of_too_many_the_oldest_are_dropped(world, tmp_path, caplog):
    may_end = tmp_path / "may end"
    line = f"import os, time; n = os.environ['TIME_S']\nwhile not os.path.exists('{may_end}'): time.sleep(.01)"
    line += f"\nopen('{tmp_path}/' + n, 'w')"
    made = world({"yes": python(line)}, most_at_once=1, when_busy="queue", most_waiting=2)
    made.hear(*[Detection("yes", 0.9, float(k), 0.0) for k in range(5)])
    assert made.counts(run=1, dropped=2)
    may_end.touch()
    made.turn_until(lambda: made.counts(run=3, dropped=2) and not made.pids)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["0.0", "3.0", "4.0", "may end"]
    assert messages(caplog) == ["2 commands wait already: of more the oldest are dropped; from now on this is counted"]


def test_what_is_over_its_limit_is_ended_with_all_that_it_has_started(world, tmp_path, caplog):
    made = world({"yes": f"sh -c 'sleep 1000 & echo $! > {tmp_path}/pid; wait'"}, limit_s=5.0)
    made.hear(YES)
    wait_until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().endswith("\n"))
    made.clock.advance(4.9)
    made.turn()
    assert len(made.pids) == 1
    grandchild = int((tmp_path / "pid").read_text())
    assert is_alive(grandchild)
    made.clock.advance(0.2)
    made.turn_until(lambda: not made.pids)
    wait_until(lambda: not is_alive(grandchild))
    assert made.counts(run=1, timed_out=1)
    assert messages(caplog) == ["the command for 'yes' was ended after 5 s, its limit; from now on this is counted"]


IGNORES = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"


def test_what_ignores_sigterm_is_killed_after_a_grace(world, tmp_path):
    file = tmp_path / "ready"
    made = world({"yes": python(f"{IGNORES}open('{file}', 'w')\ntime.sleep(1000)")}, limit_s=5.0)
    made.hear(YES)
    wait_until(file.exists)
    made.clock.advance(5.0)
    for _ in range(20):
        made.turn()
    (pid,) = made.pids
    made.clock.advance(GRACE_S)
    made.turn_until(lambda: not made.pids)
    assert not is_alive(pid)
    assert made.counts(run=1, timed_out=1)


def test_a_grandchild_that_ignores_sigterm_is_killed_when_its_parent_has_ended(world, tmp_path):
    file = tmp_path / "pid"
    script = tmp_path / "grandchild"
    script.write_text(f"{IGNORES}import os\nopen('{file}', 'w').write(f'{{os.getpid()}}\\n')\ntime.sleep(1000)")
    parent = python(f"import subprocess, sys; subprocess.run([sys.executable, '{script}'])")
    made = world({"yes": parent}, limit_s=5.0)
    made.hear(YES)
    wait_until(lambda: file.exists() and file.read_text().endswith("\n"))
    made.clock.advance(5.0)
    made.turn_until(lambda: not made.pids)
    wait_until(lambda: not is_alive(int(file.read_text())))


# ---- the end


def test_at_a_stop_commands_are_ended_and_what_waits_is_dropped(world, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    file = tmp_path / "ready"
    stubborn = python(f"{IGNORES}open('{file}', 'w')\ntime.sleep(1000)")
    made = world({"yes": stubborn, "no": "sleep 1000"}, most_at_once=2, when_busy="queue", clock=time.monotonic)
    made.hear(YES, Detection("no", 0.9, 1.0, 0.5), YES)
    wait_until(file.exists)
    pids = made.pids
    made.stop.set()
    with made.commands:
        made.hear(Closed(0, was_stopped=True))
        assert [is_alive(pid) for pid in pids] == [False, False]
    assert made.counts(run=2, dropped=1)
    assert messages(caplog) == ["2 commands are ended, as they were still running"]


def test_at_the_end_of_a_recording_commands_run_to_their_end(world, tmp_path):
    made = world({"yes": f"touch {tmp_path}/{{time_s}}"}, most_at_once=1, when_busy="queue")
    with made.commands:
        made.hear(*[Detection("yes", 0.9, float(k), 0.0) for k in range(3)])
        made.hear(Closed(0))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["0.0", "1.0", "2.0"]
    assert made.counts(run=3)


def test_which_a_signal_cuts_short(world):
    made = world({"yes": "sleep 1000"}, clock=time.monotonic)
    with made.commands:
        made.hear(YES, Closed(0))
        (pid,) = made.pids
        made.stop.set()
    assert not is_alive(pid)
