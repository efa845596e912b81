"""The capture devices that PortAudio lists. The only module that imports sounddevice."""

from __future__ import annotations

import ctypes
import re
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from types import ModuleType
from typing import Any, TypeVar

from detector.errors import CaptureError, CaptureFailure, SettingsError
from detector.text import printable

ANSWER_WITHIN_S = 8.0
"""A sound server that takes longer to answer hangs."""

N_PERIODS = 16
"""Into which PortAudio divides a buffer of ALSA, if a block is no longer than that. PulseAudio's plugin hands over a
period at once; PortAudio's own four would make half a second of buffer 0.12 s late."""

Answer = TypeVar("Answer")

_INSTALL_PORTAUDIO = "install it with 'sudo apt-get install libportaudio2'"


@dataclass(frozen=True, slots=True)
class Device:
    """A capture device as PortAudio lists it."""

    index: int
    name: str
    host_api: str
    n_channels: int
    default_rate_hz: int
    is_default: bool


def is_hardware(device: Device) -> bool:
    """Return whether ALSA opens a card itself, with no sound server between."""
    return "(hw:" in device.name


def import_sounddevice() -> ModuleType:
    """Import sounddevice, and have PortAudio deliver in short periods whatever the length of a buffer.

    Raises
    ------
    CaptureError
        If it or the PortAudio library is missing.
    """
    try:
        import sounddevice
    except OSError as exc:
        raise CaptureError(
            CaptureFailure.NO_LIBRARY, f"expected the PortAudio library, found none: {_INSTALL_PORTAUDIO}"
        ) from exc
    except ImportError as exc:
        raise CaptureError(
            CaptureFailure.NO_LIBRARY, "expected the package sounddevice, found none: 'pip install sounddevice'"
        ) from exc
    module: ModuleType = sounddevice
    ffi = vars(module)["_ffi"]  # there is no public way
    if not isinstance(ffi, _TolerantFfi):
        vars(module)["_ffi"] = _TolerantFfi(ffi)
    _divide_buffers(vars(module)["_libname"])
    return module


def _divide_buffers(library: str) -> None:
    """Set the number of periods of a buffer, where PortAudio is built with ALSA."""
    portaudio = ctypes.CDLL(library)
    if hasattr(portaudio, "PaAlsa_SetNumPeriods"):
        portaudio.PaAlsa_SetNumPeriods(N_PERIODS)


class _Bytes(bytes):
    """What PortAudio says, decoded as well as it can be: a name cut in the middle of a letter is still a name."""

    __slots__ = ()

    def decode(self, encoding: str = "utf-8", errors: str = "backslashreplace") -> str:
        r"""Return the text, with \xe9 for a byte that is not of it."""
        return super().decode(encoding, errors)


class _TolerantFfi:
    """Stands in for sounddevice's access to C: sounddevice decodes strictly, and fails at a name that is not UTF-8."""

    def __init__(self, ffi: Any) -> None:
        self._ffi = ffi

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ffi, name)

    def string(self, text: Any) -> _Bytes:
        return _Bytes(self._ffi.string(text))


def list_devices(portaudio: Any = None) -> list[Device]:
    """Return the devices that can capture.

    Parameters
    ----------
    portaudio : module, optional
        What stands in for sounddevice.

    Raises
    ------
    CaptureError
        If PortAudio is missing or fails.
    """
    portaudio = portaudio or import_sounddevice()
    try:
        host_apis = portaudio.query_hostapis()
        described = portaudio.query_devices()
        default = portaudio.default.device[0]
    except portaudio.PortAudioError as exc:
        raise CaptureError(CaptureFailure.NOT_FOUND, f"expected a list of devices, found: {exc}") from exc
    return [
        Device(
            index=index,
            name=str(device["name"]),
            host_api=str(host_apis[device["hostapi"]]["name"]),
            n_channels=int(device["max_input_channels"]),
            default_rate_hz=round(device["default_samplerate"]),
            is_default=index == default,
        )
        for index, device in enumerate(described)
        if device["max_input_channels"] > 0
    ]


