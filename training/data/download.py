"""Fetching the archives of recordings that people begin with: resumed, verified, unpacked whole or not at all."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import logging
import os
import shutil
import tarfile
import time
import urllib.error
import urllib.request
import zlib
from pathlib import Path, PurePosixPath

from detector.errors import DetectorError, SettingsError
from training.data.archives import ALGORITHMS, Archive
from training.progress import Progress, progress

log = logging.getLogger(__name__)

CHUNK_BYTES = 1 << 20
TIMEOUT_S = 30.0
TRIES = 5
"""In a row without a byte more."""
PAUSE_S = 1.0
"""Before the second try; doubled from try to try."""
PARTIAL_CONTENT, NOT_SATISFIABLE = 206, 416
ARCHIVE_FILE = "archive.tar.gz"
"""Packed by bzip2 too."""
MARK_FILE = "made-by-keyword-trainer-download"
"""In a folder that this module made, and may delete from."""


def download(archive: Archive, folder: Path) -> None:
    """Fetch an archive and unpack it into `folder`; go on with what an interrupted call fetched.

    Until it is unpacked everything lies beside the folder, in `NAME.download`, which bears a mark: nothing else is
    ever deleted or written over, whatever its name is.

    Raises
    ------
    SettingsError
        If the folder is there already, and is not empty, `NAME.download` is somebody else's, or the URL is not one of
        the web.
    DetectorError
        If the archive cannot be fetched, is not what it should be, or cannot be unpacked.
    """
    if not archive.url.startswith(("https://", "http://")):
        raise SettingsError(f"expected a URL that begins with https:// or http://, found '{archive.url}'")
    if folder.exists() and not folder.is_dir():
        raise SettingsError(f"expected a new folder to unpack into, found the file {folder}")
    if folder.resolve() == Path.cwd():
        raise SettingsError("expected a new folder to unpack into, found the current one")
    if folder.exists() and any(folder.iterdir()):
        raise SettingsError(f"expected a new folder to unpack into, found {folder} with something in it")
    partial = folder.with_name(f"{folder.name}.download")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _claim(partial)
        file = partial / ARCHIVE_FILE
        _fetch(archive.url, file)
        _verify(file, archive)
        _unpack(file, partial / "unpacked", folder, archive)
        file.unlink()
        (partial / MARK_FILE).unlink()
        partial.rmdir()
    except OSError as exc:
        raise DetectorError(f"expected to write {folder}, found: {exc}") from exc


def _claim(partial: Path) -> None:
    """Make the folder of a download and mark it, or go on with one that bears the mark."""
    if partial.is_symlink() or (partial.exists() and not (partial.is_dir() and _is_ours(partial))):
        raise SettingsError(
            f"expected to download into {partial}, found one there that this command did not make: move it, or name "
            "another folder with --out"
        )
    partial.mkdir(exist_ok=True)
    (partial / MARK_FILE).touch()


def _is_ours(partial: Path) -> bool:
    """Return whether a folder bears the mark, or holds nothing: interrupted before it was marked."""
    return (partial / MARK_FILE).is_file() or not any(partial.iterdir())


def _fetch(url: str, file: Path) -> None:
    """Append to a file what it lacks of a URL, through broken connections."""
    n_tries, pause_s = 0, PAUSE_S
    while True:
        n_before = file.stat().st_size if file.exists() else 0
        try:
            _fetch_rest(url, file, n_before)
        except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError) as exc:
            if isinstance(exc, urllib.error.HTTPError) and exc.code == NOT_SATISFIABLE and n_before:
                return  # there is no more of it: what is there is all, or something else, which its checksum will show
            is_final = isinstance(exc, urllib.error.HTTPError) and exc.code < 500
            n_now = file.stat().st_size if file.exists() else 0
            n_tries, pause_s = (1, PAUSE_S) if n_now > n_before else (n_tries + 1, 2.0 * pause_s)
            if is_final or n_tries >= TRIES:
                raise DetectorError(
                    f"expected to fetch {url}, found: {exc}; {n_now / 1e6:.1f} MB are kept, the same command goes on"
                ) from exc
            log.warning("%s; trying again in %g s", exc, pause_s)
            time.sleep(pause_s)
        else:
            return


def _fetch_rest(url: str, file: Path, n_before: int) -> None:
    request = urllib.request.Request(url, headers={"Range": f"bytes={n_before}-"} if n_before else {})  # noqa: S310
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:  # noqa: S310 - the user's own choice of server
        if response.headers.get("Content-Type", "").startswith("text/"):
            raise ConnectionError("a page came in place of the archive, as from a network that wants a login")
        if response.status != PARTIAL_CONTENT:
            n_before = 0  # the server sends all of it again
        n_bytes = int(response.headers["Content-Length"]) if response.headers["Content-Length"] else None
        n_total = None if n_bytes is None else n_before + n_bytes
        with (
            open(file, "r+b" if n_before else "wb") as out,
            Progress(desc="fetching", initial=n_before, total=n_total, unit="B", unit_scale=True) as bar,
        ):
            out.seek(n_before)
            while chunk := response.read(CHUNK_BYTES):
                out.write(chunk)
                bar.update(len(chunk))
            if n_total is not None and out.tell() < n_total:
                raise ConnectionError("the connection ended early")


def _verify(file: Path, archive: Archive) -> None:
    """Compare a file with its archive's checksum; if it has none, with the one that gzip wrote at its end."""
    if not archive.checksum:
        _verify_whole(file, archive)
        return
    algorithm, _, expected = archive.checksum.partition(":")
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with (
        open(file, "rb") as opened,
        Progress(desc="verifying", total=file.stat().st_size, unit="B", unit_scale=True) as bar,
    ):
        while chunk := opened.read(CHUNK_BYTES):
            digest.update(chunk)
            bar.update(len(chunk))
    if digest.hexdigest() != expected:
        file.unlink()
        found = digest.hexdigest()
        raise DetectorError(
            f"expected {archive.url} with {ALGORITHMS[algorithm]} {expected[:12]}..., found {found[:12]}...: "
            "it was damaged on the way, or is another file; it was removed, try again"
        )


