"""Settings that a user may choose, and the constrained types that all settings are made of.

Settings are frozen structs. msgspec decodes and validates them from TOML or JSON: unknown keys, wrong types and values
out of range are refused with the place where they stand.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

Positive = Annotated[float, msgspec.Meta(gt=0)]
NotNegative = Annotated[float, msgspec.Meta(ge=0)]
PositiveInt = Annotated[int, msgspec.Meta(gt=0)]
Probability = Annotated[float, msgspec.Meta(ge=0, le=1)]
Text = Annotated[str, msgspec.Meta(min_length=1)]
