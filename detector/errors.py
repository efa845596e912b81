"""The errors a user can meet, and the exit codes they end with.

    DetectorError                       70
      SettingsError(ValueError)         78   settings or command line that parse but do not fit
      ModelError                        78
        ModelNotFoundError                   no such model, or half of a pair
        ModelFormatError                     a file of the pair cannot be read
        ModelMismatchError                   the files of the pair, or the runtime, do not agree
      AudioFileError(OSError)           66   a recording is missing, is not audio or is damaged
      CaptureError(OSError)             69   a microphone cannot be opened or was lost; carries a reason
      ThreadStuckError(RuntimeError)    70   a thread that did not stop within its time

Messages are one line: what was expected, what was found, what to do.
"""

from __future__ import annotations

import enum
from typing import ClassVar

EXIT_OK = 0
EXIT_USAGE = 2
EXIT_AUDIO_FILE = 66
EXIT_CAPTURE = 69
EXIT_INTERNAL = 70
EXIT_SETTINGS = 78


class DetectorError(Exception):
    """Base of every error that the project raises on purpose."""

    exit_code: ClassVar[int] = EXIT_INTERNAL


class OutputClosed(Exception):  # noqa: N818
    """Whoever read the detections has gone; no error: the command ends as asked."""


class SettingsError(DetectorError, ValueError):
    """A setting is unknown, out of range or does not fit the model."""

    exit_code = EXIT_SETTINGS


class ModelError(DetectorError):
    """A model cannot be used."""

    exit_code = EXIT_SETTINGS


class ModelNotFoundError(ModelError):
    """There is no model of that name, or one of its two files is missing."""


class ModelFormatError(ModelError):
    """A manifest or a .tflite file cannot be read."""


class ModelMismatchError(ModelError):
    """Manifest and .tflite disagree: checksum, shapes, labels or golden vectors."""


class AudioFileError(DetectorError, OSError):
    """A recording is missing, is not audio or is damaged."""

    exit_code = EXIT_AUDIO_FILE


class CaptureFailure(enum.Enum):
    """Why a microphone does not deliver."""

    NO_LIBRARY = "no PortAudio"
    NOT_FOUND = "not found"
    BUSY = "busy"
    NO_PERMISSION = "no permission"
    UNSUPPORTED = "unsupported"
    LOST = "lost"


class CaptureError(DetectorError, OSError):
    """A microphone cannot be opened, or it was lost."""

    exit_code = EXIT_CAPTURE

    def __init__(self, reason: CaptureFailure, message: str, *, replaced_s: float = 0.0) -> None:
        super().__init__(message)
        self.reason = reason
        self.replaced_s = replaced_s
        """Of the last samples so many seconds were not the microphone's: a sound server had put others there."""


class ThreadStuckError(DetectorError, RuntimeError):
    """A thread did not stop within its time."""
