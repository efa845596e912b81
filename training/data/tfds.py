"""What TensorFlow Datasets prepares of Speech Commands: TFRecord files, and the names of labels beside them."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detector.errors import SettingsError
from training.data.items import SILENCE_FOLDER, SPLIT_NAMES, Item, Kind

TFDS_RATE_HZ = 16000
"""Of the Speech Commands that TensorFlow Datasets prepares."""


def index_records(files: Sequence[Path]) -> Iterator[Item]:
    """Find the clips in the files that TensorFlow Datasets prepares; it keeps no speakers, but the official splits.

    Raises
    ------
    SettingsError
        If TensorFlow is missing, or the files are of several data sets, damaged, or without their labels.
    """
    try:
        from tensorflow.train import Example
    except ImportError as exc:
        raise SettingsError(f"expected TensorFlow, which wrote {files[0]}, to read it, found none") from exc

    folders = sorted({str(file.parent) for file in files})
    if len(folders) > 1:
        raise SettingsError(
            f"expected one data set of TensorFlow Datasets, found several: name one of {', '.join(folders)}"
        )
    labels_files = sorted(files[0].parent.glob("*label.labels.txt"))
    if not labels_files:
        raise SettingsError(f"expected the names of labels beside {files[0]}, found no *label.labels.txt")
    names = labels_files[0].read_text(encoding="utf-8").split()
    for file in files:
        found = re.search(r"-(train|validation|test)\.tfrecord-", file.name)
        if found is None:
            raise SettingsError(f"expected a file of the split train, validation or test, found {file}")
        split = SPLIT_NAMES[found[1]]
        for place in read_record_places(file):
            features = Example.FromString(read_record(file, place)).features.feature
            word = names[features["label"].int64_list.value[0]]
            kind = Kind.NOISE if word == SILENCE_FOLDER else Kind.WORD
            yield Item(
                path=str(file),
                kind=kind,
                split=split,
                word="" if kind == Kind.NOISE else word,
                record=place,
                is_split_given=True,
            )


def read_record_places(file: Path) -> Iterator[tuple[int, int]]:
    """Yield where each record of a TFRecord file lies, and how many bytes it has.

    A record is its length (64 bit), a checksum (32 bit), the bytes, and their checksum (tensorflow.org/tutorials/
    load_data/tfrecord).
    """
    size, position = file.stat().st_size, 0
    with open(file, "rb") as opened:
        while position + 16 <= size:
            opened.seek(position)
            (n_bytes,) = struct.unpack("<Q", opened.read(8))
            if position + 16 + n_bytes > size:
                raise SettingsError(f"expected whole records in {file}, found one that ends after the file")
            yield position + 12, n_bytes
            position += 16 + n_bytes


def read_record(file: Path, place: tuple[int, int]) -> bytes:
    """Return the bytes of a record."""
    with open(file, "rb") as opened:
        opened.seek(place[0])
        return opened.read(place[1])


def read_clip(file: Path, place: tuple[int, int]) -> NDArray[np.int16]:
    """Return the samples of a record, shape (n_samples,), at `TFDS_RATE_HZ`."""
    from tensorflow.train import Example

    features = Example.FromString(read_record(file, place)).features.feature
    return np.array(features["audio"].int64_list.value, dtype=np.int16)
