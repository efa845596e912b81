"""Bars that show progress: on a terminal, and not where stderr is a file or a pipe."""

import io
import sys

import numpy as np
import pytest
import soundfile

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
