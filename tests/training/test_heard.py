"""Accuracy of learnt words, and of several models together, on clips: what is detected in them."""

from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile
from heads import make_manifest, write_pair

from detector import Model, load_model
from detector.core.head import HeadSettings, Unit
from training import cli
from training.data.collection import Collection
from training.data.items import Item, Kind, Split
from training.evaluate.heard import evaluate_heard, is_of_one_window

RATE_HZ = 16000


@pytest.fixture(scope="module")
def learnt(model, flatbuffer):
    return Model(make_manifest(model, "ja", ["ja"]), flatbuffer)


@pytest.fixture(scope="module")
def clips(demo_samples, demo_truth):
    """Each word of the demo, a second of it, by word."""
    cut = {"yes": [], "no": []}
    for word in demo_truth:
        middle = round((word["start_s"] + word["end_s"]) / 2 * RATE_HZ)
        cut[word["word"]].append(demo_samples[middle - RATE_HZ // 2 : middle + RATE_HZ // 2])
    return cut


def collect(**sounds):
    items = [
        Item(f"{word}/{k}.wav", Kind.WORD, Split.VALIDATION, word=word)
        for word in sounds
        for k in range(len(sounds[word]))
    ]
    hum = Item("hum.wav", Kind.NOISE, Split.VALIDATION, word="")
    noise = np.random.default_rng(0).integers(-30, 30, 3 * RATE_HZ).astype(np.int16)
    return Collection([*items, hum], [*(sound for of in sounds.values() for sound in of), noise])


def test_what_a_learnt_word_detects_is_its_answer_and_nothing_is_unknown(learnt, clips):
    report = evaluate_heard(learnt, collect(ja=clips["yes"], other=clips["no"]), split=Split.VALIDATION)
    n = len(clips["yes"])
    assert report.labels == ("unknown", "ja")
    assert report.confusion == [[len(clips["no"]) + n, 0], [0, n]], "as much noise as clips of the word"
    assert (report.accuracy.value, report.words_alone.value) == (1.0, 1.0)


def test_a_word_that_is_not_detected_and_one_that_is_falsely_are_counted(learnt, clips):
    report = evaluate_heard(learnt, collect(ja=clips["no"], other=clips["yes"]), split=Split.VALIDATION)
    n = len(clips["no"])
    assert report.confusion == [[n, len(clips["yes"])], [n, 0]]
    assert report.recall["ja"].value == 0.0


def test_of_several_models_the_words_of_all_are_answers(model, flatbuffer, tmp_path, clips):
    never = HeadSettings(taps=(0, 4), words={"nein": (Unit(bias=-20.0, weights=[0.0] * 8),)})
    nein = write_pair(tmp_path, make_manifest(model, "nein", ["nein"], head=never), flatbuffer)
    both = load_model(f"yes-no,{nein}")
    report = evaluate_heard(both, collect(**clips), split=Split.VALIDATION)
    assert report.labels == ("unknown", "yes", "no", "nein")
    assert [row[1:] for row in report.confusion[1:3]] == [[len(clips["yes"]), 0, 0], [0, len(clips["no"]), 0]]
    assert (is_of_one_window(both), is_of_one_window(model)) == (False, True)


def test_a_learnt_word_is_evaluated_from_the_command_line(learnt, flatbuffer, clips, tmp_path, capsys):
    pair = write_pair(tmp_path / "models", learnt.manifest, flatbuffer)
    for word, name in (("yes", "ja"), ("no", "other")):
        (tmp_path / "data" / name).mkdir(parents=True)
        for k, sound in enumerate(clips[word]):
            soundfile.write(tmp_path / "data" / name / f"{name}-{k}.wav", sound, RATE_HZ)
    command = ["evaluate", str(pair), "--data", str(tmp_path / "data"), "--cache", str(tmp_path / "cache")]
    assert cli.run([*command, "--split", "training", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["labels"] == ["unknown", "ja"]
    assert report["recall"]["ja"]["value"] == 1.0
    assert cli.run([*command, "--offsets", "10"]) == 78
    assert "found 'ja', a learnt word, which looks back further" in capsys.readouterr().err
