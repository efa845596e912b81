"""Sounds that a learnt word is kept as: FLAC at 16 kHz, numbered, for their owner alone."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import numpy as np
import soundfile
from numpy.typing import NDArray

from detector.errors import SettingsError
from detector.files import open_regular
from detector.learn.material import Index, KeptSound, KeptTake, Material, Sound
from detector.learn.speech import RATE_HZ
from detector.learn.store import PRIVATE_FILE, is_own_folder, make_private, write_whole
from detector.learn.takes import Take

LONGEST_TAKE_S, LONGEST_SOUND_S = 10.0, 600.0
FALSE_ALARMS, ROOM = "false-alarms/", "room/"
"""Folders for what is no take."""


def add_material(folder: Path, index: Index, more: Material) -> Index:
    """Write more of what a word is learnt from into its folder; return the index that lists that, too.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    files = write_sounds(folder, "", [take.samples for take in more.takes])
    takes = [
        KeptTake(file, take.start, take.end, take.source, take.speaker)
        for file, take in zip(files, more.takes, strict=True)
    ]
    return msgspec.structs.replace(
        index,
        takes=(*index.takes, *takes),
        false_alarms=(*index.false_alarms, *_add_sounds(folder, FALSE_ALARMS, more.false_alarms)),
        room=(*index.room, *_add_sounds(folder, ROOM, more.room)),
    )


def _add_sounds(folder: Path, place: str, sounds: Sequence[Sound]) -> list[KeptSound]:
    files = write_sounds(folder, place, [sound.samples for sound in sounds])
    return [KeptSound(file, sound.source) for file, sound in zip(files, sounds, strict=True)]


def read_material(folder: Path, index: Index) -> Material:
    """Read all that an index lists.

    Raises
    ------
    SettingsError
        If any of it cannot be read.
    """
    takes = []
    for kept in index.takes:
        samples = read_sound(folder / kept.file, LONGEST_TAKE_S)
        if not kept.start < kept.end <= len(samples):
            raise SettingsError(
                f"expected a word within {folder / kept.file}, found it from {kept.start} to {kept.end}"
            )
        takes.append(Take(samples, kept.start, kept.end, kept.source, kept.speaker))
    false_alarms, room = (
        tuple(Sound(read_sound(folder / kept.file, LONGEST_SOUND_S), kept.source) for kept in kind)
        for kind in (index.false_alarms, index.room)
    )
    return Material(tuple(takes), false_alarms, room)


def write_sounds(folder: Path, place: str, sounds: Sequence[NDArray[np.int16]]) -> list[str]:
    """Write sounds into a place in a folder, under the next free numbers; return their names in the folder.

    Raises
    ------
    OSError
        If one cannot be written.
    """
    if not sounds:
        return []
    make_private(folder / place)
    first = 1 + max((int(file.stem) for file in _find_numbered(folder / place)), default=0)
    names = [f"{place}{first + k:04d}.flac" for k in range(len(sounds))]
    for name, samples in zip(names, sounds, strict=True):
        write_sound(folder / name, samples)
    return names


def find_sounds(folder: Path) -> Iterator[Path]:
    """Yield all files in a folder that are named as sounds of a word are."""
    for place in ("", FALSE_ALARMS, ROOM):
        if is_own_folder(folder / place):
            yield from _find_numbered(folder / place)


def _find_numbered(folder: Path) -> list[Path]:
    return sorted(file for file in folder.glob("*.flac") if file.stem.isascii() and file.stem.isdecimal())


def write_sound(file: Path, samples: NDArray[np.int16]) -> None:
    """Write sound at 16 kHz, shape (n,), as FLAC that its owner alone can read.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    encoded = io.BytesIO()
    soundfile.write(encoded, samples, RATE_HZ, format="FLAC", subtype="PCM_16")
    write_whole(file, encoded.getvalue(), PRIVATE_FILE)


def read_sound(file: Path, most_s: float) -> NDArray[np.int16]:
    """Return the sound of a file that `write_sound` wrote, shape (n,).

    Raises
    ------
    SettingsError
        If it is missing, damaged, or something else.
    """
    try:
        with soundfile.SoundFile(open_regular(file), closefd=True) as sound:
            form = (sound.channels, sound.samplerate)
            samples: NDArray[np.int16] = sound.read(round(most_s * RATE_HZ) + 1, dtype="int16")
    except (soundfile.SoundFileError, OSError) as exc:
        why = exc.strerror if isinstance(exc, OSError) and exc.strerror else exc
        raise SettingsError(
            f"expected a recording of a learnt word in {file}, found that it cannot be read ({why})"
        ) from exc
    if form != (1, RATE_HZ) or len(samples) > most_s * RATE_HZ:
        raise SettingsError(
            f"expected one channel at {RATE_HZ} Hz of at most {most_s:g} s in {file}, found {form[0]} at {form[1]} Hz, "
            f"{len(samples) / RATE_HZ:g} s or more"
        )
    return samples
