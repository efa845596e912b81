"""Constrained types, which everything that is read from outside is made of, and what the fields of a Struct state.

msgspec checks the constraints when it decodes or converts a Struct, and names the place where a value does not fit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from numbers import Real
from typing import Annotated, Any, Literal, TypeGuard, get_args, get_type_hints

import msgspec
from msgspec import inspect

Channel = Annotated[int, msgspec.Meta(ge=1, le=64)] | Literal["mix", "auto"]
"""A channel, of which 1 is the first; the mean of all; or the mean, unless that cancels or drowns."""
RawFormat = Literal[
    "u8",
    "s8",
    "s16le",
    "s16be",
    "s24le",
    "s24be",
    "s24_32le",
    "s32le",
    "s32be",
    "f32le",
    "f32be",
    "f64le",
    "f64be",
    "alaw",
    "mulaw",
]
"""How a raw sample may be written, by ffmpeg's names."""
Positive = Annotated[float, msgspec.Meta(gt=0)]
NotNegative = Annotated[float, msgspec.Meta(ge=0)]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=3600)]
PositiveSeconds = Annotated[float, msgspec.Meta(gt=0, le=3600)]
PositiveInt = Annotated[int, msgspec.Meta(gt=0)]
Count = Annotated[int, msgspec.Meta(ge=0)]
Probability = Annotated[float, msgspec.Meta(ge=0, le=1)]
Text = Annotated[str, msgspec.Meta(min_length=1)]
Names = Text | Annotated[tuple[Text, ...], msgspec.Meta(min_length=1)]
"""One, or several with commas between; or a list of them."""


def describe(
    text: str,
    *,
    metavar: str | None = None,
    unset: str | None = None,
    examples: list[Any] | None = None,
    can_reload: bool | None = None,
) -> msgspec.Meta:
    """Return what a field of a Struct states of itself, for `Annotated`; `fields_of` and the JSON Schema have it.

    Parameters
    ----------
    text : str
        What a value means, without a full stop.
    metavar : str, optional
        Name of a value in a synopsis, where its type does not give it. A list with a comma in it is one argument.
    unset : str, optional
        What None, or an empty list, stands for.
    examples : list, optional
        Values to show where there is no default.
    can_reload : bool, optional
        Whether a running daemon takes another value over.
    """
    extra = {"metavar": metavar, "unset": unset, "can_reload": can_reload}
    return msgspec.Meta(description=text, examples=examples, extra=extra)


def is_number(value: object) -> TypeGuard[float]:
    """Return whether a value is a real number, NumPy's included."""
    return isinstance(value, Real)


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a Struct, and what it states of itself; see `describe`."""

    name: str
    kind: inspect.Type
    """Its type, without None."""
    default: Any
    """`msgspec.NODEFAULT` where a value has to be given."""
    text: str = ""
    examples: Sequence[Any] = ()
    metavar: str | None = None
    unset: str | None = None
    can_reload: bool | None = None

    @property
    def struct(self) -> type[msgspec.Struct] | None:
        """The Struct that a table of settings is read into, None for a plain value."""
        return self.kind.cls if isinstance(self.kind, inspect.StructType) else None


@cache
def fields_of(struct: type[msgspec.Struct]) -> Mapping[str, Field]:
    """Return the fields of a Struct by name, in order."""
    found = inspect.type_info(struct)
    assert isinstance(found, inspect.StructType)
    hints = get_type_hints(struct)
    return {field.name: _read_field(field, hints[field.name]) for field in found.fields}


def _read_field(field: inspect.Field, hint: Any) -> Field:
    kind = field.type
    stated: dict[str, Any] = {}
    if isinstance(kind, inspect.Metadata):
        schema, extra = kind.extra_json_schema or {}, kind.extra or {}
        stated = {"text": schema.get("description", ""), "examples": schema.get("examples", ()), **extra}
        kind = kind.type
    if isinstance(kind, inspect.UnionType):
        some = tuple(one for one in kind.types if not isinstance(one, inspect.NoneType))
        kind = some[0] if len(some) == 1 else inspect.UnionType(some)
    if isinstance(kind, inspect.LiteralType):
        kind = inspect.LiteralType(get_args(hint))  # in the order in which they are written: msgspec sorts them
    default = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
    return Field(field.name, kind, default, **stated)
