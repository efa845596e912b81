"""Other programs, run once for what they write: within limits of time and size, without a shell."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence

from detector.errors import DetectorError, SettingsError

MOST_BYTES = 64 << 20
"""Of what a program may write."""
MESSAGE_BYTES = 4096
"""Are kept of its complaints: the last line of them is shown."""
PIECE_BYTES = 1 << 16


def run_program(
    command: Sequence[str],
    *,
    given: str = "",
    timeout_s: float,
    most_bytes: int = MOST_BYTES,
    good: Sequence[int] = (0,),
    package: str | None = None,
) -> bytes:
    """Run a program and return what it writes to standard output. What it started ends with it.

    Parameters
    ----------
    command : sequence of str
        The program and its arguments. What a person wrote stands behind "--", or after the option that it belongs to.
    given : str
        What it reads from standard input.
    timeout_s : float
        After which it is killed.
    most_bytes : int
        Of standard output; a program that writes more is killed.
    good : sequence of int
        Exit codes that are no failure.
    package : str, optional
        What installs it, where that is not the name of the program.

    Raises
    ------
    SettingsError
        If there is no such program.
    DetectorError
        If it cannot be run, fails, runs on or writes on.
    """
    shown = " ".join(command)
    with tempfile.TemporaryFile() as text:
        text.write(given.encode())
        text.seek(0)
        try:
            process = subprocess.Popen(
                command, stdin=text, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
            )
        except FileNotFoundError as exc:
            program = os.path.basename(command[0])  # noqa: PTH119
            raise SettingsError(
                f"expected the program {program} to speak words, found none: install it with "
                f"{package or f'sudo apt-get install {program}'}"
            ) from exc
        except OSError as exc:
            raise DetectorError(f"expected '{shown}' to run, found that it cannot ({exc}): is it installed?") from exc
    with process:
        try:
            written, messages = _read(process, timeout_s, most_bytes)
        except subprocess.TimeoutExpired as exc:
            _kill(process)
            raise DetectorError(f"expected '{shown}' to end within {timeout_s:g} s, found it running") from exc
        except BaseException:
            _kill(process)
            raise
    if len(written) > most_bytes:
        raise DetectorError(
            f"expected '{shown}' to write at most {most_bytes} bytes, found more: does it work by hand?"
        )
    if process.returncode not in good:
        lines = messages.decode(errors="replace").strip().splitlines()
        found = f"exit code {process.returncode}" + (f" ({lines[-1]})" if lines else "")
        raise DetectorError(f"expected '{shown}' to speak, found {found}: does it work by hand?")
    return written


def _read(process: subprocess.Popen[bytes], timeout_s: float, most_bytes: int) -> tuple[bytes, bytes]:
    """Return what a program writes until it ends, and the end of its messages; one that writes too much is killed."""
    ends_at_s = time.monotonic() + timeout_s
    assert process.stdout is not None
    assert process.stderr is not None
    written, messages = bytearray(), bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ, written)
        selector.register(process.stderr, selectors.EVENT_READ, messages)
        while selector.get_map():
            ready = selector.select(max(0.0, ends_at_s - time.monotonic()))
            if not ready:
                raise subprocess.TimeoutExpired(process.args, timeout_s)
            for key, _ in ready:
                piece = os.read(key.fd, PIECE_BYTES)
                key.data.extend(piece)
                if not piece:
                    selector.unregister(key.fileobj)
            del messages[:-MESSAGE_BYTES]
            if len(written) > most_bytes:
                _kill(process)
                return bytes(written), bytes(messages)
    process.wait(max(0.0, ends_at_s - time.monotonic()))
    return bytes(written), bytes(messages)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a program that has not been waited for, and what it started."""
    if process.returncode is None:
        os.killpg(process.pid, signal.SIGKILL)
