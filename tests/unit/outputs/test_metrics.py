"""What is counted, and when sound counts as heard."""

import math

import numpy as np
import pytest
from clocks import Clock

from detector.events import Closed, Condition, Detection, Gap, GapCause, Opened, Progress, Scored, State
from detector.outputs.metrics import SCORE_BOUNDS, TURN_WITHIN_S, Metrics

OPENED = Opened(
    source="USB",
    is_live=True,
    model="yes-no",
    runtime="a runtime",
    sample_rate_hz=16000,
    thresholds={"yes": 0.8, "no": 0.9},
    labels=("silence", "unknown", "yes", "no"),
    checksums={"yes-no": "ab" * 32},
)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def metrics(clock):
    metrics = Metrics(clock=clock)
    metrics.hear(OPENED)
    return metrics


def turn(metrics, samples=(), *, n_captured=0, n_waiting=0, n_skipped=0):
    metrics.hear(Progress(np.asarray(samples, dtype=np.int16), n_captured, n_waiting, n_skipped))


def test_samples_are_counted_as_captured_processed_and_skipped(metrics):
    turn(metrics, np.zeros(960), n_captured=1000, n_waiting=960)
    turn(metrics, np.zeros(40), n_captured=9000, n_waiting=8000, n_skipped=3000)
    assert (metrics.n_captured, metrics.n_processed, metrics.n_skipped) == (9000, 1000, 3000)
    assert metrics.lag_s == 0.5


def test_a_score_is_counted_for_its_word_up_to_the_bound_that_it_reaches(metrics):
    metrics.hear(Scored(16000, [0.5, 0.2, 0.05, 0.25]))
    metrics.hear(Scored(16960, [0.0, 0.0, 1.0, 0.06]))
    assert metrics.n_decisions == 2
    assert sorted(metrics.scores) == ["no", "yes"]
    yes, no = metrics.scores["yes"], metrics.scores["no"]
    assert yes.counts == [1] + [0] * (len(SCORE_BOUNDS) - 1) + [1]
    assert no.counts[:4] == [0, 1, 0, 1]
    assert (yes.total, no.total) == (1.05, pytest.approx(0.31))


def test_words_that_were_not_detected_have_a_count_and_those_no_longer_listened_for_keep_theirs(metrics):
    metrics.hear(Detection("yes", 0.9, 1.0, 0.5))
    metrics.hear(Opened("USB", True, "yes-no", "a runtime", 16000, {"no": 0.9}, labels=OPENED.labels))
    metrics.hear(Scored(16000, [0.0, 0.0, 1.0, 0.0]))
    assert metrics.detections == {"yes": 1, "no": 0}
    assert sorted(metrics.scores) == ["no"]


def test_gaps_are_counted_by_cause_and_only_what_is_lost_adds_up(metrics):
    metrics.hear(Gap(10, GapCause.DRIFT, 0.25))
    metrics.hear(Gap(20, GapCause.DRIFT, -0.5))
    metrics.hear(Gap(30, GapCause.RECONNECT))
    assert metrics.gaps == {GapCause.DRIFT: 2, GapCause.RECONNECT: 1}
    assert metrics.lost_s == 0.25


def test_only_wider_strides_count_as_widened(metrics):
    for factor in (2, 4, 2, 1, 2):
        metrics.hear(State(Condition.LISTENING, factor))
    assert (metrics.n_widened, metrics.stride_factor) == (3, 2)


def test_the_level_is_that_of_a_whole_second_without_its_mean(metrics):
    sine = 16384 * np.sin(np.arange(8000) * 2 * np.pi / 80)
    turn(metrics, sine + 1000)
    assert metrics.level is None
    turn(metrics, sine + 1000)
    assert metrics.level == pytest.approx(0.5 / math.sqrt(2), rel=1e-3)
    for _ in range(2):
        turn(metrics, np.full(8000, -1000))
    assert metrics.level == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("condition", Condition)
def test_sound_that_arrives_and_is_scored_is_heard_whatever_its_level(metrics, condition):
    metrics.hear(State(condition, before=Condition.STARTING))
    heard = (Condition.LISTENING, Condition.SILENT, Condition.QUIET, Condition.CLIPPING)
    assert metrics.is_hearing == (condition in heard)


def test_a_listening_loop_that_hangs_does_not_hear(metrics, clock):
    metrics.hear(State(Condition.LISTENING, before=Condition.STARTING))
    turn(metrics)
    clock.now_s += TURN_WITHIN_S - 0.1
    assert metrics.is_hearing
    clock.now_s += 0.2
    assert not metrics.is_hearing
    turn(metrics)
    assert metrics.is_hearing


def test_nothing_is_heard_after_the_end(metrics):
    metrics.hear(State(Condition.LISTENING, before=Condition.STARTING))
    metrics.hear(Closed(16000))
    assert not metrics.is_hearing


def test_a_recording_is_heard_from_its_first_window_on(clock):
    metrics = Metrics(clock=clock)
    metrics.hear(Opened("a.wav", False, "yes-no", "a runtime", 16000, {"yes": 0.8}, labels=("yes",)))
    turn(metrics)
    assert not metrics.is_hearing
    metrics.hear(Scored(16000, [0.1]))
    turn(metrics)
    assert (metrics.is_hearing, metrics.condition) == (True, Condition.LISTENING)


def test_times_are_counted_from_the_start_the_last_turn_and_the_last_decision(metrics, clock):
    assert metrics.decided_s_ago is None
    clock.now_s += 1.0
    metrics.hear(Scored(16000, [0.0, 0.0, 0.0, 0.0]))
    clock.now_s += 2.0
    turn(metrics)
    clock.now_s += 4.0
    assert (metrics.uptime_s, metrics.decided_s_ago, metrics.turned_s_ago) == (7.0, 6.0, 4.0)
