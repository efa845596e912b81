"""The tutorials' network: it trains, is measured on those it should be, and fits a .tflite."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import soundfile
from commands import KEYWORD_TRAINER, assert_one_line, call, replaced

from training.data.items import Split, choose_split

pytestmark = pytest.mark.tensorflow

N_SPEAKERS = 20
"""In training, and half of that in each of the other splits."""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Clips of noise that sounds early, or late: as easily told from a picture as any words."""
    rng = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("noise") / "words"
    left = {Split.TRAINING: N_SPEAKERS, Split.VALIDATION: N_SPEAKERS // 2, Split.TESTING: N_SPEAKERS // 2}
    names = (f"{k:08x}" for k in range(10**6))
    while any(left.values()):
        split = choose_split(name := next(names))
        if left[split]:
            left[split] -= 1
            for word, start in (("early", 0), ("late", 8000)):
                clip = np.zeros(16000, dtype=np.int16)
                clip[start : start + 8000] = np.rint(2000 * rng.standard_normal(8000))
                (folder / word).mkdir(parents=True, exist_ok=True)
                soundfile.write(folder / word / f"{name}_nohash_0.wav", clip, 16000)
    return folder


def train(data, out, *arguments):
    words = ("--data", data, "--words", "early,late", "--cache", data.parent / "cache")
    command = ("tutorial", *words, "--epochs", 2, "--batch-size", 8, "--out", out)
    return call(*(replaced(command, *arguments) if arguments else command), command=KEYWORD_TRAINER)


@pytest.mark.parametrize(
    ("split_by", "n_validation", "measured_on"), [("speaker", 20, "not met"), ("clip", 12, "same")]
)
def test_it_learns_two_words_from_pictures(data, tmp_path, split_by, n_validation, measured_on):
    finished = train(data, tmp_path / "run", "--split-by", split_by)
    assert finished.returncode == 0, finished.stderr
    report = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    assert report["split_by"] == split_by
    assert report["accuracy"]["n_trials"] == n_validation
    assert report["n_training_clips"] == 60 - n_validation  # testing speakers are left alone
    assert report["accuracy"]["value"] > 0.9
    assert report["accuracy_int8"]["value"] > 0.9
    assert 2.4e6 < report["n_parameters"] < 2.7e6
    assert report["size_bytes"] == (tmp_path / "run" / "model.tflite").stat().st_size
    assert measured_on in finished.stdout.splitlines()[0]
    epochs = [json.loads(line) for line in (tmp_path / "run" / "history.jsonl").read_text().splitlines()]
    assert [epoch["epoch"] for epoch in epochs] == [1, 2]
    assert all(math.isfinite(epoch["validation_loss"]) for epoch in epochs)
    assert_one_line(train(data, tmp_path / "run"), 78, "expected a new folder")


def test_a_run_of_it_becomes_no_model(data, tmp_path):
    (tmp_path / "run").mkdir()
    for name in ("best.keras", "evaluation.json", "history.jsonl", "model.tflite"):
        (tmp_path / "run" / name).touch()
    for command, message in (
        (("export", tmp_path / "run", "--name", "x"), "expected a finished run"),
        (("report", tmp_path / "run"), "expected a training run"),
        (("train", "--resume", "--out", tmp_path / "run"), "expected a training run"),
    ):
        assert_one_line(call(*command, command=KEYWORD_TRAINER), 78, message)


def test_a_picture_is_as_large_as_the_tutorials_and_a_tone_is_a_line_in_it():
    from training.learn.tutorial import draw

    tone = np.rint(32767 * np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000)).astype(np.int16)
    picture = draw(tone)
    assert (picture.shape, picture.dtype) == ((81, 201), np.uint8)
    assert (picture[2:-2].argmax(axis=1) == 25).all()  # 1000 Hz of lines 40 Hz apart
    assert picture[40, 25] == 255
    assert picture[40, 100] < 60
    assert not draw(np.zeros(16000, dtype=np.int16)).any()


def test_clips_are_divided_by_speaker_or_at_random():
    from training.data.items import Item, Kind
    from training.learn.tutorial import divide

    splits = [Split.TRAINING, Split.VALIDATION, Split.TRAINING, Split.TRAINING, Split.TRAINING] * 10
    items = [Item(path=f"{k}.wav", kind=Kind.WORD, split=split) for k, split in enumerate(splits)]
    assert divide(items, "speaker", seed=1) == splits
    at_random = divide(items, "clip", seed=1)
    assert at_random.count(Split.VALIDATION) == 10  # a fifth
    assert at_random != splits
    assert at_random == divide(items, "clip", seed=1)
    assert at_random != divide(items, "clip", seed=2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--words", "early"), "length >= 2"),
        (("--words", "early,early"), "words must differ, found early, early"),
        (("--epochs", "0"), "epochs"),
        (("--batch-size", "-1"), "batch_size"),
        (("--seed", "4294967296"), "seed"),
        (("--words", "early,nothing"), "expected clips of 'nothing' in the training split"),
        (("--data", "nowhere"), "found no folder"),
    ],
)
def test_what_cannot_be_trained_is_one_line(data, tmp_path, arguments, message):
    assert_one_line(train(data, tmp_path / "run", *arguments), 78, message)
    assert not (tmp_path / "run").exists()


def test_another_run_is_left_alone(data, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "best.keras").write_text("precious")
    assert_one_line(train(data, tmp_path / "run"), 78, "expected a new folder")
    assert (tmp_path / "run" / "best.keras").read_text() == "precious"


@pytest.mark.parametrize("split_by", ["speaker", "clip"])
def test_its_report_says_what_it_was_measured_on_and_what_it_costs(split_by):
    from training.evaluate.intervals import proportion
    from training.learn.tutorial import TutorialReport

    report = TutorialReport(
        split_by=split_by,
        accuracy=proportion(90, 100),
        accuracy_int8=proportion(89, 100),
        n_training_clips=360,
        n_parameters=2_613_592,
        size_bytes=2_615_800,
        microseconds=770.4,
    )
    measured, quantised, cost = report.lines()
    where = {"speaker": "speakers it has not met", "clip": "other clips of the same speakers"}[split_by]
    assert measured == f"accuracy on {where}: {proportion(90, 100).percent()}"
    assert quantised == f"after quantisation to int8: {proportion(89, 100).percent()}"
    assert cost == "2.61 million parameters, 2616 kB, 770 microseconds a window, trained on 360 clips"
