"""Cards and sound servers that come and go, and PortAudio's list of devices, which is made once."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from detector.errors import CaptureError, CaptureFailure

LOOK_FOR_S = 10.0
"""After a change of the sound system devices are looked for at every try, for at most this long."""
LOOK_AFTER_PART = 0.1
"""Then, while nothing seems to change, each time this part of the time since then has passed again,"""
LOOK_EVERY_S = 60.0
"""but at least this often."""
ALSA = Path("/proc/asound")


def describe_sound_system(alsa: Path = ALSA) -> tuple[object, ...]:
    """Return what changes when sound cards or sound servers come and go: ALSA's cards, the servers' sockets."""
    runtime = Path(os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}")
    sockets = [runtime / "pulse/native", runtime / "pipewire-0", Path("/run/pulse/native")]
    server = os.environ.get("PULSE_SERVER", "")
    if server.startswith("unix:"):
        sockets.append(Path(server.removeprefix("unix:")))
    seen: list[object] = []
    with contextlib.suppress(OSError):
        seen.append((alsa / "cards").read_bytes())
    for socket in sockets:
        with contextlib.suppress(OSError):
            state = socket.stat()
            seen.append((str(socket), state.st_ino, state.st_ctime_ns))
    return tuple(seen)


def find_held_devices(alsa: Path = ALSA) -> frozenset[str]:
    """Return ALSA's capture devices that a program holds open, as "hw:1,0": PortAudio leaves them out of its list."""
    held = set()
    for state in alsa.glob("card*/pcm*c/sub*/hw_params"):
        with contextlib.suppress(OSError):
            if state.read_text().strip() != "closed":
                card, device = state.parts[-4].removeprefix("card"), state.parts[-3].removeprefix("pcm").rstrip("c")
                held.add(f"hw:{card},{device}")
    return frozenset(held)


class Changes:
    """Whether PortAudio's list, which it makes once, may be out of date. One thread only.

    Making it again is not free: ALSA loads and unloads its plugins each time, and some of the libraries that come with
    them leak when they are loaded (12 kB with PulseAudio, 30 kB with PipeWire, measured on Debian 12). So it is made
    again for some time after cards or servers came or went, when a program releases a device, and ever more rarely
    otherwise: a microphone may be missing for months. A device that is in the list can be opened again without.
    """

    def __init__(
        self,
        describe: Callable[[], tuple[object, ...]] = describe_sound_system,
        find_held: Callable[[], frozenset[str]] = find_held_devices,
    ) -> None:
        """Watch this machine, or what stands in for it: `describe` changes when devices come and go."""
        self._describe = describe
        self._find_held = find_held
        self._seen: tuple[object, ...] = ()
        self.held: frozenset[str] = frozenset()
        """What `find_held` returned last."""
        self._is_released = False
        self._happened_s = self._looked_s = float("-inf")

    def is_due(self, now_s: float) -> bool:
        """Return whether to make the list again."""
        seen = self._describe()
        if seen != self._seen:
            self._seen, self._happened_s = seen, now_s
        held = self._find_held()
        self._is_released |= bool(self.held - held)
        self.held = held
        since_s = now_s - self._happened_s
        every_s = min(LOOK_AFTER_PART * since_s, LOOK_EVERY_S)
        return self._is_released or since_s < LOOK_FOR_S or now_s - self._looked_s >= every_s

    def note_looked(self, now_s: float) -> None:
        """Note that the list was made."""
        self._looked_s, self._is_released = now_s, False


def rescan(portaudio: Any) -> None:
    """Look for devices again: PortAudio lists them once, when it is initialised. No stream may be open.

    Parameters
    ----------
    portaudio : module
        sounddevice, or what stands in for it.

    Raises
    ------
    CaptureError
        If PortAudio fails.
    """
    with contextlib.suppress(portaudio.PortAudioError):  # it is not running, since it could not be started last time
        portaudio._terminate()  # noqa: SLF001 - there is no public way
    try:
        portaudio._initialize()  # noqa: SLF001
    except portaudio.PortAudioError as exc:
        raise CaptureError(CaptureFailure.NOT_FOUND, f"expected PortAudio to start again, found: {exc}") from exc
