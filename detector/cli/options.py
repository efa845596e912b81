"""Options of a command line that are settings: flag, type, default and help come from the field of a Struct."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import inspect

from detector.cli.arguments import parse_words
from detector.types import Field, fields_of


class AddPair(argparse.Action):
    """Gather what a repeatable option is given as (key, value) in one mapping."""

    def __call__(self, _parser: Any, namespace: argparse.Namespace, pair: Any, _option: Any = None) -> None:
        """Add one pair; of two with the same key one would be lost in silence."""
        given, (key, value) = getattr(namespace, self.dest, {}), pair
        if key in given:
            raise argparse.ArgumentError(self, f"expected one value for each, found {given[key]}, then {value}")
        setattr(namespace, self.dest, {**given, key: value})


class Several(argparse.Action):
    """Store the value of a repeatable option as it is, and the values of one that is repeated as a list."""

    def __call__(self, _parser: Any, namespace: argparse.Namespace, value: Any, _option: Any = None) -> None:
        """Store a value, or add it."""
        given = getattr(namespace, self.dest, [])
        setattr(namespace, self.dest, [*([given] if isinstance(given, str) else given), value] if given else value)


def add_option(
    parser: argparse.ArgumentParser, struct: type[msgspec.Struct], path: str, flag: str | None = None, **changes: Any
) -> None:
    """Add the option of a field; one that is not given leaves no trace, so that the Struct's default stands.

    Parameters
    ----------
    parser : argparse.ArgumentParser
    struct : type of msgspec.Struct
    path : str
        Name of the field, after the name of its table and a dot where it has one.
    flag : str, optional
        The field's name by default.
    **changes
        What `add_argument` shall be given instead, or beside.
    """
    field = find_field(struct, path)
    options = {"dest": path, "default": argparse.SUPPRESS, **_form(field), **changes}
    default = describe_default(field)
    text = field.text
    text += "; repeatable" if options.get("action") in ("append", AddPair, Several) else ""
    text += f" (default: {default})" if default else ""
    parser.add_argument(flag or f"--{field.name.replace('_', '-')}", **{"help": text.replace("%", "%%"), **options})


def find_field(struct: type[msgspec.Struct], path: str) -> Field:
    """Return the field of a path such as `recovery.jitter`."""
    table, _, name = path.rpartition(".")
    inner = fields_of(struct)[table].struct if table else struct
    assert inner is not None
    return fields_of(inner)[name]


def take_given(options: dict[str, Any], struct: type[msgspec.Struct]) -> dict[str, Any]:
    """Take the settings that were given out of a command line's options; return them as a file would hold them."""
    given: dict[str, Any] = {}
    for path in list(options):
        table, _, name = path.rpartition(".")
        if (table or name) in struct.__struct_fields__:
            inner = given.setdefault(table, {}) if table else given
            inner[name] = options.pop(path)
    return given


def name_keys(struct: type[msgspec.Struct]) -> str:
    """Return the keys of a file of such settings, for people to read."""
    keys = [
        f"{field.name} (a table: {name_keys(field.struct)})" if field.struct else field.name
        for field in fields_of(struct).values()
    ]
    return ", ".join(keys)


def describe_default(field: Field) -> str:
    """Return what stands where nothing is given, in words; nothing where that needs none."""
    if field.default is msgspec.NODEFAULT:
        return ""
    if field.default is None or field.default in ((), {}):
        return field.unset or ""
    if isinstance(field.default, bool):
        return f"--{'' if field.default else 'no-'}{field.name.replace('_', '-')}"
    if isinstance(field.default, float):
        return repr(field.default).removesuffix(".0")
    return str(field.default)


def _form(field: Field) -> Mapping[str, Any]:
    """Return what `add_argument` needs to know of a field's type."""
    kind, metavar = field.kind, field.metavar
    form: dict[str, Any] = {"metavar": metavar or "NAME"}
    match kind:
        case inspect.BoolType():
            form = {"action": argparse.BooleanOptionalAction}
        case inspect.LiteralType():
            form = {"choices": kind.values}
        case inspect.IntType():
            form = {"type": int, "metavar": metavar or "N"}
        case inspect.FloatType():
            form = {"type": float, "metavar": metavar or ("S" if field.name.endswith("_s") else "X")}
        case inspect.VarTupleType() if metavar and "," in metavar:  # one argument holds them all
            form["type"] = parse_words
        case inspect.VarTupleType():
            form["action"] = "append"
    return form
