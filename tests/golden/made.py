"""What the makers of golden data of training share: the recording it is made of, and how it is written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent
DEMO = str(FOLDER.parent / "recordings" / "demo.flac")


def read(name: str) -> dict[str, np.ndarray]:
    """Return the golden data of a name."""
    with np.load(FOLDER / name) as golden:
        return dict(golden)


def differences(made: Mapping[str, np.ndarray], golden: Mapping[str, np.ndarray], *, within: int) -> list[str]:
    """Return the names of the arrays that differ, by more than so much where they are of integers."""
    return [
        name
        for name, array in made.items()
        if name not in golden
        or golden[name].shape != array.shape
        or np.abs(golden[name].astype(int) - array.astype(int)).max(initial=0) > within
    ]


def write(name: str, made: Mapping[str, np.ndarray], *, number: int, within: int) -> None:
    """Write golden data under a format number; refuse other data under the number that there is."""
    file = FOLDER / name
    if file.exists():
        golden = read(name)
        if int(golden["format"]) == number and (changed := differences(made, golden, within=within)):
            raise SystemExit(f"expected a format number other than {number}, as {', '.join(changed)} have changed")
    np.savez_compressed(file, format=np.array(number), **made)
