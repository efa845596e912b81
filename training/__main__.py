"""`python -m training`: see `keyword-trainer --help`."""

from __future__ import annotations

import os
import sys

from detector.errors import EXIT_SETTINGS


def main() -> int:
    """Run the command line; return its exit code."""
    # Quiet the start-up messages of TensorFlow's C++ side; errors still show.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        from training.cli import run
    except ModuleNotFoundError as exc:
        sys.stderr.write(
            f"keyword-trainer: expected the packages for training, found no {exc.name}: "
            "pip install 'keyword-detector[train]'\n"
        )
        return EXIT_SETTINGS
    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
