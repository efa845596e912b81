"""Fuzzes one of the targets with atheris (libFuzzer), from the corpus kept beside this file.

    pip install atheris
    python tests/fuzz/fuzz.py settings -runs=300000

What libFuzzer finds new goes to a folder of its own; an input that breaks something is written to the folder this is
run in. Mended, it belongs into the corpus, where tests/unit/test_corpus.py hears of it for ever.
"""

from __future__ import annotations

import json
import logging
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

import atheris

CORPUS = Path(__file__).parent / "corpus"
STRUCTURED = ("manifest", "flight")
"""Targets that read JSON: half of the mutations change a value of it, since bytes changed at random seldom parse."""
VALUES: tuple[Any, ...] = (
    *(0, 1, -1, 2, 100, 2**31, 2**63, 2**70, -(2**63), 0.5, 1e-300, 1e300, 1e999, -0.0, 0.999999, 1.0000001),
    *("", "yes", "\x00", "no", "../x", "A" * 5000, "AAAA", None, True, False, [], {}, [[]], [0] * 100, {"": 0}),
)


def change_value(data: bytes, max_size: int, seed: int) -> bytes:
    """Return JSON with some of its values changed; other bytes, and half of the time any, as libFuzzer changes them."""
    rng = random.Random(seed)
    try:
        document = json.loads(data)
    except ValueError:
        document = None
    places = list(_places(document))
    if not places or rng.random() < 0.5:
        return atheris.Mutate(data, max_size)
    for _ in range(rng.randint(1, 3)):
        parent, key = rng.choice(places)
        old = parent[key]
        if isinstance(old, int | float) and rng.random() < 0.5:
            parent[key] = type(old)(old * rng.choice((0.5, 0.9, 1.1, 2, 10, -1)) + rng.choice((-1, 0, 1)))
        elif isinstance(old, list) and old and rng.random() < 0.5:
            parent[key] = rng.choice((old[:-1], old[1:], old + old, [old[0]]))
        else:
            parent[key] = rng.choice(VALUES)
    return json.dumps(document).encode()[:max_size]


def _places(value: Any):
    """Yield each container below a value with each of its keys or indices."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(pairs):
        yield value, key
        yield from _places(inner)


def main() -> None:
    """Fuzz until libFuzzer has done its runs."""
    with atheris.instrument_imports(include=["detector", "msgspec", "tomllib"]):
        from targets import TARGETS
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        sys.exit(f"usage: fuzz.py {'|'.join(TARGETS)} [libFuzzer options]")
    name = sys.argv[1]
    logging.disable(logging.CRITICAL)
    new = tempfile.mkdtemp(prefix=f"fuzz-{name}-")
    mutator = {"custom_mutator": change_value} if name in STRUCTURED else {}
    atheris.Setup([sys.argv[0], new, str(CORPUS / name), *sys.argv[2:]], TARGETS[name], **mutator)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
