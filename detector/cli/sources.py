"""What somebody may have meant who names, in place of a recording, what is none."""

from __future__ import annotations

import os
import re
from pathlib import PurePath

from detector.errors import AudioFileError

MICROPHONE = "to listen to a microphone, 'listen --device NAME' takes a name or an index of 'keyword-detector devices'"
_SOUND_DEVICE = re.compile("/dev/(snd/|dsp|audio)")
_FILE_SUFFIX = re.compile(r"\.(?!\d+$)\w{1,5}")
"""How the name of a recording ends; "USB 2.0" does not."""


def check_source(name: str) -> None:
    """Refuse what is no file, but looks like something else that can be listened to.

    A missing file whose name looks like a file's is left to whoever opens it.

    Raises
    ------
    AudioFileError
        With how to listen to that.
    """
    if name == "-":
        raise AudioFileError("expected a recording, found '-': 'keyword-detector listen -' reads standard input")
    if _SOUND_DEVICE.match(name):
        raise AudioFileError(f"expected a recording, found the sound device {name}: {MICROPHONE}")
    if name and os.path.isdir(name):  # noqa: PTH112 - no error for a name that is too long
        raise AudioFileError(f"expected a recording, found the folder {name}: 'keyword-detector detect' takes folders")
    if name and os.path.lexists(name):
        return
    scheme, is_address, path = name.partition("://")
    if is_address and scheme.lower() == "file":
        raise AudioFileError(f"expected a recording, found the address {name}: name the file itself, {path}")
    if is_address:
        raise AudioFileError(
            f"expected a recording, found the address {name}: download it, or pipe it in, "
            f"ffmpeg -i '{name}' -f s16le -ar 16000 -ac 1 - | keyword-detector listen -"
        )
    if os.sep not in name and not _FILE_SUFFIX.fullmatch(PurePath(name).suffix):
        raise AudioFileError(f"expected a recording, found no file '{name}': {MICROPHONE}")
