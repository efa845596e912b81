"""Makes a virtual environment run in another folder than the one it was made in.

    VENV/bin/python relocate.py VENV HOME

Its scripts, its settings and its compiled modules name the folder that they are in; from now on they name HOME.
"""

from __future__ import annotations

import compileall
import sys
from pathlib import Path


def relocate(venv: Path, home: Path) -> None:
    """Let an environment name another folder than its own."""
    for file in (venv / "pyvenv.cfg", *(venv / "bin").iterdir()):
        if file.is_file() and not file.is_symlink():
            content = file.read_bytes()
            moved = content.replace(bytes(venv), bytes(home))
            if moved != content:
                file.write_bytes(moved)
    compileall.compile_dir(venv / "lib", maxlevels=99, quiet=2, force=True, stripdir=str(venv), prependdir=str(home))


if __name__ == "__main__":
    relocate(*map(Path, sys.argv[1:]))
