"""Worker processes: how they end."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading


def work_for_parent() -> None:
    """Leave Ctrl-C to the parent, and end when it was killed and could not end this worker. Call first in each."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this worker with its parent, be it before this worker had begun."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
