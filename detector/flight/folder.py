"""The folder that the flight recorder writes into: one recorder at a time, and nothing but its own is touched.

What is recorded and not kept has no name there: it is written to files that are unlinked as soon as they are made, so
that it ends with the process, however that ends. What is kept gets its name once it is whole. Names that are there are
never followed as links and never overwritten.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from detector.errors import AudioFileError, SettingsError

PRIVATE_FILE, PRIVATE_FOLDER = 0o600, 0o700
DRAFT_NAME = re.compile(r"\.keyword-detector-[0-9a-f]{16}")
KEPT_NAME = re.compile(r"(?P<stem>\d{8}-\d{6}-\d{3}-[\w-]+)\.json")
"""Of half a recording: the other has the same stem."""
SOUND_MAGIC, FLIGHT_MAGIC = b"fLaC", b'{"format":'
"""What the two files of a recording begin with."""
RING_FOLDER, RING_NAME = "ring", re.compile(r"\d{9}\.flac|partial|partial\.json")
"""Where recorders of before kept, by name, what they recorded."""


class Draft(NamedTuple):
    """A file that is being written."""

    name: str
    descriptor: int


class RecordingFolder:
    """A folder that is open and locked while it is recorded into. One thread only."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    def open(self) -> None:
        """Make the folder if it is missing, and lock it; once that is so, see to it that it stays so.

        Somebody may remove the folder, or put another in its place, at any time: this is called at every beginning.

        Raises
        ------
        OSError
            If it cannot be made or opened, or another process records into it.
        """
        if self._descriptor is not None:
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(self.path.stat(), os.fstat(self._descriptor)):
                    return
        self.close()
        with contextlib.suppress(FileExistsError):
            self.path.mkdir(PRIVATE_FOLDER, parents=True)
            self.path.chmod(PRIVATE_FOLDER)  # whatever the umask was
        descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            _lock(descriptor, self.path)
        except OSError:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        self._remove_left_over()

    def close(self) -> None:
        """Give the folder back; may be done twice."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def create(self) -> Draft:
        """Create a file that its owner alone can read; its descriptor is the caller's to close.

        Raises
        ------
        OSError
            If it cannot be created.
        """
        self.open()
        name = f".keyword-detector-{os.urandom(8).hex()}"
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(name, flags, PRIVATE_FILE, dir_fd=self._descriptor)
        os.fchmod(descriptor, PRIVATE_FILE)  # whatever the umask was
        return Draft(name, descriptor)

    def create_nameless(self) -> int:
        """Create a file that nobody else can open, and that is gone when its descriptor, the caller's, is closed.

        Raises
        ------
        OSError
            If it cannot be created.
        """
        draft = self.create()
        self.discard(draft)
        return draft.descriptor

    def discard(self, draft: Draft) -> None:
        """Remove a draft, if it still has that name."""
        with contextlib.suppress(OSError):
            os.unlink(draft.name, dir_fd=self._descriptor)

    def name(self, draft: Draft, name: str) -> None:
        """Give a draft the name that it is kept by.

        Raises
        ------
        OSError
            If something has that name, or it cannot be given.
        """
        if self.has(name):
            raise FileExistsError(errno.EEXIST, "something of that name is there", name)
        os.rename(draft.name, name, src_dir_fd=self._descriptor, dst_dir_fd=self._descriptor)

    def has(self, name: str) -> bool:
        """Return whether there is anything of a name, be it a link to nowhere."""
        try:
            os.stat(name, dir_fd=self._descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return True

    def make_room(self, most_bytes: float) -> None:
        """Remove the oldest of what was kept until the rest fits; the last one stays.

        A recording is one whose two halves, or what is left of them, are regular files of this user, are named and
        begin as the recorder has them. Anything else is somebody's, whatever it is called, and stays.
        """
        kept = sorted(self._find_kept())
        while len(kept) > 1 and sum(n_bytes for _, n_bytes, _ in kept) > most_bytes:
            for name in kept.pop(0)[2]:
                with contextlib.suppress(OSError):
                    os.unlink(name, dir_fd=self._descriptor)

    def _find_kept(self) -> Iterator[tuple[int, int, list[str]]]:
        """Yield time, bytes and files of each recording; of these the last to go is the one that shows whose it is."""
        for beside in _list(self._descriptor):
            name = KEPT_NAME.fullmatch(beside)
            flight = name and self._look_at(beside, FLIGHT_MAGIC)
            if name and flight:
                sound = self._look_at(f"{name['stem']}.flac", SOUND_MAGIC)
                files = [f"{name['stem']}.flac", beside] if sound else [beside]
                yield flight.st_mtime_ns, flight.st_size + (sound.st_size if sound else 0), files

    def _look_at(self, name: str, *magic: bytes, folder: int | None = None) -> os.stat_result | None:
        """Return what a file is, if it is a regular one of this user that begins in one of some ways."""
        with contextlib.suppress(OSError):
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            descriptor = os.open(name, flags, dir_fd=self._descriptor if folder is None else folder)
            try:
                found = os.fstat(descriptor)
                is_own = stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid()
                if is_own and os.read(descriptor, 16).startswith(magic):
                    return found
            finally:
                os.close(descriptor)
        return None

    def _remove_left_over(self) -> None:
        """Remove what a process left that was killed while it wrote: nobody knows its state any more."""
        for name in _list(self._descriptor):
            if DRAFT_NAME.fullmatch(name) and self._look_at(name, b""):
                with contextlib.suppress(OSError):
                    os.unlink(name, dir_fd=self._descriptor)
        with contextlib.suppress(OSError):
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            ring = os.open(RING_FOLDER, flags, dir_fd=self._descriptor)
            try:
                for name in filter(RING_NAME.fullmatch, _list(ring)):
                    found = self._look_at(name, SOUND_MAGIC, FLIGHT_MAGIC, folder=ring)
                    if found or self._is_empty(name, ring):
                        os.unlink(name, dir_fd=ring)
            finally:
                os.close(ring)
            os.rmdir(RING_FOLDER, dir_fd=self._descriptor)  # it stays if somebody else's files are in it

    def _is_empty(self, name: str, folder: int) -> bool:
        found = self._look_at(name, b"", folder=folder)
        return found is not None and found.st_size == 0


def _list(descriptor: int | None) -> list[str]:
    with os.scandir(descriptor) as entries:
        return [entry.name for entry in entries]


def open_folder(path: Path) -> RecordingFolder:
    """Return a folder that can be recorded into; one that another process records into is returned unopened.

    Raises
    ------
    SettingsError
        If it cannot be written to.
    """
    folder = RecordingFolder(path)
    try:
        folder.open()
        os.close(folder.create_nameless())
    except (OSError, ValueError) as exc:
        if not (isinstance(exc, OSError) and exc.errno == errno.EBUSY):
            why = exc.strerror if isinstance(exc, OSError) else exc
            raise SettingsError(f"expected a folder to record into, found {path}: {why}") from exc
    return folder


def find_newest(path: Path) -> Path:
    """Return the newest recording that was kept in a folder, by the JSON file of the two.

    Raises
    ------
    AudioFileError
        If there is none, or the folder cannot be read.
    """
    try:
        kept = [
            file for file in path.iterdir() if KEPT_NAME.fullmatch(file.name) and file.with_suffix(".flac").is_file()
        ]
        return max(kept, key=lambda file: (file.stat().st_mtime_ns, file.name))
    except OSError as exc:
        raise AudioFileError(f"expected a folder that is recorded into, found {path}: {exc.strerror}") from exc
    except ValueError as exc:
        raise AudioFileError(f"expected a recording that was kept in {path}, found none") from exc


def check_folder(path: Path) -> None:
    """Refuse a folder that cannot be recorded into, as `open_folder` does; one that was missing is so afterwards.

    Raises
    ------
    SettingsError
        If it cannot be written to.
    """
    missing = [folder for folder in (path, *path.parents) if not os.path.lexists(folder)]
    try:
        open_folder(path).close()
    finally:
        for folder in missing:
            with contextlib.suppress(OSError):
                folder.rmdir()


def _lock(descriptor: int, path: Path) -> None:
    """Lock a folder for as long as it is open.

    Raises
    ------
    OSError
        If another process has locked it.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as exc:
        raise OSError(errno.EBUSY, "another process records into it", str(path)) from exc
    except OSError:  # a file system without locks: whoever records to it twice gets both
        pass
