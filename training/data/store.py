"""Decoded recordings in one file, kept between runs."""

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
from tqdm import tqdm

from detector.errors import AudioFileError, SettingsError
from detector.types import Channel
from training.data import decode
from training.data.items import Item
from training.data.tfds import read_record

Decoded = NDArray[np.int16] | AudioFileError
N_NAMED = 5
"""Recordings that an error names, of those that failed."""


class _Form(NamedTuple):
    """What recordings are decoded to."""

    sample_rate_hz: int
    channel: Channel


class WaveformStore:
    """The decoded recordings of a data set in one memory-mapped file, so that worker processes share them."""

    def __init__(self, file: Path) -> None:
        """Open a store that `build` has written."""
        self.file = file
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

        Raises
        ------
        AudioFileError
            If recordings cannot be decoded: one error for all of them.
        """
        _check_access(items)
        fingerprint = hashlib.sha256(f"{decode.DECODED_FORMAT} {sample_rate_hz} {channel}".encode())
        # Their times change whenever a folder is copied; reading 60,000 clips takes two seconds.
        for item_digest in digest(items):
            fingerprint.update(item_digest)
        file = folder / f"{fingerprint.hexdigest()[:16]}.int16"
        offsets_file = file.with_suffix(".offsets.npy")
        if not offsets_file.is_file():
            folder.mkdir(parents=True, exist_ok=True)
            offsets = [0]
            # Under other names until whole: another run may decode the same, and this one may be killed.
            with TemporaryDirectory(dir=folder) as partial, ThreadPoolExecutor() as pool:
                with open(Path(partial) / file.name, "wb") as out:
                    failed: list[AudioFileError] = []
                    decoded = _decode_all(items, _Form(sample_rate_hz, channel), pool)
                    for samples in tqdm(decoded, "decoding", len(items), unit="file", disable=None):
                        if isinstance(samples, AudioFileError):
                            failed.append(samples)
                            continue
                        out.write(samples.tobytes())
                        offsets.append(offsets[-1] + len(samples))
                    _raise_all(failed, len(items))
                np.save(Path(partial) / offsets_file.name, np.array(offsets))
                for written in (file, offsets_file):  # the offsets last: their presence says that the store is complete
                    (Path(partial) / written.name).replace(written)
        return cls(file)


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
        return [exc, *([np.empty(0, dtype=np.int16)] * (len(spans_s) - 1))]  # once for all of its parts


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
