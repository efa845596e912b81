"""Settings of a run out of a recipe and the options beside it."""

import re
from pathlib import Path

import pytest

from detector.errors import SettingsError
from training.run.recipe import new_settings, read_recipe

RECIPE = """
words = ["yes", "no"]
data = ["speech"]
noise = ["noise/a", "/elsewhere/b"]
epochs = 50
[licences]
speech = "CC BY 4.0"
[windows]
keyword = 0.26
"""


@pytest.fixture
def write(tmp_path):
    def write_text(text):
        file = tmp_path / "recipe.toml"
        file.write_text(text)
        return file

    return write_text


def test_folders_of_a_recipe_lie_below_the_root(write, tmp_path):
    recipe = read_recipe(write(RECIPE), tmp_path / "root")
    assert recipe["data"] == [str(tmp_path / "root" / "speech")]
    assert recipe["noise"] == [str(tmp_path / "root" / "noise" / "a"), "/elsewhere/b"]


def test_options_beat_the_recipe_and_their_folders_lie_here(write, tmp_path):
    given = {"recipe": write(RECIPE), "data": ["mine"], "epochs": 3, "licence": [("mine", "my own")]}
    settings = new_settings(given, tmp_path)
    assert settings.data == (str(Path("mine").resolve()),)
    assert settings.noise == (str(tmp_path / "noise" / "a"), "/elsewhere/b")
    assert (settings.words, settings.epochs, settings.windows.keyword) == (("yes", "no"), 3, 0.26)
    assert settings.licences == {"speech": "CC BY 4.0", "mine": "my own"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("words = ", "expected a recipe in TOML, found in "),
        ("data = 3\nwords = ['yes']", "at `$.data`"),
        ("colour = 1\ndata = ['a']\nwords = ['yes']", "unknown field `colour`"),
        ("words = ['yes']", "expected --data and --words for a new run, or a --recipe"),
        ("data = ['a']\nwords = ['yes', 'yes']", "words must differ"),
    ],
)
def test_a_recipe_that_does_not_fit_is_named(write, tmp_path, text, message):
    with pytest.raises(SettingsError, match=re.escape(message)):
        new_settings({"recipe": write(text)}, tmp_path)


def test_a_recipe_that_is_not_there_or_not_text_is_named(write, tmp_path):
    with pytest.raises(SettingsError, match=r"none\.toml cannot be read \(No such file"):
        read_recipe(tmp_path / "none.toml", tmp_path)
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match="expected a recipe in TOML"):
        read_recipe(tmp_path / "bytes.toml", tmp_path)


def test_a_recipe_may_begin_with_a_mark_and_is_a_file_of_some_size(write, tmp_path):
    (tmp_path / "mark.toml").write_bytes("words = ['größe']\r\n".encode("utf-8-sig"))
    assert read_recipe(tmp_path / "mark.toml", tmp_path) == {"words": ["größe"]}
    with pytest.raises(SettingsError, match="a device, not a file"):
        read_recipe(Path("/dev/zero"), tmp_path)
