"""Recipes: the settings of a run in a TOML file, so that a shipped model can be made again in one command."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from detector.errors import SettingsError
from detector.files import decode_text, read_file
from training.data.texts import compose_text
from training.run.settings import TrainSettings, convert_settings

MOST_BYTES = 2**20
FOLDERS = ("data", "synthetic", "noise", "speech")
WORDS = ("words", "skip_words", "confusable", "left_out")


def read_recipe(file: Path, root: Path) -> dict[str, Any]:
    """Read a recipe: fields of `TrainSettings`, folders of recordings made absolute from `root`.

    Raises
    ------
    SettingsError
        If there is no such file, or it is not TOML.
    """
    try:
        recipe = tomllib.loads(decode_text(read_file(file, MOST_BYTES)))
    except OSError as exc:
        raise SettingsError(f"expected a recipe, found that {file} cannot be read ({exc.strerror})") from exc
    except (ValueError, RecursionError) as exc:
        raise SettingsError(f"expected a recipe in TOML, found in {file}: {exc}") from exc
    for name in FOLDERS:
        if isinstance(recipe.get(name), list):
            recipe[name] = [str((root / folder).resolve()) for folder in recipe[name]]
    if isinstance(recipe.get("embedding"), str):
        recipe["embedding"] = str((root / recipe["embedding"]).resolve())
    return recipe


def new_settings(given: dict[str, Any], root: Path) -> TrainSettings:
    """Return the settings of a new run: those of the recipe among the options, where others do not beat them.

    Raises
    ------
    SettingsError
        If the recipe cannot be read, or a setting does not fit.
    """
    fields = read_recipe(given.pop("recipe"), root) if "recipe" in given else {}
    for name in FOLDERS:
        if name in given:
            given[name] = [str(Path(folder).resolve()) for folder in given[name]]
    if "embedding" in given:
        given["embedding"] = str(Path(given["embedding"]).resolve())
    if "licence" in given:
        given["licences"] = {**fields.get("licences", {}), **dict(given.pop("licence"))}
    fields |= given
    if not (fields.get("data") and fields.get("words")):
        raise SettingsError("expected --data and --words for a new run, or a --recipe, or --resume to go on with one")
    for name in WORDS:
        if isinstance(fields.get(name), (list, tuple)):
            fields[name] = [compose_text(word) if isinstance(word, str) else word for word in fields[name]]
    return convert_settings(TrainSettings, fields)
