"""The microphone, through PortAudio. The only module that imports sounddevice.

Reads are polled: what `read_available` offers is taken, nothing is waited for. A blocking read on a suspended source
never returns, and a callback's exception ends the stream without a word.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from types import ModuleType, TracebackType
from typing import Any, Self, TypeVar

import numpy as np

from detector.audio.clock import TOLERANCE_S, SampleClock
from detector.audio.gaps import GapCause, Loss
from detector.audio.resample import Resampler, open_resampler
from detector.audio.sources import NOTHING, Block
from detector.errors import CaptureError, CaptureFailure, SettingsError
from detector.samples import to_float, to_int16

LOST_AFTER_S = 1.0
"""Without a new sample for this long the microphone is lost."""
STALL_S = 0.2
"""Between two reads further apart than this the process was not running."""
LATE_S = 1.0
"""What waited for longer, while the process was not running, is not heard any more."""
GRACE_S = 3.0
"""The first samples may take this long after opening."""
ANSWER_WITHIN_S = 8.0
"""A sound server that takes longer to answer hangs."""

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


def import_sounddevice() -> ModuleType:
    """Import sounddevice.

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
    return module


def list_devices() -> list[Device]:
    """Return the devices that can capture.

    Raises
    ------
    CaptureError
        If PortAudio is missing or fails.
    """
    sounddevice = import_sounddevice()
    try:
        host_apis = sounddevice.query_hostapis()
        described = sounddevice.query_devices()
        default = sounddevice.default.device[0]
    except sounddevice.PortAudioError as exc:
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


