"""What the native code of a TFLite runtime writes to stderr, past Python."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Iterator

log = logging.getLogger(__name__)


@contextlib.contextmanager
def native_messages_to_log() -> Iterator[None]:
    """Redirect the file descriptor of stderr to the log, at level debug. Affects the whole process."""
    sys.stderr.flush()
    kept = os.dup(2)
    descriptor = os.memfd_create("messages") if hasattr(os, "memfd_create") else os.open(os.devnull, os.O_RDWR)
    with open(descriptor, "w+b") as messages:
        os.dup2(messages.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            messages.seek(0)
            for line in messages.read().decode(errors="replace").splitlines():
                log.debug("%s", line)
