"""`python -m training`: see `keyword-trainer --help`."""

from __future__ import annotations

import os
import sys

import detector


def main() -> int:
    """Run the command line; return its exit code."""
    if getattr(detector, "DISTRIBUTION", None) != "keyword-detector":  # another's package of the same name
        sys.stderr.write(
            f"keyword-trainer: expected the package 'detector' of keyword-detector, found another's in "
            f"{detector.__file__}: install keyword-detector into an environment of its own\n"
        )
        return 78
    # Quiet the start-up messages of TensorFlow's C++ side; errors still show.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    from detector.process.stdout import open_standard_streams
    from training.cli import run

    open_standard_streams()
    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
