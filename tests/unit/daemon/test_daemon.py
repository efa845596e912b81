"""What the daemon looks after, turn by turn, with a clock that the test turns."""

import contextlib
import logging
import sys
import threading

import numpy as np
import pytest
from clocks import Clock
from heads import make_head, make_manifest

from detector import Detector, Model
from detector.core.folders import find_model
from detector.daemon.daemon import FINISH_S, Daemon
from detector.daemon.lateness import LATE_S
from detector.errors import SettingsError
from detector.events import Asked, Closed, Condition, Opened, Progress, State
from detector.outputs.opening import Outputs
from detector.process.supervisor import Watchdog
from detector.settings import RecordSettings, Settings

STRIDE = 960


class Source:
    name = "a microphone"

    def __init__(self, *, is_live=True, can_wait=False):
        self.is_live, self.can_wait, self.is_waiting = is_live, can_wait, False


class Supervisor:
    """Takes notifications, or is behind."""

    def __init__(self):
        self.sent, self.takes = [], True

    def send(self, **fields):
        self.sent.append(fields)
        return True

    def ready(self):
        self.sent.append("ready")
        return self.takes

    def reloading(self):
        self.sent.append("reloading")


class Signal:
    """A request that the test makes."""

    def __init__(self):
        self.is_set = False

    def take(self):
        was_set, self.is_set = self.is_set, False
        return was_set


class Console:
    as_json = with_events = False


class Outlet:
    trouble = None

    def __init__(self):
        self.finished, self.is_dropped = [], False

    def finish(self, timeout_s):
        self.finished.append(timeout_s)

    def drop(self):
        self.is_dropped = True


class Keeper:
    def __init__(self):
        self.heard = []

    def hear(self, event):
        self.heard.append(event)

    def of(self, kind):
        return [event for event in self.heard if isinstance(event, kind)]


class World:
    """A daemon and all around it."""

    def __init__(self, detector, settings=None, source=None, reread=None):
        self.detector, self.source = detector, source or Source()
        self.clock, self.keeper, self.supervisor = Clock(), Keeper(), Supervisor()
        self.keep, self.stacks, self.hangup, self.console, self.output = (
            Signal(),
            Signal(),
            Signal(),
            Console(),
            Outlet(),
        )
        self.outputs, self.reopened = Outputs(), []
        self.outputs.reopeners.append(self.reopened.append)
        self.n_captured = 0
        self.daemon = Daemon(
            settings or Settings(),
            detector,
            self.source,
            self.keeper,
            console=self.console,
            outputs=self.outputs,
            notifier=self.supervisor,
            watchdog=Watchdog(self.supervisor, 30.0),
            output=self.output,
            log_output=None,
            keep=self.keep,
            stacks=self.stacks,
            hangup=self.hangup,
            reread=reread,
            clock=self.clock,
        )

    def turn(self, samples=None, *, seconds=0.06, waiting_s=0.0):
        """Let a turn of the listening loop pass."""
        samples = np.full(STRIDE, 100, dtype=np.int16) if samples is None else samples
        samples = (samples * np.where(np.arange(len(samples)) % 2, 1, -1)).astype(np.int16)
        self.clock.advance(seconds)
        self.n_captured += len(samples)
        self.detector.feed(samples)
        self.daemon.hear(Progress(samples, self.n_captured, round(waiting_s * 16000), 0))

    def run(self, seconds, **options):
        for _ in range(round(seconds / 0.06)):
            self.turn(**options)


def test_it_is_ready_once_a_window_was_scored_and_says_so_until_it_is_taken(detector):
    world = World(detector)
    world.supervisor.takes = False
    world.run(0.6)
    assert "ready" not in world.supervisor.sent
    world.run(0.6)
    assert world.supervisor.sent.count("ready") > 1
    world.supervisor.takes = True
    world.turn()
    n_sent = world.supervisor.sent.count("ready")
    world.run(3)
    assert world.supervisor.sent.count("ready") == n_sent
    assert world.keeper.of(State) == [State(Condition.LISTENING, 1, Condition.STARTING)]


