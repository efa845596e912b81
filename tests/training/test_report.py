"""The page on a run, section by section, of runs that are put together: nothing is trained."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest
import soundfile
from commands import KEYWORD_TRAINER, assert_one_line, call

from detector.core.folders import find_model
from detector.core.manifest import encode_manifest, read_manifest
from detector.errors import SettingsError
from training.data.items import choose_split
from training.evaluate.clips import ClipReport
from training.evaluate.intervals import proportion
from training.report.report import write_report
from training.run.run import Evaluation, Run
from training.run.settings import TrainSettings

LABELS = ("silence", "unknown", "yes", "no")
HISTORY = [
    {"epoch": k, "loss": 1.0 / k, "accuracy": 1 - 0.5 / k, "validation_loss": 1.2 / k, "validation_accuracy": 0.9}
    for k in (1, 2, 3)
]
ASIDE = [name for name in (f"{k:08x}" for k in range(200)) if choose_split(name) == "validation"]
TRAINED = [name for name in (f"{k:08x}" for k in range(200)) if choose_split(name) == "training"]


def make_words(folder, demo_samples, demo_truth):
    """Write clips of "yes" and "no" by people who are set aside: one of each is the word, one of "yes" is a tone."""
    for word in ("yes", "no"):
        (folder / word).mkdir(parents=True)
        start_s = next(truth["start_s"] for truth in demo_truth if truth["word"] == word)
        said = demo_samples[round(16000 * (start_s - 0.2)) :][:16000]
        for speaker in (ASIDE[0], TRAINED[0]):
            soundfile.write(folder / word / f"{speaker}_nohash_0.wav", said, 16000)
    tone = np.rint(9000 * np.sin(np.arange(16000) * 0.3)).astype(np.int16)
    soundfile.write(folder / "yes" / f"{ASIDE[1]}_nohash_0.wav", tone, 16000)
    list_aside(folder)


def list_aside(folder):
    """Write the list of the clips by people who are set aside: of so few the rule would train on most."""
    clips = sorted(path for path in folder.glob("*/*.wav") if path.name.partition("_")[0] in ASIDE)
    (folder / "validation_list.txt").write_text("".join(f"{path.parent.name}/{path.name}\n" for path in clips))


def make_run(folder, words):
    """Write a run that became yes-no."""
    finished = Run(folder)
    finished.begin(TrainSettings(data=(str(words),), words=("yes", "no"), architecture="ds-cnn"))
    (finished.folder / "history.jsonl").write_text("".join(json.dumps(epoch) + "\n" for epoch in HISTORY))
    rates = {label: proportion(7, 8) for label in LABELS}
    confusion = [[901, 0, 0, 0], [0, 902, 11, 12], [0, 5, 2, 1], [0, 0, 0, 903]]
    int8 = ClipReport("validation", LABELS, proportion(913, 1000), rates, rates, proportion(77, 80), confusion)
    float32 = msgspec.structs.replace(int8, accuracy=proportion(951, 1000))
    manifest = find_model("yes-no")
    flatbuffer = manifest.with_suffix(".tflite").read_bytes()
    finished.save_model(flatbuffer, read_manifest(manifest), Evaluation(int8=int8, float32=float32))
    return finished


@pytest.fixture
def words(tmp_path, demo_samples, demo_truth):
    make_words(tmp_path / "words", demo_samples, demo_truth)
    return tmp_path / "words"


@pytest.fixture
def run(tmp_path, words):
    return make_run(tmp_path / "run", words)


@pytest.fixture(scope="module")
def page(tmp_path_factory, demo_samples, demo_truth):
    """The page of a run as it is."""
    folder = tmp_path_factory.mktemp("report")
    make_words(folder / "words", demo_samples, demo_truth)
    return write(make_run(folder / "run", folder / "words"), folder)


def write(run, tmp_path):
    """Write the page of a run; return it."""
    write_report(run, tmp_path / "new" / "page.html", cache=tmp_path / "cache")
    return (tmp_path / "new" / "page.html").read_text()


def section(page, title):
    """Return the section below a heading, as it is."""
    return page.partition(f"<h2>{title}</h2>")[2].partition("<h2>")[0]


def test_the_page_needs_nothing_else(page):
    assert not re.search(r'(src|href)="(?!data:|#)', page)
    assert "prefers-color-scheme: dark" in page
    assert "yes, no · ds-cnn, 78 kB · trained on " in page
    assert re.findall("<h2>(.*)</h2>", page) == [
        "In short",
        "Learning",
        "Clips",
        "Thresholds",
        "Cost",
        "Worst mistakes",
        "Settings and provenance",
    ]


def test_figures_stand_with_their_intervals_before_and_after_quantisation(page):
    short = section(page, "In short")
    for rate in (proportion(913, 1000), proportion(951, 1000), proportion(77, 80)):
        assert f"<td>{rate.percent()}</td>" in short


def test_the_confusion_has_a_row_and_a_column_for_each_label(page):
    clips = section(page, "Clips")
    rows = re.findall(r"<tr><th>(\w+)</th>(.*)", clips)
    assert [label for label, _ in rows] == list(LABELS)
    counts = [[int(count) for count in re.findall(r">(\d+)</td>", cells)] for _, cells in rows]
    assert counts == [[901, 0, 0, 0], [0, 902, 11, 12], [0, 5, 2, 1], [0, 0, 0, 903]]
    assert clips.count(f"<td>{proportion(7, 8).brief_percent()}</td>") == 8  # recall and precision
    shares = [float(share) for share in re.findall(r"var\(--tint\), ([\d.]+)\)", clips)]
    assert shares[0] == shares[-1] == 0.75  # of all that is said, as dark as it gets
    assert 0.05 < shares[6] < 0.1  # eleven of 925 can be seen


def test_the_curve_is_drawn_with_the_points_that_were_chosen(page, model):
    curve = model.manifest.operating_curve
    thresholds = section(page, "Thresholds")
    assert thresholds.count("<svg") == 1
    assert len(re.findall("<li>", thresholds)) == 2
    assert curve.measured_on.split(";")[0].split(",")[0] in thresholds
    assert page.count("<svg") == 2  # and how it learned


def test_without_a_curve_the_page_says_so(run, tmp_path):
    manifest = msgspec.structs.replace(run.read_manifest(), operating_curve=None)
    (run.folder / "model.json").write_bytes(encode_manifest(manifest))
    thresholds = section(write(run, tmp_path), "Thresholds")
    assert "Not measured: no running speech was set aside for validation." in thresholds
    assert "<svg" not in thresholds


def test_a_mistake_has_a_picture_and_can_be_listened_to(page, words):
    mistakes = section(page, "Worst mistakes")
    assert "1 of 3 clips of words were given a wrong label" in mistakes
    assert "The table counts 1836 clips" in mistakes  # of the evaluation that was put together
    assert re.search(r"<b>yes</b> heard as <b>(silence|unknown)</b> \([01]\.\d\d, 0\.0\d for yes\)", mistakes)
    assert f"yes/{ASIDE[1]}_nohash_0.wav" in mistakes
    sound = base64.b64decode(re.search(r'data:audio/flac;base64,([^"]+)"', mistakes)[1])
    samples, rate_hz = soundfile.read(io.BytesIO(sound), dtype="int16")
    assert rate_hz == 16000
    np.testing.assert_array_equal(samples, soundfile.read(words / "yes" / f"{ASIDE[1]}_nohash_0.wav", dtype="int16")[0])
    assert base64.b64decode(re.search(r'data:image/png;base64,([^"]+)"', mistakes)[1]).startswith(b"\x89PNG")


def test_only_the_worst_mistakes_are_shown(run, words, tmp_path, rng):
    for speaker in ASIDE[2:10]:
        for k in range(4):
            noise = rng.integers(-3000, 3000, 16000, dtype=np.int16)
            soundfile.write(words / "no" / f"{speaker}_nohash_{k}.wav", noise, 16000)
    list_aside(words)
    mistakes = section(write(run, tmp_path), "Worst mistakes")
    assert "33 of 35 clips" in mistakes
    assert mistakes.count("<audio") == 24
    margins = [float(a) - float(b) for a, b in re.findall(r"\((0\.\d\d|1\.00), (0\.\d\d) for", mistakes)]
    assert margins == sorted(margins, reverse=True)


def test_what_cannot_be_known_of_the_model_stands_with_its_figures(run, tmp_path, page):
    assert "Caution" not in page
    manifest = run.read_manifest()
    noted = {**manifest.training, "cautions": ["few <clips>"]}
    run.save_model(run.read_flatbuffer(), msgspec.structs.replace(manifest, training=noted), run.read_evaluation())
    assert "<b>Caution:</b> few &lt;clips&gt;." in section(write(run, tmp_path), "In short")


def test_a_run_without_mistakes_says_so(run, words, tmp_path):
    (words / "yes" / f"{ASIDE[1]}_nohash_0.wav").unlink()
    assert "None: every one of 2 clips of words was given its label." in write(run, tmp_path)


def test_recordings_that_are_gone_leave_the_rest_of_the_page(run, words, tmp_path):
    shutil.rmtree(words)
    page = write(run, tmp_path)
    assert "The recordings of this run are not where they were" in page
    assert "<td>" in section(page, "Clips")


def test_settings_and_provenance_are_in_the_page(page):
    end = section(page, "Settings and provenance")
    assert "&#34;architecture&#34;: &#34;ds-cnn&#34;" in end
    assert "&#34;sessions&#34;" in end
    assert "&#34;validation_loss&#34;" not in end  # those are drawn


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("settings.json", "expected a training run in .*, found no settings.json"),
        ("evaluation.json", "expected a finished run in .*, found no evaluation.json"),
        ("model.json", "expected a finished run in .*, found no model.json"),
        ("model.tflite", "expected a finished run in .*, found no model.tflite"),
        ("history.jsonl", "expected the epochs of a run in .*, found none"),
    ],
)
def test_a_run_that_is_not_finished_has_no_page(run, tmp_path, missing, message):
    (run.folder / missing).unlink()
    with pytest.raises(SettingsError, match=message):
        write(run, tmp_path)
    assert not (tmp_path / "new").exists()


def test_the_command_names_the_page(run, tmp_path):
    command = ("report", run.folder, "--cache", tmp_path / "cache")
    finished = call(*command, command=KEYWORD_TRAINER)
    assert (finished.returncode, finished.stdout) == (0, f"{run.folder / 'report.html'}\n"), finished.stderr
    assert (run.folder / "report.html").read_text().startswith("<!doctype html>")
    finished = call(*command, "--out", Path(tmp_path) / "run" / "model.json" / "page.html", command=KEYWORD_TRAINER)
    assert_one_line(finished, 78, "expected to write a page such as report.html")
