"""`python -m detector`: see `keyword-detector --help`."""

from __future__ import annotations

import os
import sys

import detector
from detector.process.signals import StopRequested, ignore_signals, raise_on_signals


def main() -> None:
    """Run the command line and end the process with its exit code.

    Signals are looked after before anything else is imported, so that Ctrl-C and SIGTERM end the command quietly at any
    moment. The process ends without Python's teardown: a sound server that hangs would hang PortAudio's with it.
    """
    code = 0
    try:
        raise_on_signals()
        _open_standard_streams()
        _refuse_namesake()
        from detector.cli.parser import run

        code = run(sys.argv[1:])
    except StopRequested:
        pass
    except SystemExit as exc:  # help, version, or a command line that cannot be parsed
        code = int(exc.code or 0)
    ignore_signals()
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


def _open_standard_streams() -> None:
    """Open nothing in place of standard streams that are closed, so that files do not take their numbers."""
    for descriptor, mode in ((0, os.O_WRONLY), (1, os.O_WRONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, mode)  # the lowest free number, which is this one
    if sys.stdout is None:
        sys.stdout = open(1, "w")  # noqa: SIM115 - for the life of the process
    if sys.stderr is None:
        sys.stderr = open(2, "w")  # noqa: SIM115


if __name__ == "__main__":
    main()
