"""Bars that show progress on a terminal, and lines where stderr is a file or a pipe."""

import io
import logging
import sys
from datetime import datetime, timedelta

import numpy as np
import pytest
import soundfile

from training import progress as shown
from training.data.layouts import index_noise
from training.data.store import WaveformStore


class Stderr(io.StringIO):
    """Stands in for stderr, on a terminal or not."""

    def __init__(self, *, is_terminal):
        super().__init__()
        self.isatty = lambda: is_terminal


@pytest.mark.parametrize("is_terminal", [True, False])
def test_decoding_shows_a_bar_on_a_terminal_alone(tmp_path, monkeypatch, is_terminal):
    soundfile.write(tmp_path / "hum.wav", np.ones(160, dtype=np.int16), 16000)
    monkeypatch.setattr(sys, "stderr", Stderr(is_terminal=is_terminal))
    WaveformStore.build(list(index_noise(str(tmp_path))), folder=tmp_path / "cache", sample_rate_hz=16000)
    assert sys.stderr.getvalue().startswith("\rdecoding") == is_terminal
    assert is_terminal or not sys.stderr.getvalue()


@pytest.mark.tensorflow
@pytest.mark.parametrize("is_terminal", [True, False])
def test_an_epoch_shows_a_bar_on_a_terminal_alone_and_costs_nothing_elsewhere(monkeypatch, is_terminal):
    from training.network.epochs import show_epoch

    monkeypatch.setattr(sys, "stderr", Stderr(is_terminal=is_terminal))
    callbacks = show_epoch("epoch 1/2", 10)
    assert len(callbacks) == is_terminal
    for callback in callbacks:
        callback.on_train_batch_end(0, {"loss": 0.5})
        callback.on_train_end()
    assert ("loss=0.500" in sys.stderr.getvalue()) == is_terminal


@pytest.fixture
def clock(monkeypatch):
    """Time that passes as a test says."""
    now_s = [1000.0]
    monkeypatch.setattr(shown, "monotonic", lambda: now_s[0])
    return now_s


def test_off_a_terminal_a_line_a_minute_says_how_much_is_done_and_when_it_ends(clock, monkeypatch, caplog):
    monkeypatch.setattr(sys, "stderr", Stderr(is_terminal=False))
    with caplog.at_level(logging.INFO):
        for k in shown.progress(range(100), "decoding", unit="file"):
            clock[0] += 1.5
            assert len(caplog.messages) == k // 40
    assert [message.partition(", ends about ")[0] for message in caplog.messages] == [
        "decoding: 40 of 100, 40 %",
        "decoding: 80 of 100, 80 %",
    ]
    for message in caplog.messages:
        datetime.strptime(message.partition(", ends about ")[2], "%Y-%m-%d %H:%M").astimezone()
    assert not sys.stderr.getvalue()


def test_the_expected_end_counts_from_what_this_call_has_done(clock, monkeypatch, caplog):
    monkeypatch.setattr(sys, "stderr", Stderr(is_terminal=False))
    with caplog.at_level(logging.INFO), shown.Progress(desc="fetching", total=4e6, unit="B", initial=1_000_000) as bar:
        clock[0] += 3600.0
        before = datetime.now().astimezone()
        bar.update(1_000_000)  # as many again in two hours
    done, _, end = caplog.messages[0].partition(", ends about ")
    assert done == "fetching: 2 MB of 4 MB, 50 %"
    left = datetime.strptime(end, "%Y-%m-%d %H:%M").replace(tzinfo=before.tzinfo) - before
    assert timedelta(minutes=118) < left < timedelta(minutes=122)


def test_of_work_without_a_known_end_a_line_says_what_is_done(clock, monkeypatch, caplog):
    monkeypatch.setattr(sys, "stderr", Stderr(is_terminal=False))
    with caplog.at_level(logging.INFO):
        for _ in shown.progress(iter("abc"), "unpacking", unit="file"):
            clock[0] += 61.0
    assert caplog.messages == ["unpacking: 1", "unpacking: 2", "unpacking: 3"]


def test_short_work_says_nothing_off_a_terminal(clock, monkeypatch, caplog):
    monkeypatch.setattr(sys, "stderr", Stderr(is_terminal=False))
    with caplog.at_level(logging.INFO):
        assert list(shown.progress("abc", "reading", unit="letter")) == ["a", "b", "c"]
    assert not caplog.messages


@pytest.mark.tensorflow
def test_the_batches_of_an_epoch_are_the_same_where_they_are_counted(clock, caplog):
    import keras

    from training.network.epochs import Counted

    class Numbers(keras.utils.PyDataset):
        def __len__(self):
            return 4

        def __getitem__(self, step):
            clock[0] += 30.0
            return step, -step

    with caplog.at_level(logging.INFO):
        counted = Counted(Numbers(workers=1, max_queue_size=16), "epoch 1/2")
        assert [counted[step] for step in range(len(counted))] == [(0, 0), (1, -1), (2, -2), (3, -3)]
    assert [message.partition(", ends")[0] for message in caplog.messages] == ["epoch 1/2: 3 of 4, 75 %"]
