"""Decoded recordings in one file, kept between runs.

`NAME.int16` holds the samples, one recording after another, `NAME.offsets.npy` where each begins, `NAME.contents.npy`
what each was decoded from, so that a store of nearly the same recordings decodes only those that are new.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detector.errors import AudioFileError, SettingsError
from detector.types import Channel
from training.data import decode
from training.data.items import Item
from training.data.tfds import read_record
from training.progress import Progress

Decoded = NDArray[np.int16] | AudioFileError
N_NAMED = 5
"""Recordings that an error names, of those that failed."""
MOST_DAMAGED = 0.1
"""Share of the recordings, and at least one, that may be damaged: where there are more, something else is wrong."""
KEY_BYTES = 32
NOT_DECODED = bytes(KEY_BYTES)
"""In place of the key of a recording that could not be decoded."""


class _Form(NamedTuple):
    """What recordings are decoded to."""

    sample_rate_hz: int
    channel: Channel


class WaveformStore:
    """The decoded recordings of a data set in one memory-mapped file, so that worker processes share them."""

    def __init__(self, file: Path) -> None:
        """Open a store that `build` has written."""
        self.file = file
        self.failed: dict[int, AudioFileError] = {}
        """Why some recordings, which have no samples here, could not be decoded, by position."""
        self._offsets: NDArray[np.int64] = np.load(file.with_suffix(".offsets.npy"))
        n_samples = int(self._offsets[-1])
        self._samples = np.memmap(file, np.int16, "r") if n_samples else np.empty(0, dtype=np.int16)
        if len(self._samples) != n_samples:
            raise SettingsError(f"expected {n_samples} samples in {file}, found {len(self._samples)}: delete this file")

    def __reduce__(self) -> tuple[type[WaveformStore], tuple[Path]]:
        """Go to another process as a file's name, not as its samples."""
        return type(self), (self.file,)

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def __getitem__(self, position: int) -> NDArray[np.int16]:
        """Return all samples of a recording, as a read-only view."""
        return self._samples[self._offsets[position] : self._offsets[position + 1]]

    @classmethod
    def build(
        cls, items: Sequence[Item], *, folder: Path, sample_rate_hz: int, channel: Channel = "auto"
    ) -> WaveformStore:
        """Decode recordings into `folder`, or reuse what an earlier run decoded of the same, wherever they lay then.

        What another store in the folder holds is copied from it. Recordings that cannot be decoded have no samples, and
        `failed` says why.

        Raises
        ------
        AudioFileError
            If many recordings cannot be decoded: one error for all of them. What could be is kept.
        """
        _check_access(items)
        form = _Form(sample_rate_hz, channel)
        made_by = f"{decode.DECODED_FORMAT} {sample_rate_hz} {channel}".encode()
        fingerprint, keys = hashlib.sha256(made_by), []
        # Their times change whenever a folder is copied; reading 60,000 clips takes two seconds.
        for item_digest in digest(items):
            fingerprint.update(item_digest)
            keys.append(hashlib.sha256(made_by + item_digest).digest())
        file = folder / f"{fingerprint.hexdigest()[:16]}.int16"
        with ThreadPoolExecutor() as pool:
            failed = _retry(items, file, form, pool)
            if failed is None:
                folder.mkdir(parents=True, exist_ok=True)
                failed = _write(items, keys, file, form, pool)
        if len(failed) > max(1, round(MOST_DAMAGED * len(items))):
            _raise_all(list(dict.fromkeys(failed.values())), len(items))
        store = cls(file)
        store.failed = failed
        return store


def _retry(
    items: Sequence[Item], file: Path, form: _Form, pool: ThreadPoolExecutor
) -> dict[int, AudioFileError] | None:
    """Return why recordings that a store lacks still cannot be decoded; None without a store, or where one now can."""
    if not file.with_suffix(".offsets.npy").is_file():
        return None
    keys = _read_keys(file)
    gaps = [position for position, key in enumerate(keys) if key == NOT_DECODED]
    decoded = dict(zip(gaps, _decode_all([items[position] for position in gaps], form, pool), strict=True))
    failed = {position: samples for position, samples in decoded.items() if isinstance(samples, AudioFileError)}
    return failed if len(failed) == len(gaps) else None


