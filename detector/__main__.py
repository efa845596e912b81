"""`python -m detector`: see `keyword-detector --help`."""

from __future__ import annotations

import sys

from detector.stopping import StopRequested, stop_signals


def main() -> int:
    """Run the command line; return its exit code.

    Signals are looked after before anything else is imported, so that Ctrl-C and SIGTERM end the command quietly at any
    moment.
    """
    try:
        with stop_signals():
            from detector.cli import run

            return run(sys.argv[1:])
    except StopRequested:
        return 0


if __name__ == "__main__":
    sys.exit(main())
