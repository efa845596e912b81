"""Where each thread is, for somebody who asks a running daemon."""

from __future__ import annotations

import sys
import threading
import traceback
from pathlib import PurePath


def describe_threads() -> list[str]:
    """Return a line for each thread: its name, and the calls that it is in, innermost first.

    Read by Python's own means, between two of its instructions. faulthandler prints stacks from within a signal: it
    may read that of a thread that runs on while it changes, and end the process.
    """
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    lines = []
    for ident, frame in sys._current_frames().items():  # noqa: SLF001 - CPython's documented way
        calls = [
            f"{call.f_code.co_name} ({PurePath(call.f_code.co_filename).name}:{number})"
            for call, number in traceback.walk_stack(frame)
        ]
        lines.append(f"thread {names.get(ident, ident)}: {' < '.join(calls)}")
    return lines
