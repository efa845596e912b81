"""Constrained types, which everything that is read from outside is made of, and what the fields of a Struct say.

msgspec checks the constraints when it decodes or converts a Struct, and names the place where a value does not fit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_type_hints

import msgspec
from msgspec import inspect

Positive = Annotated[float, msgspec.Meta(gt=0)]
NotNegative = Annotated[float, msgspec.Meta(ge=0)]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=3600)]
PositiveSeconds = Annotated[float, msgspec.Meta(gt=0, le=3600)]
PositiveInt = Annotated[int, msgspec.Meta(gt=0)]
Count = Annotated[int, msgspec.Meta(ge=0)]
Probability = Annotated[float, msgspec.Meta(ge=0, le=1)]
Text = Annotated[str, msgspec.Meta(min_length=1)]


@dataclass(frozen=True, slots=True)
class Field:
    """What a field of a Struct says of itself: by its type, and by the `msgspec.Meta` it is annotated with."""

    name: str
    kind: inspect.Type
    """Its type, without None."""
    default: Any
    """`msgspec.NODEFAULT` where a value has to be given."""
    help: str
    """`Meta(description=...)`: what the value means, without a full stop."""
    examples: tuple[Any, ...]
    """`Meta(examples=...)`: values to show where there is no default."""
    extra: Mapping[str, Any]
    """`Meta(extra=...)`: `metavar`, the name of a value in a synopsis; `unset`, what None, or nothing, stands for."""

    @property
    def struct(self) -> type[msgspec.Struct] | None:
        """The Struct that a table of settings is read into, None for a plain value."""
        return self.kind.cls if isinstance(self.kind, inspect.StructType) else None


def fields_of(struct: type[msgspec.Struct]) -> dict[str, Field]:
    """Return the fields of a Struct by name, in order."""
    found = inspect.type_info(struct)
    assert isinstance(found, inspect.StructType)
    hints = get_type_hints(struct)
    return {field.name: _describe(field, hints[field.name]) for field in found.fields}


def _describe(field: inspect.Field, hint: Any) -> Field:
    kind = field.type
    schema: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    if isinstance(kind, inspect.Metadata):
        schema, extra, kind = kind.extra_json_schema or {}, kind.extra or {}, kind.type
    if isinstance(kind, inspect.UnionType):
        some = tuple(one for one in kind.types if not isinstance(one, inspect.NoneType))
        kind = some[0] if len(some) == 1 else inspect.UnionType(some)
    if isinstance(kind, inspect.LiteralType):
        kind = inspect.LiteralType(get_args(hint))  # in the order in which they are written: msgspec sorts them
    default = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
    return Field(field.name, kind, default, schema.get("description", ""), tuple(schema.get("examples", ())), extra)
