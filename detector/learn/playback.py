"""A take as it was recorded, through the default output."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detector.audio.devices import import_sounddevice
from detector.errors import CaptureError, CaptureFailure
from detector.learn.speech import RATE_HZ

POLL_S = 0.02
MORE_S = 2.0
"""A device that takes longer than the sound by this does not play."""


def play_back(samples: NDArray[np.int16], *, portaudio: Any = None) -> None:
    """Play samples at 16 kHz, shape (n,), to their end.

    Writing is polled, as reading is: a blocking write to a sink that is suspended never returns.

    Raises
    ------
    CaptureError
        If there is no PortAudio, or no output device that plays.
    """
    portaudio = portaudio or import_sounddevice()
    frames = np.concatenate((samples, np.zeros(round(0.2 * RATE_HZ), dtype=np.int16)))[:, None]
    give_up_s = time.monotonic() + len(frames) / RATE_HZ + MORE_S
    try:
        with portaudio.OutputStream(samplerate=RATE_HZ, channels=1, dtype="int16") as stream:
            while len(frames) and time.monotonic() < give_up_s:
                n_samples = min(len(frames), stream.write_available)
                if n_samples:
                    stream.write(frames[:n_samples])
                    frames = frames[n_samples:]
                else:
                    time.sleep(POLL_S)
            if len(frames):
                stream.abort()
    except (portaudio.PortAudioError, ValueError) as exc:  # ValueError: no default device
        raise CaptureError(
            CaptureFailure.NOT_FOUND, f"expected a device to play the take on, found none ({exc})"
        ) from exc
    if len(frames):
        raise CaptureError(CaptureFailure.LOST, "expected the take to be played, found that the device takes no sound")
