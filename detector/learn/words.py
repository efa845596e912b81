"""What is kept of learnt words, in a folder of models: the pair, and all that it was learnt from.

    NAME.json, NAME.tflite    the pair, which whoever may detect may read
    NAME.takes/               for its owner alone: a FLAC of each take, and index.json, which says what they are
        false-alarms/         what the word was detected in and was not said
        room/                 background
        before/               the pair and the index of the lesson before, for one step back

Everything is data: numbers, names, and sound. A name in an index leads nowhere but into its own folder.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from detector.core.manifest import Manifest, encode_manifest, read_manifest
from detector.core.model import MOST_BYTES as MOST_NETWORK_BYTES
from detector.core.model import Model, load_model
from detector.errors import DetectorError, SettingsError
from detector.files import read_file
from detector.learn.material import (
    MOST_INDEX_BYTES,
    Index,
    Material,
    read_index,
    write_index,
)
from detector.learn.naming import name_of
from detector.learn.sounds import (
    FALSE_ALARMS,
    ROOM,
    add_material,
    find_sounds,
    read_material,
)
from detector.learn.store import (
    PRIVATE_FILE,
    PUBLIC_FILE,
    is_own,
    is_own_folder,
    make_private,
    remove_drafts,
    write_whole,
)

log = logging.getLogger(__name__)

SUFFIX, INDEX, BEFORE = ".takes", "index.json", "before"


class KeptWord:
    """A word in a folder of models, learnt or not. Whoever changes it has the folder `locked`."""

    def __init__(self, folder: Path, word: str) -> None:
        self.word = word
        self.folder = folder
        self.name = name_of(word)
        self.manifest_file = folder / f"{self.name}.json"
        self._network_file = folder / f"{self.name}.tflite"
        self._takes = folder / f"{self.name}{SUFFIX}"
        self._before = self._takes / BEFORE

    @property
    def is_learnt(self) -> bool:
        """Whether something is kept of it."""
        return is_own(self._takes / INDEX)

    @property
    def is_taken(self) -> bool:
        """Whether anything has the name of one file of its pair."""
        return any(file.exists() or file.is_symlink() for file in (self.manifest_file, self._network_file))

    def read_index(self) -> Index:
        """Return what it was learnt from.

        Raises
        ------
        SettingsError
            If that cannot be read, or is not this word's.
        """
        return read_index(self._takes / INDEX, self.word)

    def read(self) -> Material:
        """Return all that it was learnt from.

        Raises
        ------
        SettingsError
            If any of it cannot be read.
        """
        return read_material(self._takes, self.read_index())

    def load(self) -> Model:
        """Return its model, verified.

        Raises
        ------
        ModelError
            As `load_model` does.
        """
        return load_model([str(self.manifest_file)])

    def keep(
        self,
        manifest: Manifest,
        flatbuffer: bytes,
        more: Material,
        *,
        report: Mapping[str, Any],
        false_accepts_per_hour: float,
        only_me: str = "",
    ) -> None:
        """Keep what a lesson made, and what was added for it; of a word that was learnt before, that for one step back.

        Raises
        ------
        SettingsError
            If it cannot be written; what it was learnt from is then as it was.
        """
        old = self.read_index() if self.is_learnt else None
        index = old or Index(word=self.word, false_accepts_per_hour=false_accepts_per_hour)
        index = msgspec.structs.replace(
            index, false_accepts_per_hour=false_accepts_per_hour, only_me=only_me, report=dict(report)
        )
        try:
            make_private(self._takes)
            index = add_material(self._takes, index, more)
            if old is not None:
                self._keep_before()
            write_index(self._takes / INDEX, index)  # first: a pair without an index would be taken for another's
            self._write_pair(encode_manifest(msgspec.structs.replace(manifest, name=self.name)), flatbuffer)
            self._prune()
        except OSError as exc:
            with contextlib.suppress(DetectorError, OSError):
                if old is None:
                    self._network_file.unlink(missing_ok=True)
                    self.forget()
                else:
                    write_index(self._takes / INDEX, old)
                    self._prune()
            raise SettingsError(f"expected to keep '{self.word}' in {self._takes}, found: {exc.strerror}") from exc

    @property
    def changed_ns(self) -> int:
        """When the last lesson that can be undone was kept; 0 without one."""
        return (self._before / INDEX).lstat().st_mtime_ns if is_own(self._before / INDEX) else 0

    def undo(self) -> Index:
        """Go back to the lesson before, whose word this is then; return what it was learnt from.

        Raises
        ------
        SettingsError
            If nothing is kept of one.
        """
        if not is_own(self._before / INDEX):
            raise SettingsError(f"expected a lesson of '{self.word}' before the last one, found none: nothing to undo")
        index = read_index(self._before / INDEX, self.word)
        model = load_model([str(self._before / self.manifest_file.name)])
        flatbuffer = read_file(self._before / self._network_file.name, MOST_NETWORK_BYTES)
        try:
            self._write_pair(encode_manifest(model.manifest), flatbuffer)
            write_index(self._takes / INDEX, index)
            self._forget_before()
            self._prune()
        except OSError as exc:
            raise SettingsError(f"expected to undo a lesson in {self._takes}, found: {exc.strerror}") from exc
        return index

    def forget(self) -> list[Path]:
        """Remove all that is kept of it; return what stays, since it is somebody else's.

        A pair is the word's where its manifest has a head of this word alone.

        Raises
        ------
        SettingsError
            If it cannot be removed.
        """
        try:
            for file in self._find_pair():
                file.unlink()
            self._forget_before()
            for file in (*find_sounds(self._takes), self._takes / INDEX):
                if is_own(file):
                    file.unlink()
            remove_drafts(self._takes)
            for folder in (self._takes / ROOM, self._takes / FALSE_ALARMS, self._takes):
                if is_own_folder(folder):
                    with contextlib.suppress(OSError):  # it stays if somebody else's files are in it
                        folder.rmdir()
        except OSError as exc:
            raise SettingsError(
                f"expected to remove '{self.word}' from {self._takes.parent}, found: {exc.strerror}"
            ) from exc
        return [file for file in (self.manifest_file, self._network_file, self._takes) if file.exists()]

    # ---- parts

    def _write_pair(self, manifest: bytes, flatbuffer: bytes) -> None:
        """Write the network, where it is another, then the manifest that names its checksum."""
        with contextlib.suppress(OSError):
            if read_file(self._network_file, MOST_NETWORK_BYTES) == flatbuffer:
                write_whole(self.manifest_file, manifest, PUBLIC_FILE)
                return
        write_whole(self._network_file, flatbuffer, PUBLIC_FILE)
        write_whole(self.manifest_file, manifest, PUBLIC_FILE)

    def _keep_before(self) -> None:
        """Keep the pair and the index as they are, in place of those from before."""
        make_private(self._before)
        with contextlib.suppress(FileNotFoundError):
            (self._before / INDEX).unlink()  # what is there without it counts for nothing
        for file in (self._network_file, self.manifest_file):
            if not file.is_file():
                return
            write_whole(self._before / file.name, read_file(file, MOST_NETWORK_BYTES), PRIVATE_FILE)
        write_whole(self._before / INDEX, read_file(self._takes / INDEX, MOST_INDEX_BYTES), PRIVATE_FILE)

    def _forget_before(self) -> None:
        if is_own_folder(self._before):
            for name in (INDEX, self.manifest_file.name, self._network_file.name):
                if is_own(self._before / name):
                    (self._before / name).unlink()
            remove_drafts(self._before)
            with contextlib.suppress(OSError):
                self._before.rmdir()

    def _find_pair(self) -> Iterator[Path]:
        """Yield the files of the pair, as far as they are its own."""
        if not is_own(self.manifest_file):
            return
        with contextlib.suppress(DetectorError, OSError):
            manifest = read_manifest(self.manifest_file)
            if manifest.head is not None and manifest.words == (self.word,):
                yield self.manifest_file
                if is_own(self._network_file):
                    yield self._network_file

    def _prune(self) -> None:
        """Remove sounds that neither this lesson nor the one before was learnt from, and what was half written."""
        known = self.read_index().files
        if is_own(self._before / INDEX):
            known |= read_index(self._before / INDEX, self.word).files
        for file in find_sounds(self._takes):
            if file.relative_to(self._takes).as_posix() not in known and is_own(file):
                with contextlib.suppress(OSError):
                    file.unlink()
        for folder in (self._takes, self._takes.parent):
            remove_drafts(folder)


def list_words(folders: Iterable[Path]) -> Iterator[tuple[KeptWord, Index]]:
    """Yield every learnt word in some folders of models, and its index, sorted by name.

    One that cannot be read is logged and left out.
    """
    for folder in folders:
        try:
            kept = sorted(file for file in folder.iterdir() if file.suffix == SUFFIX and is_own(file / INDEX))
        except OSError:  # most machines lack most of them, and the service's is closed to others
            continue
        for file in kept:
            try:
                index = read_index(file / INDEX)
            except SettingsError as exc:
                log.warning("%s", exc)
            else:
                yield KeptWord(folder, index.word), index