def _verify_whole(file: Path, archive: Archive) -> None:
    try:
        with gzip.open(file) as opened, Progress(desc="verifying", unit="B", unit_scale=True) as bar:
            while chunk := opened.read(CHUNK_BYTES):
                bar.update(len(chunk))
    except (gzip.BadGzipFile, zlib.error, EOFError) as exc:
        file.unlink()
        raise DetectorError(
            f"expected {archive.url} whole, found: {exc}; it was damaged on the way; it was removed, try again"
        ) from exc


def _unpack(file: Path, partial: Path, folder: Path, archive: Archive) -> None:
    """Unpack an archive below the folder that is ours, then move it to where it belongs, whole."""
    if partial.exists():
        shutil.rmtree(partial)  # an interrupted call left it
    partial.mkdir()
    try:
        with tarfile.open(file, "r:*") as opened:
            for member in progress(opened, "unpacking", unit="file"):
                _extract(opened, member, partial)
    except (tarfile.TarError, EOFError) as exc:
        raise DetectorError(f"expected an archive in {file}, found: {exc}") from exc
    n_recordings = sum(1 for _ in partial.rglob("*.wav")) if archive.n_recordings else 0
    if n_recordings != archive.n_recordings:
        file.unlink()
        raise DetectorError(
            f"expected {archive.n_recordings} recordings in {archive.url}, found {n_recordings}: it is another file; "
            "it was removed"
        )
    if folder.exists():
        folder.rmdir()
    partial.replace(folder)


def _extract(archive: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    """Extract a member, if it stays below the folder and is no device.

    Python has a filter for this from 3.11.4 on; Debian 12 has 3.11.2. Without the filter links are refused too, so that
    a name alone says where a file goes, and contents alone are written: no owner, mode or time.

    Raises
    ------
    tarfile.TarError
        With the member that does not.
    """
    if hasattr(tarfile, "data_filter"):
        archive.extract(member, folder, filter="data")
        return
    name = PurePosixPath(os.path.normpath(member.name))
    content = archive.extractfile(member) if member.isfile() else None
    if name.is_absolute() or ".." in name.parts or (content is None and not member.isdir()):
        raise tarfile.ExtractError(f"{member.name!r} is no file or folder below the one it is unpacked into")
    target = folder / name
    if content is None:
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with content, open(target, "wb") as out:
        shutil.copyfileobj(content, out)