def test_the_watchdog_is_fed_while_samples_come_and_windows_are_scored(detector):
    world = World(detector)
    world.run(35)
    assert world.supervisor.sent.count({"WATCHDOG": 1}) == 4
    world.run(35, samples=np.empty(0, dtype=np.int16))
    assert world.supervisor.sent.count({"WATCHDOG": 1}) == 5, "once more for what came since the last"
    world.run(35, samples=np.empty(0, dtype=np.int16))
    assert world.supervisor.sent.count({"WATCHDOG": 1}) == 5


def test_silence_deafness_and_waiting_are_states(detector):
    world = World(detector)
    world.run(2)
    world.run(12, samples=np.zeros(STRIDE))
    world.run(5, samples=np.empty(0, dtype=np.int16))
    world.source.is_waiting = True
    world.turn(np.empty(0, dtype=np.int16))
    world.source.is_waiting = False
    world.run(12)
    expected = [Condition.LISTENING, Condition.SILENT, Condition.DEAF, Condition.RECOVERING]
    assert [state.condition for state in world.keeper.of(State)] == [*expected, Condition.LISTENING]
    assert [state.before for state in world.keeper.of(State)] == [Condition.STARTING, *expected]


def test_the_health_of_a_recording_is_nobodys_business(detector):
    world = World(detector, source=Source(is_live=False, can_wait=True))
    world.run(15, samples=np.zeros(STRIDE), waiting_s=2 * LATE_S)
    assert world.keeper.of(State) == []
    assert detector.stride_factor == 1


def test_a_late_detector_widens_its_stride_and_the_change_is_an_event(detector):
    world = World(detector)
    world.run(2)
    world.turn(waiting_s=LATE_S + 0.1)
    assert detector.stride_factor == 2
    assert world.keeper.heard[-1] == State(Condition.LISTENING, 2)
    world.run(11)
    assert detector.stride_factor == 1
    assert world.keeper.of(State)[-1] == State(Condition.LISTENING, 1)


def test_a_request_to_keep_is_an_event_and_a_warning_where_nothing_is_recorded(detector, caplog):
    for folder in (None, "somewhere"):
        world = World(detector, Settings(record=RecordSettings(folder=folder)))
        world.keep.is_set = True
        world.turn()
        world.turn()
        assert world.keeper.of(Asked) == [Asked("asked")]
    warned = [record.message for record in caplog.records]
    assert warned == ["nothing is recorded, so nothing can be kept: expected --record at the start"]


def test_a_request_for_stacks_logs_a_line_for_each_thread(detector, caplog):
    world = World(detector)
    may_end = threading.Event()
    waiting = threading.Thread(target=may_end.wait, name="somebody\nelse")
    waiting.start()
    world.stacks.is_set = True
    n_threads = len(sys._current_frames())
    world.run(1)
    may_end.set()
    waiting.join()
    lines = [record.message for record in caplog.records]
    assert len(lines) == n_threads
    (own,) = [line for line in lines if line.startswith("thread MainThread: describe_threads (stacks.py:")]
    assert "_maintain (daemon.py:" in own
    (other,) = [line for line in lines if line.startswith("thread somebody")]
    assert "wait (threading.py:" in other


def test_a_reload_takes_over_what_may_change_and_opens_the_stream_anew(detector, caplog):
    caplog.set_level(logging.WARNING)
    new = Settings(words=("no",), threshold=0.9, json=True, events=True, name="kitchen")
    world = World(detector, Settings(name="kitchen"), reread=lambda: new)
    world.run(2)
    world.hangup.is_set = True
    world.turn()
    assert world.supervisor.sent[-2:] == ["reloading", "ready"]
    assert (detector.words, detector.thresholds) == (("no",), {"no": 0.9})
    assert (world.console.as_json, world.console.with_events) == (True, True)
    (opened,) = world.keeper.of(Opened)
    assert (opened.source, opened.source_id, opened.thresholds) == ("a microphone", "kitchen", {"no": 0.9})
    assert [record.message for record in caplog.records] == ["settings were read anew"]
    assert world.reopened == [new]


