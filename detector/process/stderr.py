"""Keeps what native libraries write to stderr, past Python, out of the user's sight."""

from __future__ import annotations

import logging
import os
import sys
from typing import TextIO


def hide_native_messages() -> None:
    """From now on drop what native libraries write to stderr; Python's own goes on to be seen. For a whole process.

    ALSA and PulseAudio narrate there what PortAudio reports as an error anyway.
    """
    sys.stderr.flush()
    own = os.dup(2)
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 2)
    os.close(devnull)
    stream = open(own, "w", buffering=1, errors="backslashreplace")  # noqa: SIM115 - for the life of the process
    move_log(stream)
    sys.stderr = stream


def move_log(stream: TextIO) -> None:
    """From now on write there what is logged to stderr."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler) and handler.stream is sys.stderr:
            handler.setStream(stream)
