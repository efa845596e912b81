"""JSON Lines to a file or a FIFO: appended, rotated, without a reader, on a full disk."""

import io
import json
import os
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from examples import STATUS_REPORT

from detector.errors import SettingsError
from detector.events import Closed, Condition, Detection, Gap, GapCause, Opened, Progress, Scored, State
from detector.outputs.console import Console
from detector.outputs.lines import JsonLines, check_path
from detector.outputs.stamps import Stamps
from detector.settings import Settings

OPENED = Opened("a.wav", is_live=False, model="yes-no", runtime="a", sample_rate_hz=16000, thresholds={})
NOTHING = Progress(np.empty(0, dtype=np.int16), 0, 0, 0)


def detection(k):
    return Detection("yes", 0.9, float(k), 0.5)


def line(k):
    return detection(k).encode(OPENED) + "\n"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "detections.jsonl"


@pytest.fixture
def fifo(tmp_path):
    path = tmp_path / "fifo"
    os.mkfifo(path)
    return path


def lines_to(path, *, with_events=False):
    return JsonLines(path, OPENED, with_events=with_events, stamps=Stamps())


def messages(caplog):
    return [record.getMessage() for record in caplog.records]


@pytest.mark.parametrize("with_events", [False, True])
def test_a_file_gets_what_the_console_prints_as_json_lines(path, with_events):
    printed = io.StringIO()
    console = Console(as_json=True, with_events=with_events, stream=printed)
    events = [
        OPENED,
        Scored(1, [0.5]),
        detection(1),
        Gap(8000, GapCause.SKIP, 0.5),
        State(Condition.DEAF, 1, Condition.LISTENING),
        STATUS_REPORT,
        NOTHING,
        Opened("b.wav", is_live=False, model="yes-no", runtime="a", sample_rate_hz=8000, thresholds={}, source_id="k"),
        detection(2),
        Closed(0),
    ]
    with lines_to(path, with_events=with_events) as lines:
        for event in events:
            console.hear(event)
            lines.hear(event)
    assert path.read_text() == printed.getvalue()
    assert len(path.read_text().splitlines()) == (5 if with_events else 2)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert lines.count() == {"written": 5 if with_events else 2, "dropped": 0}


def test_a_live_source_has_the_time_of_day_that_is_printed(path):
    printed, stamps = io.StringIO(), Stamps()
    console = Console(as_json=True, stream=printed, stamps=stamps)
    live = Opened("USB", is_live=True, model="m", runtime="a", sample_rate_hz=16000, thresholds={})
    with JsonLines(path, OPENED, with_events=False, stamps=stamps) as lines:
        for event in (live, detection(1), detection(2)):
            lines.hear(event)
            console.hear(event)
    assert path.read_text() == printed.getvalue()
    assert json.loads(path.read_text().splitlines()[0])["at"] is not None


def test_a_file_is_appended_to_and_keeps_its_mode_and_a_line_that_was_cut_spoils_itself_alone(path):
    path.write_text(line(0) + '{"keyword": "y')
    path.chmod(0o640)
    with lines_to(path) as lines:
        lines.hear(detection(1))
    with lines_to(path) as lines:
        lines.hear(detection(2))
    assert path.read_text() == line(0) + '{"keyword": "y\n' + line(1) + line(2)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_after_a_rotation_lines_go_to_a_new_file_and_none_is_lost(path):
    with lines_to(path) as lines:
        lines.hear(detection(0))
        path.rename(path.with_suffix(".1"))
        lines.hear(detection(1))
        lines.reopen(Settings(events=True))
        lines.hear(detection(2))
        lines.hear(STATUS_REPORT)
    assert path.with_suffix(".1").read_text() == line(0) + line(1)
    assert path.read_text() == line(2) + STATUS_REPORT.encode(OPENED) + "\n", "events are as the settings have them now"
    assert lines.count() == {"written": 4, "dropped": 0}


def test_a_path_that_cannot_be_opened_anew_leaves_the_old_file_open(path, tmp_path, caplog):
    inner = tmp_path / "folder" / "a.jsonl"
    inner.parent.mkdir()
    with lines_to(inner) as lines:
        inner.parent.rename(tmp_path / "moved")
        lines.reopen(Settings())
        lines.hear(detection(1))
    assert (tmp_path / "moved" / "a.jsonl").read_text() == line(1)
    assert messages(caplog) == [
        f"expected to open {inner} anew, found: No such file or directory; the file of before stays open"
    ]


# ---- a FIFO


