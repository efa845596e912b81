"""`keyword-detector config`: every setting with its default; what is in effect, and from where; the JSON Schema."""

from __future__ import annotations

import json
import re
import sys
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from detector.cli.arguments import print_json, print_lines
from detector.cli.schema import make_schema
from detector.errors import EXIT_OK, SettingsError
from detector.process.stdout import encode
from detector.settings import Settings, read_fields, read_settings, thresholds_of
from detector.text import printable_json
from detector.types import Field, fields_of

WIDTH = 100
"""Of comments, in characters."""
EXAMPLE_HEAD = """\
# Settings of keyword-detector, each with its default. A line such as '#key = value' is an example of a setting that
# has no default. Flags beat this file, and this file beats the model's own choice.
"""


class InEffect(msgspec.Struct, frozen=True, omit_defaults=True, rename={"origin": "from"}):
    """A setting's value and its origin."""

    value: Any
    origin: Literal["flag", "file", "model", "default"]
    """The first of them that has it decides."""
    note: str = ""
    """What stands for a value that is None, or where a value of no further use went."""


def print_config(answer: str, settings: Settings, file: Path | None, flags: Mapping[str, Any]) -> int:
    """Print an answer: `example`, `show` or `schema`.

    Parameters
    ----------
    answer : str
    settings : Settings
        Those of `file` and `flags`.
    file : Path, optional
    flags : mapping
        As `read_settings` takes them.

    Raises
    ------
    DetectorError
        If there is no such model, or the settings do not fit it.
    """
    encode(sys.stdout, "utf-8")  # as TOML and JSON are
    if answer == "show":
        _show(settings, file, flags)
    elif file is not None or flags:
        raise SettingsError(f"expected --{answer} alone, found options beside it, which only --show looks at")
    elif answer == "example":
        print_lines([*EXAMPLE_HEAD.splitlines(), "", *_example_of(Settings)])
    else:
        print_lines(msgspec.json.format(msgspec.json.encode(make_schema())).decode().splitlines())
    return EXIT_OK


def _example_of(struct: type[msgspec.Struct]) -> Iterator[str]:
    fields = fields_of(struct).values()
    for field in fields:
        if field.struct is None:
            yield from _explain(field)
            if field.default not in (None, (), {}):
                yield f"{field.name} = {to_toml(field.default)}"
            yield from (f"#{field.name} = {to_toml(example)}" for example in field.examples)
            yield ""
    for field in fields:  # tables come last, as what follows one belongs to it
        if field.struct is not None:
            yield from _explain(field)
            yield f"[{field.name}]"
            yield from _example_of(field.struct)


def _explain(field: Field) -> list[str]:
    text = field.text + (f" (default: {field.unset})" if field.unset else "")
    return textwrap.wrap(text, WIDTH, initial_indent="# ", subsequent_indent="# ")


def _show(settings: Settings, file: Path | None, flags: Mapping[str, Any]) -> None:
    found = find_in_effect(settings, file, flags)
    if settings.json:
        answer = {"file": None if file is None else str(file), "settings": found}
        print_json(answer)
    else:
        source = "" if file is None else f"; the file is {file}"
        print_lines([f"# In effect; behind each setting, where it comes from{source}", *_list(found)])


def find_in_effect(settings: Settings, file: Path | None, flags: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is in effect by the names of settings, an `InEffect` each; for a table a mapping of the same kind."""
    found = _trace(settings, read_fields(file), flags)
    rate = found["false_accepts_per_hour"]
    if rate.value is not None:
        found["false_accepts_per_hour"] = InEffect(rate.value, rate.origin, "chose the thresholds")
    return found | _trace_words(settings, flags, found["words"])


def _trace(settings: msgspec.Struct, in_file: Mapping[str, Any], flags: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, field in fields_of(type(settings)).items():
        value = getattr(settings, name)
        if isinstance(value, msgspec.Struct):
            found[name] = _trace(value, in_file.get(name, {}), flags.get(name, {}))
        elif value is None:  # also what the file has, where a flag has put it out of force
            found[name] = InEffect(None, "default", field.unset or "")
        else:
            found[name] = InEffect(value, "flag" if name in flags else "file" if name in in_file else "default")
    return found


def _trace_words(settings: Settings, flags: Mapping[str, Any], chosen: InEffect) -> dict[str, Any]:
    """Return the words that are reported, and their thresholds: what settings leave open is the model's."""
    from detector.assembly import choose_thresholds
    from detector.core.combine import combine_manifests
    from detector.core.detector import choose_words, override_thresholds
    from detector.core.folders import find_models
    from detector.core.manifest import read_manifest

    manifest = combine_manifests([read_manifest(file) for file in find_models(settings.model)])
    words = choose_words(manifest.words, settings.words)
    decision = override_thresholds(manifest.decision, choose_thresholds(settings, manifest))
    by_flag = thresholds_of(read_settings(None, flags), words)
    by_any = thresholds_of(settings, words)
    thresholds = {
        word: InEffect(
            decision.words[word].threshold, "flag" if word in by_flag else "file" if word in by_any else "model"
        )
        for word in words
    }
    origin = "model" if settings.words is None else chosen.origin
    return {"words": InEffect(words, origin), "threshold": thresholds}


def _list(found: Mapping[str, Any]) -> Iterator[str]:
    """List settings as TOML that would put them into effect."""
    tables = {name: inner for name, inner in found.items() if isinstance(inner, Mapping)}
    for name, setting in found.items():
        if name in tables:
            continue
        if setting.value is None:
            yield f"# {name}: {setting.note}  # {setting.origin}"
        elif setting.note:
            yield f"#{name} = {to_toml(setting.value)}  # {setting.origin}; {setting.note}"
        else:
            yield f"{_key(name)} = {to_toml(setting.value)}  # {setting.origin}"
    for name, inner in tables.items():
        yield ""
        yield f"[{name}]"
        yield from _list(inner)


def to_toml(value: Any) -> str:
    """Return a value as TOML, on one line."""
    match value:
        case Mapping():
            return "{" + ", ".join(f"{_key(key)} = {to_toml(inner)}" for key, inner in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(map(to_toml, value)) + "]"
        case str():
            return printable_json(json.dumps(value, ensure_ascii=False))
        case bool():
            return str(value).lower()
    return repr(value)


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else to_toml(name)
