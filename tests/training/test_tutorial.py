"""The tutorials' network on a tiny data set: it trains, is measured on whom it should be, and fits a .tflite."""

import json
import os

import numpy as np
import pytest
from commands import KEYWORD_TRAINER, assert_one_line, run

pytestmark = pytest.mark.tensorflow
ENVIRONMENT = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}


def train(data, out, *arguments, epochs=1):
    words = ("--data", data, "--words", "up,down", "--cache", data.parent / "cache")
    command = ("tutorial", *words, "--epochs", epochs, "--batch-size", 8, "--out", out)
    return run(*command, *arguments, command=KEYWORD_TRAINER, env=ENVIRONMENT, timeout=300)


@pytest.mark.parametrize(
    ("split_by", "n_validation", "told", "epochs"), [("speaker", 16, "not met", 40), ("clip", 11, "same", 1)]
)
def test_it_learns_two_words_from_pictures(data, tmp_path, split_by, n_validation, told, epochs):
    finished = train(data, tmp_path / "run", "--split-by", split_by, epochs=epochs)
    assert finished.returncode == 0, finished.stderr
    report = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    assert report["accuracy"]["n_trials"] == n_validation
    assert report["n_training_clips"] == 56 - n_validation  # testing speakers are left alone
    assert report["accuracy"]["value"] > (0.8 if epochs > 1 else 0.1)
    assert abs(report["accuracy_int8"]["value"] - report["accuracy"]["value"]) < 0.2
    assert 2.4e6 < report["n_parameters"] < 2.7e6
    assert report["size_bytes"] == (tmp_path / "run" / "model.tflite").stat().st_size
    assert told in finished.stdout.splitlines()[0]
    assert_one_line(train(data, tmp_path / "run"), 78, "expected a new folder")


def test_a_picture_is_as_large_as_the_tutorials_and_a_tone_is_a_line_in_it():
    from training.learn.tutorial import draw

    tone = np.rint(32767 * np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000)).astype(np.int16)
    picture = draw(tone)
    assert (picture.shape, picture.dtype) == ((81, 201), np.uint8)
    assert (picture[2:-2].argmax(axis=1) == 25).all()  # 1000 Hz of lines 40 Hz apart
    assert picture[40, 25] == 255
    assert picture[40, 100] < 60
    assert not draw(np.zeros(16000, dtype=np.int16)).any()


@pytest.mark.parametrize("option", [("--architecture", "tutorial-cnn"), ("--split-by", "clip")])
def test_the_command_line_that_trained_it_once_names_the_verb(tmp_path, option):
    command = ("train", "--data", "x", "--words", "up,down", *option, "--out", tmp_path / "run")
    assert_one_line(run(*command, command=KEYWORD_TRAINER), 78, "keyword-trainer tutorial")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--words", "up"), "length >= 2"),
        (("--words", "up,up"), "words must differ, found up, up"),
        (("--epochs", "0"), "epochs"),
        (("--batch-size", "-1"), "batch_size"),
        (("--seed", "4294967296"), "seed"),
        (("--words", "up,nothing"), "expected clips of 'nothing' in the training split"),
        (("--data", "nowhere"), "found no folder"),
    ],
)
def test_what_cannot_be_trained_is_one_line(data, tmp_path, arguments, message):
    assert_one_line(train(data, tmp_path / "run", *arguments), 78, message)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("arguments", [("--learning-rate", "1"), ("--split-by", "word")])
def test_a_command_line_that_it_does_not_have_is_2(data, tmp_path, arguments):
    assert_one_line(train(data, tmp_path / "run", *arguments), 2, "--help")


def test_another_run_is_left_alone(data, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "best.keras").write_text("precious")
    assert_one_line(train(data, tmp_path / "run"), 78, "expected a new folder")
    assert (tmp_path / "run" / "best.keras").read_text() == "precious"
