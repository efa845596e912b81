"""Decoded recordings in one file, kept between runs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from detector.errors import SettingsError
from training.data import decode
from training.data.items import Item
from training.data.tfds import read_record


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
    def build(cls, items: Sequence[Item], *, folder: Path, sample_rate_hz: int) -> WaveformStore:
        """Decode recordings into `folder`, or reuse what an earlier run decoded of the same, wherever they lay then."""
        fingerprint = hashlib.sha256(f"{decode.DECODED_FORMAT} {sample_rate_hz}".encode())
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
                    decoded = pool.map(lambda item: decode.read_item(item, sample_rate_hz), items)
                    for samples in tqdm(decoded, "decoding", len(items), unit="file", disable=None):
                        out.write(samples.tobytes())
                        offsets.append(offsets[-1] + len(samples))
                np.save(Path(partial) / offsets_file.name, np.array(offsets))
                for written in (file, offsets_file):  # the offsets last: their presence says that the store is complete
                    (Path(partial) / written.name).replace(written)
        return cls(file)


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
