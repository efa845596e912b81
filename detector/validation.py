"""What does not fit a Struct of settings, in words: the key, what is valid there, and what was found."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

from detector.errors import SettingsError
from detector.types import Text, fields_of

Settings = TypeVar("Settings", bound=msgspec.Struct)

_PLACE = re.compile(r"(?P<why>.*?)(?: - at `\$(?P<path>.*)`)?", re.DOTALL)
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<name>.*)`", re.DOTALL)
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]")
MOST_SHOWN = 60
"""Of a value that does not fit, in characters."""


def convert(fields: Mapping[str, Any], kind: type[Settings], source: str) -> Settings:
    """Return settings from fields by name.

    Parameters
    ----------
    fields : mapping
    kind : type of msgspec.Struct
    source : str
        Where the fields come from: a file, the command line.

    Raises
    ------
    SettingsError
        If a field is unknown, or of another type or range.
    """
    try:
        return msgspec.convert(dict(fields), kind)
    except msgspec.ValidationError as exc:
        raise SettingsError(_explain(str(exc), fields, kind, source)) from exc
    except RecursionError as exc:
        raise SettingsError(f"expected settings that fit, found in {source}: tables nested without end") from exc


def _explain(error: str, fields: Mapping[str, Any], kind: type[msgspec.Struct], source: str) -> str:
    """Return msgspec's refusal as a sentence of ours; as it is, where it is of no known form."""
    place = _PLACE.fullmatch(error)
    assert place is not None
    steps = [name or index for name, index in _STEP.findall(place["path"] or "")]
    unknown = _UNKNOWN.fullmatch(place["why"])
    if unknown:
        hint = _suggest(unknown["name"], kind, steps)
        table = f" in the table {'.'.join(steps)}" if steps else ""
        return f"expected settings that fit, found in {source}: unknown field `{unknown['name']}`{table}{hint}"
    field = steps and fields_of(kind).get(steps[0])
    if not field:
        return f"expected settings that fit, found in {source}: {error}"
    name, value, valid = steps[0], fields.get(steps[0]), field.kind
    for step in steps[1:]:
        valid, key, value = _descend(valid, step, value)
        name = f"{name}{key}"
    return f"expected {name} to be {describe_kind(valid)}, found {_show(value)} in {source}"


def _descend(kind: inspect.Type, step: str, value: Any) -> tuple[inspect.Type, str, Any]:
    """Go a step further down in what does not fit; return what is valid there, the step in words, and what is there."""
    if isinstance(kind, inspect.UnionType):
        wanted = inspect.DictType if isinstance(value, Mapping) else inspect.VarTupleType
        kind = next((one for one in kind.types if isinstance(one, wanted)), kind)
    if isinstance(kind, inspect.StructType):
        field = fields_of(kind.cls)[step]
        return field.kind, f".{step}", value.get(step)
    if isinstance(kind, inspect.DictType):  # msgspec does not say at which key
        fitting: Any = Text if isinstance(kind.value_type, inspect.StrType) else float
        for key, inner in value.items():
            try:
                msgspec.convert(inner, fitting)
            except msgspec.ValidationError:
                return kind.value_type, f".{key}", inner
    if isinstance(kind, inspect.VarTupleType) and step.isdecimal():
        return kind.item_type, f"[{step}]", value[int(step)]
    return kind, f"[{step}]", value


def describe_kind(kind: inspect.Type) -> str:
    """Return what fits a type, in words."""
    match kind:
        case inspect.UnionType():
            return " or ".join(describe_kind(one) for one in kind.types if not isinstance(one, inspect.NoneType))
        case inspect.Metadata():
            return describe_kind(kind.type)
        case inspect.VarTupleType() | inspect.ListType():
            return f"a list, each {describe_kind(kind.item_type)}"
        case inspect.DictType():
            return f"a table, each {describe_kind(kind.value_type)}"
        case inspect.StructType():
            return f"a table of {', '.join(fields_of(kind.cls))}"
    return _describe_plain(kind)


def _describe_plain(kind: inspect.Type) -> str:
    match kind:
        case inspect.LiteralType():
            *others, last = map(str, kind.values)
            return f"{', '.join(others)} or {last}" if others else last
        case inspect.BoolType():
            return "true or false"
        case inspect.IntType():
            return f"a whole number{_describe_range(kind)}"
        case inspect.FloatType():
            return f"a number{_describe_range(kind)}"
        case inspect.StrType():
            return "a text that is not empty" if kind.min_length else "a text"
    return type(kind).__name__.removesuffix("Type").lower()


def _describe_range(kind: inspect.IntType | inspect.FloatType) -> str:
    limits = (("above", kind.gt), ("of at least", kind.ge), ("below", kind.lt), ("up to", kind.le))
    found = " and ".join(f"{word} {limit:g}" for word, limit in limits if limit is not None)
    return f" {found}" if found else ""


def _show(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case Mapping():
            return "a table"
        case list() | tuple():
            return "a list"
    shown = str(value) if isinstance(value, int | float) else repr(value)
    return shown if len(shown) <= MOST_SHOWN else f"{shown[:MOST_SHOWN]}..."


def _suggest(name: str, kind: type[msgspec.Struct], tables: list[str]) -> str:
    """Return the end of a sentence that names what an unknown key may have been meant for."""
    known = dict(_list_keys(kind))
    stem = name.lower().replace("-", "_")
    near = [stem] if stem in known.values() else difflib.get_close_matches(stem, [*known.values()], n=1)
    if not near:
        inner = fields_of(kind)[tables[0]].struct if tables else None
        return f": the keys are {', '.join(fields_of(inner or kind))}"
    path = next(path for path, key in known.items() if key == near[0])
    if tables and path == name:  # in TOML all that follows the head of a table belongs to it
        return f": {name} belongs above the first [table]"
    return f": did you mean {path}?"


def _list_keys(kind: type[msgspec.Struct], table: str = "") -> Iterator[tuple[str, str]]:
    """Yield each key with its tables before it, and alone."""
    for name, field in fields_of(kind).items():
        yield f"{table}{name}", name
        if field.struct is not None:
            yield from _list_keys(field.struct, f"{table}{name}.")
