"""A finished run's pair in a folder of models: with the decision that was asked for, and no other model replaced."""

from __future__ import annotations

import json
import logging
import shutil

import pytest
from commands import KEYWORD_TRAINER, assert_one_line, call, replaced

from detector import load_model
from detector.core.folders import find_model
from detector.errors import ModelMismatchError, SettingsError
from training.export.export import export
from training.run.run import Run


@pytest.fixture
def run(tmp_path):
    """A run that became yes-no."""
    folder = tmp_path / "run"
    folder.mkdir()
    source = find_model("yes-no")
    for suffix in (".json", ".tflite"):
        shutil.copy(source.with_suffix(suffix), folder / f"model{suffix}")
    return Run(folder)


@pytest.fixture
def models(tmp_path):
    """A folder that is not there yet."""
    return tmp_path / "models"


def test_the_pair_has_its_new_name_and_is_otherwise_the_runs(run, models):
    tflite, manifest = export(run, name="mine", folder=models, thresholds={})
    assert (tflite, manifest) == (models / "mine.tflite", models / "mine.json")
    assert tflite.read_bytes() == run.read_flatbuffer()
    written, before = json.loads(manifest.read_text()), json.loads((run.folder / "model.json").read_text())
    assert written.pop("name") == "mine"
    assert before.pop("name") == "yes-no"
    assert written == before
    assert load_model(str(manifest)).manifest.name == "mine"


def test_a_decision_that_is_asked_for_is_in_the_manifest_alone(run, models):
    changes = {"smoothing_windows": 7, "stride_s": 0.08, "refractory_s": 0.25}
    _, file = export(run, name="mine", folder=models, thresholds={"yes": 0.125}, **changes)
    before, manifest = run.read_manifest(), load_model(str(file)).manifest
    assert manifest.stride_s == 0.08
    assert (manifest.decision.smoothing_windows, manifest.decision.refractory_s) == (7, 0.25)
    assert manifest.decision.words["yes"].threshold == 0.125
    assert manifest.decision.words["yes"].rearm < 0.125
    assert manifest.decision.words["no"] == before.decision.words["no"]
    assert run.read_manifest() == before


@pytest.mark.parametrize(
    ("changes", "is_kept"),
    [
        ({}, True),
        ({"thresholds": {"yes": 0.5}}, True),  # a curve holds for every threshold
        ({"stride_s": "same", "smoothing_windows": "same", "refractory_s": "same"}, True),
        ({"smoothing_windows": 8}, False),
        ({"stride_s": 0.04}, False),
        ({"refractory_s": 0.3}, False),
    ],
)
def test_a_curve_measured_with_another_decision_is_left_out(run, models, caplog, changes, is_kept):
    caplog.set_level(logging.INFO)
    manifest = run.read_manifest()
    had = {
        "stride_s": manifest.stride_s,
        "smoothing_windows": manifest.decision.smoothing_windows,
        "refractory_s": manifest.decision.refractory_s,
    }
    changes = {name: had[name] if value == "same" else value for name, value in changes.items()}
    _, file = export(run, name="mine", folder=models, **{"thresholds": {}} | changes)
    assert (load_model(str(file)).manifest.operating_curve is not None) == is_kept
    assert ("operating curve was measured with another decision" in caplog.text) != is_kept


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--threshold", "yes=2"], "threshold"),
        (["--threshold", "yes=nan"], "threshold"),
        (["--threshold", "left=0.5"], "'left'"),
        (["--smoothing-windows", "0"], "expected a decision that fits"),
        (["--refractory-s", "-1"], "expected a decision that fits"),
        (["--stride-s", "0.05"], "expected a decision that fits"),
        (["--name", "a/b"], "expected a name without slashes, found 'a/b'"),
    ],
)
def test_a_decision_that_does_not_fit_is_never_written(run, models, options, message):
    command = replaced(["export", run.folder, "--name", "x", "--to", models], *options)
    finished = call(*command, command=KEYWORD_TRAINER)
    assert_one_line(finished, 78, message)
    assert not models.exists()


def test_another_model_of_the_same_name_is_replaced_only_when_asked(run, models):
    models.mkdir()
    (models / "mine.tflite").write_bytes(b"another model")
    command = ("export", run.folder, "--name", "mine", "--to", models)
    assert_one_line(call(*command, command=KEYWORD_TRAINER), 78, "found another model", "--force")
    assert [file.name for file in models.iterdir()] == ["mine.tflite"]
    assert (models / "mine.tflite").read_bytes() == b"another model"
    for change in (["--force"], []):  # the second time it is the same model
        exported = call(*command, *change, command=KEYWORD_TRAINER)
        assert exported.returncode == 0, exported.stderr
        assert exported.stdout == f"{models / 'mine.tflite'}\n{models / 'mine.json'}\n"
        assert f"next: keyword-detector listen --model {models / 'mine.json'}" in exported.stderr


def test_what_would_not_load_is_not_written(run, models):
    damaged = bytearray(run.read_flatbuffer())
    damaged[1000] ^= 1
    (run.folder / "model.tflite").write_bytes(damaged)
    with pytest.raises(ModelMismatchError, match=r"expected mine\.tflite with SHA-256"):
        export(run, name="mine", folder=models, thresholds={})
    assert not models.exists()


@pytest.mark.parametrize("missing", ["model.json", "model.tflite"])
def test_a_run_that_is_not_finished_is_not_exported(run, models, missing):
    (run.folder / missing).unlink()
    with pytest.raises(SettingsError, match=f"expected a finished run in .*, found no {missing}"):
        export(run, name="mine", folder=models, thresholds={})
    assert not models.exists()


def test_a_folder_that_cannot_be_written_is_70(run, tmp_path):
    (tmp_path / "file").touch()
    finished = call("export", run.folder, "--name", "x", "--to", tmp_path / "file", command=KEYWORD_TRAINER)
    assert_one_line(finished, 70, "expected to read and write files")