def test_a_fifo_that_nobody_reads_holds_up_nobody_and_its_lines_are_counted(fifo, caplog):
    with lines_to(fifo) as lines:
        lines.hear(detection(0))
        lines.hear(detection(1))
        assert lines.count() == {"written": 0, "dropped": 2}
        reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
        lines.hear(detection(2))
        assert os.read(reader, 10_000).decode() == line(2)
        os.close(reader)
        lines.hear(detection(3))
        reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
        lines.hear(detection(4))
        assert os.read(reader, 10_000).decode() == line(4)
        os.close(reader)
    assert lines.count() == {"written": 2, "dropped": 3}
    assert messages(caplog) == [f"lines for {fifo} are dropped: nobody reads it"]


def test_a_reader_that_waits_for_a_writer_gets_the_next_line(fifo):
    said = []
    reader = threading.Thread(target=lambda: said.append(fifo.read_text()))
    with lines_to(fifo) as lines:
        reader.start()
        k = 0
        while lines.count()["written"] == 0:  # until it waits
            k += 1
            lines.hear(detection(k))
    reader.join()
    assert said == [line(k)]


def test_of_lines_for_a_slow_reader_the_oldest_are_dropped_and_none_is_cut(fifo):
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    with lines_to(fifo) as lines:
        n_lines = 65536 // len(line(1000)) + 1500
        for k in range(1000, 1000 + n_lines):
            lines.hear(detection(k))
        assert lines.count()["dropped"] >= 400
        arrived = b""
        while lines._outlet.n_waiting:
            arrived += os.read(reader, 65536)
            lines.hear(NOTHING)
        arrived += os.read(reader, 65536)
        counts = lines.count()
    os.close(reader)
    times = [json.loads(text)["time_s"] for text in arrived.decode().splitlines()]
    assert len(times) == counts["written"] == n_lines - counts["dropped"]
    assert times == sorted(times)
    assert times[-1] == 1000 + n_lines - 1


# ---- a full disk


def test_a_full_disk_is_reported_once_and_lines_wait_for_it(path, caplog, monkeypatch):
    write, is_full = os.write, [True]

    def write_or_fail(descriptor, piece):
        if is_full[0]:
            raise OSError(28, "No space left on device")
        return write(descriptor, piece)

    with lines_to(path) as lines:
        monkeypatch.setattr(os, "write", write_or_fail)
        for k in range(1003):
            lines.hear(detection(k))
        assert lines.count() == {"written": 0, "dropped": 3}
        is_full[0] = False
        lines.hear(NOTHING)
        assert lines.count() == {"written": 1000, "dropped": 3}
        is_full[0] = True
        lines.hear(detection(1003))
        lines.hear(Closed(0))
    assert path.read_text() == "".join(line(k) for k in range(3, 1003))
    assert lines.count() == {"written": 1000, "dropped": 4}
    assert (
        messages(caplog)
        == [f"lines for {path} wait, and of too many the oldest are dropped: No space left on device"] * 2
    ), "it was full twice"


LIMITED = """
import resource, signal, sys
sys.path[:0] = {path!r}
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300))
import test_lines
from pathlib import Path
with test_lines.lines_to(Path(sys.argv[1])) as lines:
    for k in range(5):
        lines.hear(test_lines.detection(k))
print(lines.count())
"""


def test_a_file_that_may_not_grow_drops_lines_and_nothing_fails(path):
    code = LIMITED.format(path=[str(Path(file).parent) for file in (__file__, sys.modules["examples"].__file__)])
    # Where coverage is measured, it could not write what it has seen either.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    command = [sys.executable, "-c", code, path]
    finished = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    n_written = 300 // len(line(0))
    assert finished.stdout == f"{{'written': {n_written}, 'dropped': {5 - n_written}}}\n"
    assert finished.stderr == f"lines for {path} are dropped: File too large\n"


# ---- what is refused


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("/dev/null", "a device, neither a file nor a FIFO"),
        ("/dev", "a folder, neither a file nor a FIFO"),
        ("/nowhere/a.jsonl", "No such file or directory"),
        ("a\0b", "a name with a null byte"),
        ("socket", "a socket, neither a file nor a FIFO"),
    ],
)
def test_what_cannot_be_written_to_is_refused_at_the_start_and_by_check(tmp_path, name, message):
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(tmp_path / "socket"))
        path = tmp_path / "socket" if name == "socket" else Path(name)
        with pytest.raises(SettingsError, match=f"expected to write to .*, found: {message}"), lines_to(path):
            pass
        with pytest.raises(SettingsError, match=f"expected to write to .*, found: {message}"):
            check_path(path)


def test_check_makes_nothing(path, fifo):
    check_path(path)
    check_path(fifo)
    assert not path.exists()
