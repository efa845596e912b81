"""The recipes of the models that ship: each is read, and makes what the manifest beside it says was made."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from training.run.provenance import check_licences, name_folders
from training.run.recipe import FOLDERS, new_settings

MODELS = Path(__file__).parents[2] / "models"
each = pytest.mark.parametrize("recipe", sorted((MODELS / "recipes").glob("*.toml")), ids=lambda file: file.stem)


def settings_of(recipe):
    return new_settings({"recipe": recipe}, Path("/recordings"))


def folders_of(settings):
    return [folder for kind in FOLDERS for folder in getattr(settings, kind)]


@each
def test_a_recipe_makes_a_model_of_its_name_with_its_words(recipe):
    manifest = json.loads((MODELS / f"{recipe.stem}.json").read_text())
    settings = settings_of(recipe)
    assert list(settings.words) == manifest["words"]
    assert list(settings.labels) == manifest["labels"]
    assert (settings.window_s, settings.decision.stride_s) == (manifest["window_s"], manifest["stride_s"])
    assert msgspec.to_builtins(settings.frontend) == manifest["frontend"]


@each
def test_a_recipe_is_the_settings_that_its_model_was_trained_with(recipe):
    """As far as they had names then: the numbers of composing had none."""
    trained = json.loads((MODELS / f"{recipe.stem}.json").read_text())["training"]["settings"]
    fields = msgspec.to_builtins(settings_of(recipe))
    names = name_folders(folders_of(settings_of(recipe)))
    fields |= {kind: [names[folder] for folder in fields[kind]] for kind in FOLDERS}
    shared = set(trained) & set(fields) - {"windows", "variation"}
    assert {"epochs", "architecture", "weight_decay", "distinct_windows", "skip_words", "seed"} <= shared
    fields = json.loads(msgspec.json.encode(fields))
    assert {name: fields[name] for name in shared} == {name: trained[name] for name in shared}
    for part in {"windows", "variation"} & set(trained):
        for name in set(trained[part]) & set(fields[part]):
            assert fields[part][name] == trained[part][name], name


@each
def test_every_folder_of_a_recipe_has_a_licence_and_no_other_has(recipe):
    settings = settings_of(recipe)
    check_licences(settings.licences, folders_of(settings))
    assert set(settings.licences) == set(name_folders(folders_of(settings)).values())
    assert all(Path(folder).is_relative_to("/recordings") for folder in folders_of(settings))


@pytest.mark.tensorflow
@each
def test_networks_of_a_recipe_exist(recipe):
    from training.network.architectures import check_architecture

    settings = settings_of(recipe)
    for network in (settings, *settings.teachers):
        check_architecture(network.architecture)


def test_words_to_be_spoken_often_hold_no_keyword_and_none_that_sounds_like_one():
    words = (MODELS / "recipes" / "neighbours.txt").read_text().split()
    settings = settings_of(MODELS / "recipes" / "yes-no.toml")
    assert len(words) > 100
    assert not {word.casefold() for word in words} & {*settings.words, *settings.skip_words}