def choose_device(devices: list[Device], wanted: int | str | None) -> Device:
    """Return the device of an index or of a part of its name; None is the default device.

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
        exact = [device for device in devices if device.name == wanted]
        fitting = exact or [device for device in devices if wanted.lower() in device.name.lower()]
        what = f"a capture device named '{wanted}'"
        if len(fitting) > 1:
            found = ", ".join(f"{device.index} {device.name}" for device in fitting)
            raise SettingsError(f"expected {what} and no other, found {found}: name it in full or by index")
    if not fitting:
        found = ", ".join(f"{device.index} {device.name}" for device in devices) or "no capture device at all"
        raise CaptureError(CaptureFailure.NOT_FOUND, f"expected {what}, found {found}: see 'keyword-detector devices'")
    return fitting[0]


def find_again(devices: list[Device], known: Device) -> Device:
    """Return the device that was used before, by its name: another one would be listened to unnoticed.

    Raises
    ------
    CaptureError
        If it is not there.
    """
    same = [device for device in devices if (device.name, device.host_api) == (known.name, known.host_api)]
    if not same:
        raise CaptureError(CaptureFailure.NOT_FOUND, f"expected '{known.name}' again, found it gone")
    return next((device for device in same if device.index == known.index), same[0])


def rescan(sounddevice: ModuleType) -> None:
    """Look for devices anew: PortAudio lists them once, when it is initialised. No stream may be open.

    Raises
    ------
    CaptureError
        If PortAudio fails.
    """
    with contextlib.suppress(sounddevice.PortAudioError):  # it is not running, since it could not be started last time
        sounddevice._terminate()  # noqa: SLF001 - there is no public way
    try:
        sounddevice._initialize()  # noqa: SLF001
    except sounddevice.PortAudioError as exc:
        raise CaptureError(CaptureFailure.NOT_FOUND, f"expected PortAudio to start again, found: {exc}") from exc


class Microphone:
    """A capture device, delivered as mono at the rate asked for. One thread only."""

    is_live = True
    can_wait = False
    is_waiting = False

    def __init__(self, wanted: int | str | None = None, *, sample_rate_hz: int, block_s: float = 0.04) -> None:
        self._wanted = wanted
        self._sample_rate_hz = sample_rate_hz
        self._block_s = block_s
        self._device: Device | None = None
        self._is_used = False
        self._stream: Any = None
        self._resampler: Resampler
        self._clock = SampleClock(sample_rate_hz)
        self._last_sample_s = 0.0
        self._last_poll_s = 0.0
        self._is_torn = False
        self.rate_hz = 0
        """The rate the device runs at, once open."""

    @property
    def name(self) -> str:
        """The device's name."""
        return self._device.name if self._device is not None else str(self._wanted or "default")

    def __enter__(self) -> Self:
        """Open the device and start it.

        Raises
        ------
        CaptureError
            If there is no such device or it cannot be opened; the reason is told apart.
        SettingsError
            If its name is ambiguous.
        """
        sounddevice = import_sounddevice()
        if self._is_used:
            rescan(sounddevice)
        self._is_used = True
        devices = list_devices()
        self._device = (
            choose_device(devices, self._wanted) if self._device is None else find_again(devices, self._device)
        )
        self._stream = _open(sounddevice, self._device, self._sample_rate_hz, self._block_s)
        self.rate_hz = round(self._stream.samplerate)
        self._clock = SampleClock(self.rate_hz)
        self._is_torn = False
        try:
            self._resampler = open_resampler(self.rate_hz, self._sample_rate_hz)
            self._stream.start()
        except sounddevice.PortAudioError as exc:
            self._stream.close()
            raise _translate(exc, self._device) from exc
        except SettingsError:
            self._stream.close()
            raise
        self._last_poll_s = time.monotonic()
        self._last_sample_s = self._last_poll_s + GRACE_S - LOST_AFTER_S
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the device; may be done twice. A sound server that hangs makes this wait without end."""
        if self._stream is not None:
            self._stream.abort(ignore_errors=True)
            self._stream.close(ignore_errors=True)
            self._stream = None

    def read(self) -> Block | None:
        """Return the samples that have arrived since the last read.

        Raises
        ------
        CaptureError
            With reason LOST, if none came for `LOST_AFTER_S`.
        """
        if self._stream is None or self._device is None:
            raise ValueError("a microphone is read inside its 'with' block")
        sounddevice = import_sounddevice()
        try:
            if time.monotonic() - self._last_poll_s > LATE_S:
                self._stream.abort()  # a sound server keeps for minutes what nobody fetches
                self._stream.start()
                self._is_torn = True
            n_available = self._stream.read_available
            frames, is_overflowed = self._stream.read(n_available) if n_available else (None, False)
        except sounddevice.PortAudioError as exc:
            raise CaptureError(
                CaptureFailure.LOST, f"expected samples from '{self.name}', found it lost ({exc})"
            ) from exc
        now_s = time.monotonic()
        # While this process itself stood still it asked for nothing: that time does not count against the microphone.
        self._last_sample_s += max(0.0, now_s - self._last_poll_s - STALL_S)
        self._last_poll_s = now_s
        if frames is None:
            if now_s - self._last_sample_s > LOST_AFTER_S:
                raise CaptureError(
                    CaptureFailure.LOST,
                    f"expected samples from '{self.name}', found none for {LOST_AFTER_S:g} s: unplugged or suspended?",
                )
            return Block(NOTHING)
        # The device was quiet although it was asked, and what it hands over now is not what was missing.
        is_short = now_s - self._last_sample_s - len(frames) / self.rate_hz > TOLERANCE_S
        self._last_sample_s = max(self._last_sample_s, now_s)
        is_thrown_away, self._is_torn = is_overflowed or self._is_torn, False
        missing_s = self._clock.observe(len(frames), now_s, is_torn=is_thrown_away or is_short)
        loss = None
        if is_thrown_away:
            loss = Loss(GapCause.OVERFLOW, missing_s)
        elif is_short or missing_s is not None:
            loss = Loss(GapCause.DRIFT, missing_s)
        if frames.shape[1] == 1 and self.rate_hz == self._sample_rate_hz:
            return Block(frames[:, 0], loss)
        mono = to_float(frames).mean(axis=1, dtype=np.float32)
        return Block(to_int16(self._resampler.convert(mono)), loss)


def _open(sounddevice: ModuleType, device: Device, sample_rate_hz: int, block_s: float) -> Any:
    """Open a device at the best of the rates and channel counts it accepts.

    A sound server (PulseAudio, PipeWire) and ALSA's plug layer accept any rate; a server converts well, so it is asked
    for ours. Hardware runs at its own rate and soxr converts. One channel is asked for first, then all there are.
    """
    is_hardware = "(hw:" in device.name
    rates_hz = [sample_rate_hz, device.default_rate_hz]
    if is_hardware:
        rates_hz.reverse()
    failure: Exception | None = None
    for rate_hz in dict.fromkeys([*rates_hz, 48000, 44100]):
        for n_channels in dict.fromkeys([1, min(2, device.n_channels), device.n_channels]):
            try:
                return sounddevice.InputStream(
                    device=device.index,
                    samplerate=rate_hz,
                    channels=n_channels,
                    dtype="int16",
                    blocksize=round(block_s * rate_hz),
                    latency="high" if is_hardware else "low",
                )
            except sounddevice.PortAudioError as exc:
                failure = failure or exc
    assert failure is not None
    raise _translate(failure, device) from failure


def _translate(exc: Exception, device: Device) -> CaptureError:
    """Return our error for one of PortAudio's."""
    message = str(exc)
    lowered = message.lower()
    if "device unavailable" in lowered or "busy" in lowered:
        return CaptureError(
            CaptureFailure.BUSY, f"expected to open '{device.name}', found it busy: which program holds it? ({message})"
        )
    if "permission" in lowered:
        return CaptureError(
            CaptureFailure.NO_PERMISSION,
            f"expected to open '{device.name}', found no permission: add the user to the group audio ({message})",
        )
    return CaptureError(
        CaptureFailure.UNSUPPORTED, f"expected to open '{device.name}', found that PortAudio refuses: {message}"
    )
