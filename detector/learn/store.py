"""Files that a learnt word is kept in: written whole or not at all, read up to a size, and who owns them."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from detector.errors import SettingsError

PUBLIC_FILE, PRIVATE_FILE = 0o644, 0o600
PRIVATE_FOLDER = 0o700
DRAFT_NAME = re.compile(r"\.keyword-detector-[0-9a-f]{16}")


def write_whole(file: Path, content: bytes, mode: int) -> None:
    """Write a file, in place of one that is there: whoever opens it at any time finds all of one or of the other.

    Raises
    ------
    OSError
        If it cannot be written; what was there is there then.
    """
    draft = file.with_name(f".keyword-detector-{os.urandom(8).hex()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, PRIVATE_FILE)
    try:
        with open(descriptor, "wb") as out:
            os.fchmod(descriptor, mode)  # whatever the umask was
            out.write(content)
            out.flush()
            os.fsync(descriptor)  # or a power cut may leave the name of it, and nothing in it
        draft.rename(file)
    except OSError:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise


def is_own(file: Path) -> bool:
    """Return whether there is a regular file of this user, and no link; root may take anybody's for its own."""
    try:
        found = file.lstat()
    except (OSError, ValueError):
        return False
    return stat.S_ISREG(found.st_mode) and os.geteuid() in (0, found.st_uid)


def is_own_folder(folder: Path) -> bool:
    """Return whether there is a folder of this user, and no link to one; root may take anybody's for its own."""
    try:
        found = folder.lstat()
    except (OSError, ValueError):
        return False
    return stat.S_ISDIR(found.st_mode) and os.geteuid() in (0, found.st_uid)


def make_private(folder: Path) -> None:
    """Make a folder that its owner alone can look into, unless it is there.

    Raises
    ------
    OSError
        If it cannot be made, or something else has its name.
    """
    with contextlib.suppress(FileExistsError):
        folder.mkdir(PRIVATE_FOLDER)
        folder.chmod(PRIVATE_FOLDER)  # whatever the umask was
    if not is_own_folder(folder):
        raise OSError(errno.EEXIST, "something else of that name is there, or another user's folder", str(folder))


def remove_drafts(folder: Path) -> None:
    """Remove what a process left in a folder that ended while it wrote."""
    with contextlib.suppress(OSError):
        for file in folder.iterdir():
            if DRAFT_NAME.fullmatch(file.name) and is_own(file):
                file.unlink()


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes from learning into a folder inside this block; it is made if it is missing.

    Raises
    ------
    SettingsError
        If it cannot be made or opened, or another process learns into it.
    """
    try:
        if not folder.is_dir():
            folder.mkdir(0o755, parents=True, exist_ok=True)
            folder.chmod(0o755)  # a service, which is another user, reads models in it
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except (OSError, ValueError) as exc:
        why = exc.strerror if isinstance(exc, OSError) else exc
        raise SettingsError(f"expected a folder to keep learnt words in, found {folder}: {why}") from exc
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as exc:
        raise SettingsError(f"expected one that learns into {folder} at a time, found another: try again") from exc
    finally:
        os.close(descriptor)