def _write(
    items: Sequence[Item], keys: Sequence[bytes], file: Path, form: _Form, pool: ThreadPoolExecutor
) -> dict[int, AudioFileError]:
    """Write a store; return why some of its recordings could not be decoded."""
    known = _find_known(file.parent, set(keys))
    lacking = [item for item, key in zip(items, keys, strict=True) if key not in known]
    decoded = _decode_all(lacking, form, pool)
    offsets, failed = [0], dict[int, AudioFileError]()
    # Under other names until whole: another run may decode the same, and this one may be killed.
    with TemporaryDirectory(dir=file.parent) as partial:
        with (
            open(Path(partial) / file.name, "wb") as out,
            Progress(desc="decoding", total=len(lacking), unit="file") as bar,
        ):
            for position, key in enumerate(keys):
                if key in known:
                    store, place = known[key]
                    samples: Decoded = store[place]
                else:
                    samples = next(decoded)
                    bar.update()
                if isinstance(samples, AudioFileError):
                    failed[position] = samples
                    samples = np.empty(0, dtype=np.int16)
                out.write(samples.tobytes())
                offsets.append(offsets[-1] + len(samples))
        kept = b"".join(NOT_DECODED if position in failed else key for position, key in enumerate(keys))
        offsets_file, contents_file = file.with_suffix(".offsets.npy"), file.with_suffix(".contents.npy")
        np.save(Path(partial) / offsets_file.name, np.array(offsets))
        np.save(Path(partial) / contents_file.name, np.frombuffer(kept, dtype=np.uint8).reshape(-1, KEY_BYTES))
        # The offsets last: their presence says that the store is complete.
        offsets_file.unlink(missing_ok=True)
        for written in (file, contents_file, offsets_file):
            (Path(partial) / written.name).replace(written)
    return failed


def _read_keys(file: Path) -> list[bytes]:
    """Return the key of each recording of a store; none of one that earlier versions wrote."""
    contents = file.with_suffix(".contents.npy")
    return [row.tobytes() for row in np.load(contents)] if contents.is_file() else []


def _find_known(folder: Path, wanted: set[bytes]) -> dict[bytes, tuple[WaveformStore, int]]:
    """Return in which store of a folder, and where in it, some recordings are."""
    known: dict[bytes, tuple[WaveformStore, int]] = {}
    for contents in sorted(folder.glob("*.contents.npy")):
        file = contents.with_name(contents.name.replace(".contents.npy", ".int16"))
        try:
            keys, store = _read_keys(file), WaveformStore(file)
        except (OSError, ValueError, SettingsError):
            continue  # half deleted by hand
        if len(keys) == len(store):
            known |= {key: (store, place) for place, key in enumerate(keys) if key in wanted}
    return known


def _check_access(items: Sequence[Item]) -> None:
    """Refuse files that may not be read, before any is."""
    paths = dict.fromkeys(item.path for item in items)
    denied = [path for path in paths if not os.access(path, os.R_OK)]
    _raise_all(
        [AudioFileError(f"expected to read {path}, found {path} that cannot be read") for path in denied], len(paths)
    )


def _decode_all(items: Sequence[Item], form: _Form, pool: ThreadPoolExecutor) -> Iterator[Decoded]:
    """Yield the samples of each item, or its error, in order; a recording of many parts is decoded once."""
    parts: dict[str, list[int]] = {}
    for position, item in enumerate(items):
        if item.span_s is not None:
            parts.setdefault(item.path, []).append(position)
    whole = pool.map(
        lambda item: None if item.span_s is not None else _decode(item, form),
        items,
    )
    cut: dict[int, Decoded] = {}
    for position, (item, samples) in enumerate(zip(items, whole, strict=True)):
        if samples is not None:
            yield samples
            continue
        if position not in cut:
            positions = parts[item.path]
            cut |= zip(positions, _cut(item.path, [items[k].span_s for k in positions], form), strict=True)
        yield cut.pop(position)


def _decode(item: Item, form: _Form) -> Decoded:
    try:
        return decode.read_item(item, form.sample_rate_hz, channel=form.channel)
    except AudioFileError as exc:
        return exc


def _cut(path: str, spans_s: Sequence[tuple[float, float] | None], form: _Form) -> Sequence[Decoded]:
    try:
        return decode.read_parts(path, form.sample_rate_hz, spans_s, channel=form.channel)
    except AudioFileError as exc:
        return [exc] * len(spans_s)


def _raise_all(failed: Sequence[AudioFileError], n_all: int) -> None:
    """Raise one error for all recordings that failed."""
    if len(failed) == 1:
        raise failed[0]
    if failed:
        first = "; ".join(str(error).removeprefix("expected a recording, found ") for error in failed[:N_NAMED])
        more = f"; and {len(failed) - N_NAMED} more" if len(failed) > N_NAMED else ""
        raise AudioFileError(
            f"expected sound in {n_all} recordings, found {len(failed)} to be mended or removed: {first}{more}"
        )


def digest(items: Iterable[Item]) -> Iterator[bytes]:
    """Yield the SHA-256 of each item's bytes, wherever they lie now, and of what part of them it is."""
    known = ""
    for item in items:
        if item.record is not None:
            yield hashlib.sha256(read_record(Path(item.path), item.record)).digest()
            continue
        if item.path != known:
            known, whole = item.path, hashlib.sha256(Path(item.path).read_bytes())
        yield (
            whole.digest()
            if item.span_s is None
            else hashlib.sha256(whole.digest() + repr(item.span_s).encode()).digest()
        )
