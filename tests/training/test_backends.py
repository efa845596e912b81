"""Training on another framework, whose result TensorFlow exports. Skipped where neither PyTorch nor JAX is."""

from __future__ import annotations

import importlib.util
import json
import os

import numpy as np
import pytest
import tiny_words
from commands import KEYWORD_TRAINER, run

from detector import load_model

OTHERS = [name for name in ("torch", "jax") if importlib.util.find_spec(name) is not None]

pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.skipif(not OTHERS, reason="neither PyTorch nor JAX is installed"),
]

ENVIRONMENT = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}


def trainer(*arguments):
    return run(*arguments, command=KEYWORD_TRAINER, env=ENVIRONMENT, timeout=400)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tiny_words.make(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def runs(data, tmp_path_factory):
    """The same run on each framework."""
    folder = tmp_path_factory.mktemp("runs")
    for backend in ("tensorflow", *OTHERS):
        options = ["--words", "up,down", "--architecture", "ts-resnet-tiny", "--epochs", 5, "--steps-per-epoch", 40]
        options += ["--batch-size", 64, "--workers", 1, "--cache", data.parent / "cache", "--backend", backend]
        options += ["--licence", "words=made by ourselves"]
        finished = trainer("train", "--data", data, "--out", folder / backend, *options)
        assert finished.returncode == 0, finished.stderr
        assert f"on {backend}" in finished.stderr
        assert "before quantisation" in finished.stdout
    return folder


@pytest.mark.parametrize("backend", OTHERS)
def test_a_run_on_another_framework_becomes_a_pair_that_detects(backend, runs, data, tmp_path):
    exported = trainer("export", runs / backend, "--name", "up-down", "--to", tmp_path, "--threshold", "up=0.5")
    assert exported.returncode == 0, exported.stderr
    pair = tmp_path / "up-down.json"
    training, finishing = load_model(str(pair)).manifest.training["sessions"]
    assert backend in training["versions"]
    assert "tensorflow" in finishing["versions"]
    clip = next((data / "up").glob("*.wav"))
    heard = run("detect", "--json", "--model", pair, clip)
    assert [json.loads(line)["keyword"] for line in heard.stdout.splitlines()] == ["up"]


def test_all_frameworks_learn_the_same(runs):
    last, interval = {}, {}
    for backend in ("tensorflow", *OTHERS):
        last[backend] = json.loads((runs / backend / "history.jsonl").read_text().splitlines()[-1])
        interval[backend] = json.loads((runs / backend / "model.json").read_text())["clip_accuracy"]["interval"]
    assert all(np.isfinite(row["loss"]) and row["validation_accuracy"] > 0.7 for row in last.values())
    lows, highs = zip(*interval.values(), strict=True)
    assert max(lows) <= min(highs)  # the intervals of their accuracies overlap
