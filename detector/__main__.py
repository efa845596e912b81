"""`python -m detector`: see `keyword-detector --help`."""

from __future__ import annotations

import contextlib
import os
import sys

import detector
from detector.process.signals import StopRequested, end_on_signals


def main() -> None:
    """Run the command line and end the process with its exit code.

    Signals are looked after before anything else is imported, so that Ctrl-C and SIGTERM end the command quietly at any
    moment. The process ends without Python's teardown: a sound server that hangs would hang PortAudio's with it.
    """
    end_on_signals()
    # Products here are small: threads that wait for each other take cores from a detector that listens beside them.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    code = 0
    try:
        from detector.process.stdout import open_standard_streams

        open_standard_streams()
        _refuse_namesake()
        from detector.cli.parser import run

        code = run(sys.argv[1:])
    except StopRequested:
        pass
    except SystemExit as exc:  # help, version, or a command line that cannot be parsed
        code = int(exc.code or 0)
    with contextlib.suppress(OSError):  # nobody is left to report to
        sys.stderr.flush()
    os._exit(code)


def _refuse_namesake() -> None:
    """End with one line where another's package of the same name was installed over this one."""
    if getattr(detector, "DISTRIBUTION", None) != "keyword-detector":
        sys.stderr.write(
            f"keyword-detector: expected its own package 'detector', found another's in {detector.__file__}: "
            "install keyword-detector into an environment of its own\n"
        )
        raise SystemExit(78)


if __name__ == "__main__":
    main()