@pytest.mark.parametrize(
    ("reread", "message"),
    [
        (lambda: Settings(device="other"), "expected the same device as at the start"),
        (lambda: Settings(threshold=2.0), "above 0 and at most 1"),
        (lambda: Settings(words=("maybe",)), "found 'maybe'"),
        (lambda: Settings(events=True), "expected --json with --events"),
    ],
)
def test_a_reload_that_does_not_fit_changes_nothing(detector, caplog, reread, message):
    world = World(detector, reread=reread)
    before = detector.thresholds
    world.hangup.is_set = True
    world.turn()
    assert detector.thresholds == before
    assert world.keeper.of(Opened) == []
    (record,) = caplog.records
    assert record.message.startswith("settings stay as they were: ")
    assert message in record.message
    assert world.supervisor.sent.count("reloading") == 0, "it was not ready yet"
    assert world.reopened == [Settings()], "a log may be rotated all the same"


def test_a_reload_of_a_file_that_cannot_be_read_is_one_line(detector, caplog):
    def missing():
        raise SettingsError("expected settings in a.toml, found that it cannot be read")

    world = World(detector, reread=missing)
    world.hangup.is_set = True
    world.turn()
    assert [record.message for record in caplog.records] == [
        "settings stay as they were: expected settings in a.toml, found that it cannot be read"
    ]


@pytest.mark.parametrize("error", [RecursionError("too deep"), MemoryError(), UnicodeError("odd"), KeyError("x")])
def test_a_reload_that_fails_as_nobody_thought_of_is_one_line_and_detection_goes_on(detector, caplog, error):
    def fail():
        raise error

    world = World(detector, reread=fail)
    world.hangup.is_set = True
    world.run(2)
    (record,) = caplog.records
    assert record.getMessage() == f"settings stay as they were: {type(error).__name__}: {error}"
    assert detector.n_windows > 0


def test_lines_that_wait_are_written_at_each_turn_and_trouble_is_reported_once(detector, caplog):
    world = World(detector)
    world.turn()
    assert world.output.finished == [0.0]
    world.output.trouble = "No space left on device"
    world.run(1)
    assert [record.message for record in caplog.records] == [
        "detections wait, they cannot be written: No space left on device"
    ]


@pytest.mark.parametrize("error", [None, BrokenPipeError()])
def test_the_last_lines_are_written_or_counted_as_dropped_before_the_end_is_reported(detector, error):
    world = World(detector)
    seen = []

    def finish(timeout_s):
        world.output.finished.append(timeout_s)
        if error is not None:
            raise error

    world.output.finish = finish
    world.keeper.hear = lambda event: seen.append((event, world.output.is_dropped))
    with contextlib.suppress(BrokenPipeError):
        world.daemon.hear(Closed(0))
    assert world.output.finished == [FINISH_S]
    assert seen == [(Closed(0), True)]


def test_a_deaf_start_is_a_state_with_a_number_and_ends_by_the_watchdog(detector):
    world = World(detector)
    for _ in range(450):  # 45 s, in each tenth of which 47 % of the samples come, after a gap
        detector.skip(848)
        world.clock.advance(0.1)
        world.daemon.hear(Progress(np.zeros(752, dtype=np.int16), detector.n_samples, 0, 0))
    (state,) = world.keeper.of(State)
    assert (state.condition, state.before) == (Condition.DEAF, Condition.STARTING)
    assert state.detail == "47 % of the samples arrive, none of 10 s could be scored"
    assert world.supervisor.sent == [{"WATCHDOG": "trigger"}]


def test_windows_before_the_first_whole_second_are_no_sign_that_it_detects(model):
    """A model that looks far back scores windows from its first samples on, padded with silence."""
    flatbuffer = find_model("yes-no").with_suffix(".tflite").read_bytes()
    learnt = Model(make_manifest(model, "mine", ["ja"], head=make_head(["ja"], taps=(0, 16))), flatbuffer)
    detector = Detector(learnt)
    world = World(detector)
    world.run(0.9)
    assert detector.n_windows > 10
    assert (detector.n_whole_windows, world.supervisor.sent.count("ready")) == (0, 0)
    for _ in range(20):  # a gap every half second: nothing can be reported
        detector.skip(100)
        world.run(0.5)
    assert world.supervisor.sent.count("ready") == 0
    assert [state.condition for state in world.keeper.of(State)] == [Condition.DEAF]
    world.run(1.2)
    assert world.supervisor.sent.count("ready") == 1
