"""Packages that only some users need, the extras of this one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from detector.errors import SettingsError


@contextlib.contextmanager
def needing_extra(extra: str, purpose: str) -> Iterator[None]:
    """Import in this block what an extra brings.

    Parameters
    ----------
    extra : str
        Its name in brackets.
    purpose : str
        What it is for: the option, or the verb.

    Raises
    ------
    SettingsError
        If a package is missing; one line says what to install.
    """
    try:
        yield
    except ModuleNotFoundError as exc:
        raise SettingsError(
            f"expected the package {exc.name} for {purpose}, found none: pip install 'keyword-detector[{extra}]'"
        ) from exc
