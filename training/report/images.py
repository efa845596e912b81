"""Spectrograms as a tree of images, SPLIT/WORD/CLIP.png: what people who classify pictures begin with."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detector.core.frontend import FrontendSettings, LogMel
from detector.errors import SettingsError
from training.data.collection import Collection
from training.data.items import Item
from training.evaluate.clips import fit_window
from training.progress import progress
from training.report.views import mel_db, mfcc, spectrogram_db

SMALLEST_PIXELS = 160
"""Each value is drawn as so many equal pixels that no image is smaller than this, either way."""

Draw = Callable[[NDArray[np.int16], LogMel], NDArray[np.float64]]
KINDS: dict[str, tuple[Draw, float, float]] = {
    "spectrogram": (lambda samples, log_mel: spectrogram_db(samples, log_mel.settings), -90.0, -10.0),
    "mel": (lambda samples, log_mel: mel_db(log_mel(samples), log_mel.settings), -80.0, -10.0),
    "mfcc": (lambda samples, log_mel: mfcc(log_mel(samples), log_mel.settings)[:, 1:], -12.0, 12.0),
}
"""Kinds of images: what is drawn, shape (n_frames, n_values), and the values that are black and white: the same for all
clips, so that loudness can be seen. The first coefficient is loudness alone, far from all others, and left out."""


def write_images(
    collection: Collection,
    folder: Path,
    *,
    kind: str,
    settings: FrontendSettings,
) -> list[str]:
    """Write the image of every word clip; return a line on what was written.

    Clips are made a second long, as where clips are measured: the middle, or filled up with silence.

    Raises
    ------
    SettingsError
        If Pillow is missing, there are no clips, or the folder cannot be written to.
    """
    try:
        from PIL import Image
    except ImportError as exc:
        raise SettingsError("expected Pillow to write images: pip install pillow") from exc
    log_mel = LogMel(settings)
    draw, darkest, brightest = KINDS[kind]
    positions = sorted(itertools.chain.from_iterable(collection.words().values()))
    clips = [(position, collection.items[position]) for position in positions]
    if not clips:
        raise SettingsError("expected --data with word clips to make images of, found none")
    written: set[Path] = set()
    for position, item in progress(clips, "drawing", unit="image"):
        values = draw(fit_window(collection[position], settings.sample_rate_hz), log_mel).T
        rows, columns = (-(-SMALLEST_PIXELS // n) for n in values.shape)
        file = _name_image(folder / item.split / item.word, item, written)
        written.add(file)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            grey = np.clip((values - darkest) / (brightest - darkest), 0.0, 1.0)[::-1]
            pixels = np.rint(255.0 * grey.repeat(rows, axis=0).repeat(columns, axis=1)).astype(np.uint8)
            Image.fromarray(pixels).save(file)
        except OSError as exc:
            raise SettingsError(f"expected a folder for images, found {file}: {exc.strerror}") from exc
    return [f"{folder}: {len(clips)} images of {len({item.word for _, item in clips})} words"]


def _name_image(folder: Path, item: Item, written: set[Path]) -> Path:
    """Return where the image of a clip goes: clips of one recording, or of folders that name alike, have one each."""
    stem = Path(item.path).stem
    if item.span_s is not None:
        stem += f"-{item.span_s[0]:.3f}"
    if item.record is not None:
        stem += f"-{item.record[0]}"
    file, n_alike = folder / f"{stem}.png", 1
    while file in written:
        n_alike += 1
        file = folder / f"{stem}-{n_alike}.png"
    return file
