"""`python -m training`: see `keyword-trainer --help`."""

from __future__ import annotations

import os
import sys


def main() -> int:
    """Run the command line; return its exit code."""
    # Quiet the start-up messages of TensorFlow's C++ side; errors still show.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    from training.cli import run

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
