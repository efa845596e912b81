"""A microphone without hardware: as much of sounddevice as `Microphone` uses, with one made-up device.

    portaudio = SimulatedPortAudio(looped(samples), faults=[Fault(FaultKind.GONE, 10.0, 13.0)])
    with portaudio.microphone(sample_rate_hz=16000) as source:
        block = source.read()

The device captures a sound that is a function of time, by a clock. With the clock of the computer it is a microphone
that is always there, to try a listener on; with a clock that a test turns, hours of faults pass in seconds.
"""

from __future__ import annotations

import enum
import errno
import os
import time
import types
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detector.audio.failures import PaErrorCode
from detector.audio.hotplug import Changes
from detector.audio.inquiry import DUMMY, Answer, Inquiry, Origin
from detector.audio.microphone import Microphone

Sound = Callable[[int, int], NDArray[np.int16]]
"""Takes the first sample and a number of samples, at the rate of the stream; returns shape (n,) or (n, channels)."""


class FaultKind(enum.Enum):
    """What can happen to a device."""

    GONE = "gone"
    """It is unplugged: not listed, and what is open fails. So it does with the next four."""
    KILLED = "killed"
    """Its sound server has ended; it is still listed."""
    BUSY = "busy"
    """Another program holds it: not listed, as PortAudio lists no device that is in use."""
    DENIED = "denied"
    """It is listed, and may not be opened."""
    REFUSED = "refused"
    """It is listed, and accepts no rate."""
    SUSPENDED = "suspended"
    """It delivers nothing, reports nothing, and the sound meanwhile is lost."""
    OVERFLOW = "overflow"
    """The same, but the first samples after it come with the mark that some were lost."""
    LATE = "late"
    """It delivers nothing, and afterwards all of it at once."""
    REPLACED = "replaced"
    """A sound server has put the monitor of a dummy sink in its place, which delivers zeros."""
    REPEAT = "repeat"
    """As it begins, samples of its length are delivered a second time, all at once."""


OPENING_FAILS = {
    FaultKind.GONE: (PaErrorCode.INVALID_DEVICE, 0),
    FaultKind.KILLED: (PaErrorCode.BAD_IO_DEVICE_COMBINATION, 0),
    FaultKind.BUSY: (PaErrorCode.DEVICE_UNAVAILABLE, 0),
    FaultKind.DENIED: (PaErrorCode.UNANTICIPATED_HOST_ERROR, errno.EACCES),
    FaultKind.REFUSED: (PaErrorCode.INVALID_SAMPLE_RATE, 0),
}
"""With which code, and which of ALSA's errors, the device cannot be opened."""


class Fault(NamedTuple):
    """Something that happens to the device, in seconds since it was made. No two at once."""

    kind: FaultKind
    start_s: float
    end_s: float


class Piece(NamedTuple):
    """A stretch that was delivered without a discontinuity."""

    at_sample: int
    """Its first sample, of all that the device has delivered."""
    position: int
    """Which sample of the sound that is."""


class PortAudioError(Exception):
    """As sounddevice's: a text, an error code, and for an error of the host (host API, its code, its text)."""

    def __init__(self, code: PaErrorCode, host_code: int = 0) -> None:
        host = [(0, -host_code, os.strerror(host_code))] if host_code else []
        super().__init__(code.name.capitalize().replace("_", " "), int(code), *host)

    def __str__(self) -> str:
        return f"{self.args[0]} [PaErrorCode {self.args[1]}]"


@dataclass(eq=False)
class SimulatedPortAudio:
    """Stands in for the module sounddevice. One thread uses it so; another may append to `faults`."""

    sound: Sound
    """What there is to capture."""
    _: KW_ONLY
    name: str = "simulated"
    """Of the device; with "(hw:" in it, it passes for hardware."""
    rates_hz: Sequence[int] = (16000,)
    """Those that it accepts, the default first."""
    n_channels: int = 1
    """As many, and no other number, can be opened."""
    buffer_s: float = 0.5
    """Kept for whoever reads late; what follows a loss is marked."""
    faults: list[Fault] = field(default_factory=list)
    """What happens to it, in order; those that are over may be removed."""
    clock: Callable[[], float] = time.monotonic
    """Seconds of a clock that never steps."""

    PortAudioError = PortAudioError

    def __post_init__(self) -> None:
        self.pieces: deque[Piece] = deque(maxlen=1000)
        """What was delivered, the latest of it."""
        self.n_delivered = 0
        self.n_open = 0
        """Streams that were opened and not closed."""
        self.default = types.SimpleNamespace(device=(0, -1))
        self._began_s = self.clock()
        self._initialize()

    @property
    def now_s(self) -> float:
        """Seconds since the device was made."""
        return self.clock() - self._began_s

    def microphone(self, *, sample_rate_hz: int) -> Microphone:
        """Return a microphone on this device, by its clock."""
        return Microphone(
            sample_rate_hz=sample_rate_hz,
            portaudio=self,
            changes=Changes(self.describe_sound_system, self.find_held_devices),
            inquiry=SimulatedInquiry(self),
            clock=self.clock,
        )

    def find_fault(self, since_s: float) -> Fault | None:
        """Return the first fault that has begun and was not over at some time."""
        now_s = self.now_s
        return next((fault for fault in self.faults if fault.end_s > since_s and fault.start_s <= now_s), None)

    def is_in(self, *kinds: FaultKind) -> bool:
        """Return whether such a fault is going on."""
        fault = self.find_fault(self.now_s)
        return fault is not None and fault.kind in kinds

    def describe_sound_system(self) -> tuple[object, ...]:
        """Return what changes when the device comes and goes."""
        return (self.is_in(FaultKind.GONE),)

    def find_held_devices(self) -> frozenset[str]:
        """Return the device if another program holds it."""
        return frozenset({"hw:0,0"} if self.is_in(FaultKind.BUSY) else ())

    # What follows is sounddevice's.

    def query_hostapis(self) -> list[dict[str, object]]:
        """Return the host APIs."""
        return [{"name": "simulated"}]

    def query_devices(self) -> list[dict[str, object]]:
        """Return the devices that were there when PortAudio was initialised."""
        return self._listed

    def InputStream(self, *, samplerate: int, channels: int, **_: object) -> SimulatedStream:  # noqa: N802
        """Open the device."""
        fault = self.find_fault(self.now_s)
        if fault is not None and fault.kind in OPENING_FAILS:
            raise PortAudioError(*OPENING_FAILS[fault.kind])
        if samplerate not in self.rates_hz:
            raise PortAudioError(PaErrorCode.INVALID_SAMPLE_RATE)
        if channels != self.n_channels:
            raise PortAudioError(PaErrorCode.INVALID_CHANNEL_COUNT)
        self.n_open += 1
        return SimulatedStream(self, samplerate)

    def _initialize(self) -> None:
        device = {"name": self.name, "hostapi": 0}
        formats = {"max_input_channels": self.n_channels, "default_samplerate": self.rates_hz[0]}
        self._listed = [] if self.is_in(FaultKind.GONE, FaultKind.BUSY) else [device | formats]

    def _terminate(self) -> None:
        self._listed = []


