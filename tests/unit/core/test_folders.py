"""Where models are looked for by name: one's own first."""

import subprocess
import sys
from pathlib import Path

import pytest
from heads import make_manifest, write_pair

from detector.core import folders
from detector.core.folders import find_model, find_models, find_user_folder, list_models
from detector.errors import ModelNotFoundError


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Two folders of one's own before those that are shipped."""
    places = (tmp_path / "user", tmp_path / "service")
    monkeypatch.setattr(folders, "FOLDERS", (*places, *folders.SHIPPED_FOLDERS))
    return places


@pytest.fixture
def write(model):
    flatbuffer = find_model("yes-no").with_suffix(".tflite").read_bytes()
    return lambda folder, name, words=("ja",): write_pair(folder, make_manifest(model, name, words), flatbuffer)


@pytest.mark.parametrize(
    ("environ", "folder"),
    [
        ({"HOME": "/home/anna"}, "/home/anna/.local/share/keyword-detector/models"),
        ({"HOME": "/home/anna", "XDG_DATA_HOME": ""}, "/home/anna/.local/share/keyword-detector/models"),
        ({"HOME": "/home/anna", "XDG_DATA_HOME": "/data"}, "/data/keyword-detector/models"),
        ({"HOME": "/home/anna", "XDG_DATA_HOME": "data"}, "/home/anna/.local/share/keyword-detector/models"),
        ({"XDG_DATA_HOME": "/data"}, "/data/keyword-detector/models"),
        ({"HOME": "~"}, None),
        ({}, None),
    ],
)
def test_a_users_models_are_where_their_data_is(environ, folder):
    assert find_user_folder(environ) == (None if folder is None else Path(folder))


def test_the_environment_of_the_start_says_where_they_are(write, tmp_path):
    write(tmp_path / "keyword-detector/models", "mine")
    code = "from detector.core.folders import find_model, list_models; print(find_model('mine'), len(list_models()))"
    environ = {"XDG_DATA_HOME": str(tmp_path), "PYTHONPATH": ":".join(sys.path)}
    ended = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True)
    assert ended.stdout.split()[0] == str(tmp_path / "keyword-detector/models/mine.json")


def test_ones_own_models_are_found_by_name_beside_the_shipped_ones(own, write):
    user, service = write(own[0], "mine"), write(own[1], "ours")
    assert find_models("mine,yes-no,ours") == [user, find_model("yes-no"), service]
    names = [file.stem for file in list_models()]
    assert names == sorted(names)
    assert {"mine", "ours", "yes-no"} <= set(names)
    with pytest.raises(ModelNotFoundError, match=r"commands, mine, ours, yes-no"):
        find_model("maybe")


def test_of_two_models_of_a_name_ones_own_is_taken_and_both_folders_are_logged(own, write, caplog):
    shipped = find_model("yes-no")
    assert not caplog.records
    service = write(own[1], "yes-no")
    assert find_model("yes-no") == find_model("yes-no") == service
    assert caplog.messages == [f"the model 'yes-no' is that of {own[1]}, not that of {shipped.parent}"]
    user = write(own[0], "yes-no")
    assert find_model("yes-no") == user
    assert caplog.messages[1] == f"the model 'yes-no' is that of {own[0]}, not that of {own[1]}"
    assert [file for file in list_models() if file.stem == "yes-no"] == [user]


def test_folders_that_are_not_there_hide_no_model(own, write):
    own[0].parent.joinpath("user").write_text("a file, no folder")
    assert "yes-no" in [file.stem for file in list_models()]


def test_what_is_written_at_the_moment_and_folders_are_no_models(own, write):
    file = write(own[0], "mine")
    file.rename(file.with_name(".mine.json"))
    (own[0] / "learn").mkdir()
    (own[0] / "learn" / "embedding.json").write_text("{}")
    assert not {".mine", "embedding", "learn"} & {file.stem for file in list_models()}
