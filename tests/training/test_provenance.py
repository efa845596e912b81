"""What a manifest says of a training: which recordings, under which licences; nothing of where they lie."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import types
from pathlib import Path

import numpy as np
import pytest
import soundfile

from detector.errors import SettingsError
from training.data.layouts import index_folders
from training.run.provenance import check_licences, describe_training, name_folders
from training.run.run import Run
from training.run.settings import TrainSettings


@pytest.fixture
def words(tmp_path):
    """A folder of one word by four people, a noise beside it."""
    rng = np.random.default_rng(0)
    for name in ("up/anna-1", "up/bert-1", "up/carl-1", "up/dora-1", "_background_noise_/hum"):
        file = tmp_path / "somewhere" / "words" / f"{name}.wav"
        file.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(file, rng.integers(-1000, 1000, 1600, dtype=np.int16), 16000)
    return tmp_path / "somewhere" / "words"


@pytest.fixture
def run(tmp_path):
    (tmp_path / "run").mkdir()
    return Run(tmp_path / "run")


def describe(run, folder, **changes):
    settings = TrainSettings(data=(str(folder),), words=("up",), **changes)
    items = index_folders(data=settings.data, noise=(), speech=(), validation_speakers=())
    return describe_training(run, settings, items)


def test_it_names_folders_and_not_where_they_lie(run, words, tmp_path):
    described = describe(run, words, licences={"words": "CC BY 4.0"})
    assert list(described["data"]) == ["words"]
    assert described["data"]["words"]["licence"] == "CC BY 4.0"
    assert described["settings"]["data"] == ["words"]
    assert "somewhere" not in json.dumps(described)
    assert str(tmp_path) not in json.dumps(described)
    assert describe(run, words)["data"]["words"]["licence"] == "not stated"


def test_it_says_what_cannot_be_known_of_the_model(run, words):
    assert describe(run, words)["cautions"] == [
        "trained without other words or running speech: how often it fires on speech cannot be known",
        "few recordings to measure on, so that figures may be far off: up (2 clips of 2 speakers)",
    ]


def test_it_holds_starts_and_epochs_of_the_run(run, words):
    run.add_session({"started": "then", "epochs_before": 0})
    (run.folder / "history.jsonl").write_text('{"epoch": 1, "loss": 0.5}\n')
    described = describe(run, words)
    assert described["sessions"] == [{"started": "then", "epochs_before": 0}]
    assert described["epochs"] == [{"epoch": 1, "loss": 0.5}]


def test_the_fingerprint_is_of_names_and_contents_on_the_training_side(run, words, tmp_path):
    before = describe(run, words)["data"]["words"]
    items = index_folders(data=[str(words)], noise=(), speech=(), validation_speakers=())
    trained = sorted(item.path for item in items if item.split == "training")
    aside = next(item.path for item in items if item.split != "training")
    assert before["n_recordings"] == len(trained)
    expected = hashlib.sha256()
    for path in trained:
        expected.update(f"{Path(path).relative_to(words)}\n".encode())
        expected.update(hashlib.sha256(Path(path).read_bytes()).digest())
    assert before["sha256"] == expected.hexdigest()

    elsewhere = tmp_path / "elsewhere" / "words"
    elsewhere.parent.mkdir()
    words.rename(elsewhere)
    assert describe(run, elsewhere)["data"]["words"] == before
    Path(str(aside).replace(str(words), str(elsewhere))).write_bytes(
        Path(str(trained[0]).replace(str(words), str(elsewhere))).read_bytes()
    )
    assert describe(run, elsewhere)["data"]["words"] == before  # nobody trains on it
    soundfile.write(str(trained[0]).replace(str(words), str(elsewhere)), np.ones(160, dtype=np.int16), 16000)
    assert describe(run, elsewhere)["data"]["words"]["sha256"] != before["sha256"]


def test_recordings_of_a_table_are_named_from_its_folder(run, words, tmp_path):
    table = words.parent / "table.csv"
    rows = "".join(f"words/up/{name}-1.wav,,,up\n" for name in ("anna", "bert", "carl", "dora"))
    table.write_text("file,start,end,word\n" + rows)
    before = describe(run, table)["data"]
    words.parent.rename(tmp_path / "moved")
    assert describe(run, tmp_path / "moved" / "table.csv")["data"] == before
    assert list(before) == ["table.csv"]


@pytest.mark.parametrize(
    ("folders", "names"),
    [
        (["/a/words", "/a/noise"], ["words", "noise"]),
        (["/a/words", "/b/words", "/b/noise"], ["a/words", "b/words", "noise"]),
        (["/a/words/", "/a/words/../speech"], ["words", "speech"]),
    ],
)
def test_folders_are_named_by_themselves_and_by_their_parents_where_names_are_shared(folders, names):
    assert name_folders(folders) == dict(zip(folders, names, strict=True))


def test_a_licence_of_no_folder_is_refused_with_those_there_are():
    check_licences({"words": "CC BY 4.0", "b/noise": "CC0"}, ["/a/words", "/a/noise", "/b/noise"])
    with pytest.raises(
        SettingsError, match=r"^expected the licence of one of a/noise, b/noise, words, found one of 'noise'$"
    ):
        check_licences({"noise": "CC0"}, ["/a/words", "/a/noise", "/b/noise"])


@pytest.mark.tensorflow
def test_a_start_says_what_code_and_versions_train(monkeypatch):
    import keras

    import detector
    from training.run import provenance

    session = provenance.describe_session(3)
    assert session["epochs_before"] == 3
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", session["started"])
    assert re.fullmatch(r"[0-9a-f]{40}( with changes)?|unknown", session["commit"])
    versions = session["versions"]
    assert set(versions) == {"keyword-detector", "python", "numpy", "keras", keras.backend.backend()}
    assert versions["keyword-detector"] == detector.__version__
    assert versions["keras"] == keras.__version__
    monkeypatch.setenv("PATH", "")  # no git
    assert provenance.describe_session(0)["commit"] == "unknown"


def test_code_that_differs_from_its_commit_says_so(tmp_path, monkeypatch):
    from training.run import provenance

    def git(*arguments):
        identity = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
        subprocess.run(["git", "-C", str(tmp_path), *identity, *arguments], check=True, capture_output=True)

    git("init")
    file = tmp_path / "training.py"
    file.write_text("first")
    git("add", ".")
    git("commit", "-m", "first")
    monkeypatch.setattr(provenance, "__file__", str(file))
    assert re.fullmatch(r"[0-9a-f]{40}", provenance._commit())
    (tmp_path / "notes.txt").write_text("no part of the code")
    assert re.fullmatch(r"[0-9a-f]{40}", provenance._commit())
    file.write_text("second")
    assert re.fullmatch(r"[0-9a-f]{40} with changes", provenance._commit())


@pytest.mark.parametrize(
    ("installed", "backend", "distribution"),
    [
        (["tensorflow", "numpy"], "tensorflow", "tensorflow"),
        (["tensorflow_cpu", "numpy"], "tensorflow", "tensorflow-cpu"),
        (["tensorflow", "tensorflow-cpu"], "tensorflow", "tensorflow"),
        (["torch"], "torch", "torch"),
    ],
)
def test_the_version_is_that_of_the_distribution_that_is_installed(monkeypatch, installed, backend, distribution):
    from training.run import provenance

    found = [types.SimpleNamespace(name=name) for name in installed]
    monkeypatch.setattr(provenance.importlib.metadata, "distributions", lambda: found)
    assert provenance._backend_distribution(backend) == distribution