def answer_in_time(ask: Callable[[], Answer]) -> Answer:
    """Return what a call that needs the sound server returns: one that hangs would hang whoever asks it.

    Raises
    ------
    CaptureError
        If there is no answer in time; the thread that asks is left behind.
    """
    answers: Future[Answer] = Future()

    def run() -> None:
        try:
            answers.set_result(ask())
        except BaseException as exc:  # handed over to who asked
            answers.set_exception(exc)

    threading.Thread(target=run, name="ask", daemon=True).start()
    try:
        return answers.result(ANSWER_WITHIN_S)
    except TimeoutError as exc:
        raise CaptureError(
            CaptureFailure.LOST, f"expected the sound server to answer within {ANSWER_WITHIN_S:g} s, found it hung"
        ) from exc


def choose_device(devices: list[Device], wanted: int | str | None, held: frozenset[str] = frozenset()) -> Device:
    """Return the device of an index or of a part of its name; None is the default device.

    Parameters
    ----------
    devices : list of Device
    wanted : int or str, optional
    held : frozenset of str
        Devices that a program holds, for the error: PortAudio does not list them.

    Raises
    ------
    CaptureError
        If there is none.
    SettingsError
        If several fit and none has exactly that name.
    """
    if wanted is None:
        fitting = [device for device in devices if device.is_default]
        what = "a default capture device"
    elif isinstance(wanted, int):
        fitting = [device for device in devices if device.index == wanted]
        what = f"capture device {wanted}"
    else:
        shown = printable(wanted)  # as the list of devices shows it, from which it may have been copied
        exact = [device for device in devices if printable(device.name) == shown]
        fitting = exact or [device for device in devices if shown.lower() in printable(device.name).lower()]
        what = f"a capture device named '{wanted}'"
        if len(fitting) > 1:
            found = ", ".join(f"{device.index} {device.name}" for device in fitting)
            raise SettingsError(f"expected {what} and no other, found {found}: name it in full or by index")
    if not fitting:
        found = ", ".join(f"{device.index} {device.name}" for device in devices) or "no capture device at all"
        raise CaptureError(
            CaptureFailure.NOT_FOUND,
            f"expected {what}, found {found}{_describe_held(held)}: see 'keyword-detector devices'",
        )
    return fitting[0]


def find_again(
    devices: list[Device],
    known: Device,
    beside: frozenset[str] = frozenset(),
    held: frozenset[str] = frozenset(),
) -> Device:
    """Return the device that was used before, by its name: another one would be listened to unnoticed.

    A card that was plugged in again may have another number, so that "Mic (hw:2,0)" returns as "Mic (hw:3,0)".

    Parameters
    ----------
    devices : list of Device
        As listed now.
    known : Device
        As it was.
    beside : frozenset of str
        Names of what was listed beside it: a second card of the same kind is not this one.
    held : frozenset of str
        Devices that a program holds, for the error.

    Raises
    ------
    CaptureError
        If it is not there, or several may be it.
    """
    same = [device for device in devices if (device.name, device.host_api) == (known.name, known.host_api)]
    if same:
        return next((device for device in same if device.index == known.index), same[0])
    renumbered = [
        device
        for device in devices
        if (_without_number(device.name), device.host_api) == (_without_number(known.name), known.host_api)
        and device.name not in beside
    ]
    if len(renumbered) != 1:
        what = f"{len(renumbered)} that may be it" if renumbered else f"it gone{_describe_held(held)}"
        raise CaptureError(CaptureFailure.NOT_FOUND, f"expected '{known.name}' again, found {what}")
    return renumbered[0]


def _describe_held(held: frozenset[str]) -> str:
    """Return the end of a sentence that names the devices that a program holds, if there are any."""
    return f" ({', '.join(sorted(held))} not listed, in use by a program)" if held else ""


def _without_number(name: str) -> str:
    """Return the name of a device of ALSA without its card's number."""
    return re.sub(r" \(hw:\d+,\d+\)$", "", name)