class SimulatedStream:
    """What `InputStream` returns."""

    def __init__(self, portaudio: SimulatedPortAudio, rate_hz: int) -> None:
        self.samplerate = rate_hz
        self._portaudio = portaudio
        self._since_s = portaudio.now_s
        self._position = 0
        self._is_marked = False

    def start(self) -> None:
        """Capture from now on."""
        self._find_fault()
        self._since_s = self._portaudio.now_s
        self._position = round(self._since_s * self.samplerate)

    def abort(self, **_: object) -> None:
        """Do nothing."""

    def close(self, **_: object) -> None:
        """Close the stream; once."""
        self._portaudio.n_open -= 1

    @property
    def read_available(self) -> int:
        """How many samples have come since the last read."""
        fault = self._find_fault()
        now_s, rate_hz = self._portaudio.now_s, self.samplerate
        if fault is not None:
            n_before = round(fault.start_s * rate_hz) - self._position
            if n_before > 0:
                return n_before
            if fault.kind is FaultKind.REPEAT:
                self._position -= round((fault.end_s - fault.start_s) * rate_hz)
            elif now_s < fault.end_s:
                return 0
            elif fault.kind is not FaultKind.LATE:
                self._position = round(fault.end_s * rate_hz)
                self._is_marked = fault.kind is FaultKind.OVERFLOW
            self._since_s = fault.end_s
        n_waiting = round(now_s * rate_hz) - self._position
        n_lost = n_waiting - round(self._portaudio.buffer_s * rate_hz)
        if fault is not None or n_lost <= 0:
            return n_waiting
        self._position, self._is_marked = self._position + n_lost, True
        return n_waiting - n_lost

    def read(self, n_samples: int) -> tuple[NDArray[np.int16], bool]:
        """Return n_samples of them, shape (n_samples, channels), and whether some were lost before."""
        portaudio = self._portaudio
        frames = portaudio.sound(self._position, n_samples)
        if portaudio.is_in(FaultKind.REPLACED):
            frames = np.zeros_like(frames)
        if frames.ndim == 1:
            frames = np.repeat(frames[:, None], portaudio.n_channels, axis=1)
        last = portaudio.pieces[-1] if portaudio.pieces else None
        if last is None or self._position != last.position + portaudio.n_delivered - last.at_sample:
            portaudio.pieces.append(Piece(portaudio.n_delivered, self._position))
        portaudio.n_delivered += n_samples
        self._position += n_samples
        is_marked, self._is_marked = self._is_marked, False
        return frames, is_marked

    def _find_fault(self) -> Fault | None:
        """Return what has happened and was not dealt with; a device that has failed since does not come back."""
        fault = self._portaudio.find_fault(self._since_s)
        if fault is not None and fault.kind in OPENING_FAILS:
            raise PortAudioError(PaErrorCode.UNANTICIPATED_HOST_ERROR, errno.EIO)
        return None if fault is not None and fault.kind is FaultKind.REPLACED else fault


class SimulatedInquiry(Inquiry):
    """Answers at the first poll where the samples come from."""

    def __init__(self, portaudio: SimulatedPortAudio) -> None:
        super().__init__(())
        self._portaudio = portaudio
        self._is_asked = False

    @property
    def is_pending(self) -> bool:
        """Whether it was asked."""
        return self._is_asked

    def ask(self) -> None:
        """Be asked."""
        self._is_asked = True

    def poll(self) -> Answer | None:
        """Return the answer, if it was asked."""
        is_asked, self._is_asked = self._is_asked, False
        return self.wait() if is_asked else None

    def wait(self) -> Answer:
        """Return the answer."""
        if self._portaudio.is_in(FaultKind.REPLACED):
            return Answer(True, Origin(1, DUMMY, is_monitor=True), frozenset())
        return Answer(True, Origin(0, self._portaudio.name, is_monitor=False), frozenset({self._portaudio.name}))

    def cancel(self) -> None:
        """Ask no longer."""
        self._is_asked = False


def looped(samples: NDArray[np.int16]) -> Sound:
    """Return the sound of a recording, shape (n,), again and again."""
    return lambda first, n_samples: samples[np.arange(first, first + n_samples) % len(samples)]
