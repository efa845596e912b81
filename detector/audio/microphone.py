"""The microphone, through PortAudio.

Reads are polled: what `read_available` offers is taken, nothing is waited for. A blocking read on a suspended source
never returns, and a callback's exception ends the stream without notice.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from detector.audio.channels import Mixer
from detector.audio.delivery import LOST_AFTER_S, Delivery
from detector.audio.devices import Device, choose_device, find_again, import_sounddevice, is_hardware, list_devices
from detector.audio.failures import translate
from detector.audio.hotplug import Changes, rescan
from detector.audio.inquiry import Inquiry
from detector.audio.origin import OriginWatch
from detector.audio.resample import Resampler, open_resampler
from detector.audio.sources import NOTHING, Block
from detector.errors import CaptureError, CaptureFailure, SettingsError
from detector.samples import to_float, to_int16
from detector.types import Channel

BUFFER_S = 0.5
"""Of the device's buffer: PipeWire hands over a quantum at once, up to 0.19 s of sound, and what does not fit is lost
without a word. It makes nothing later: the device delivers in blocks (`import_sounddevice`)."""

MOST_CHANNELS = 8
"""That are looked at for a good one: arrays of microphones have up to eight."""


class Microphone:
    """A capture device, delivered as mono at the rate asked for. One thread only."""

    is_live = True
    can_wait = False
    is_waiting = False

    def __init__(
        self,
        wanted: int | str | None = None,
        *,
        sample_rate_hz: int,
        channel: Channel = "auto",
        block_s: float = 0.04,
        portaudio: Any = None,
        changes: Changes | None = None,
        inquiry: Inquiry | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Wait to be opened.

        Parameters
        ----------
        wanted : int or str, optional
            Index of a device or a part of its name; none is the default device.
        sample_rate_hz : int
            Of the blocks; the device may run at another.
        channel : int, "mix" or "auto"
            Which of the device's channels are used.
        block_s : float
            Of the device's blocks, in seconds.
        portaudio : module, optional
            What stands in for sounddevice: a `SimulatedPortAudio`.
        changes : Changes, optional
            Of the sound system; this machine's unless given.
        inquiry : Inquiry, optional
            Who asks the sound server where samples come from; this machine's programs unless given.
        clock : callable
            Seconds of a clock that never steps.
        """
        self._wanted = wanted
        self._sample_rate_hz = sample_rate_hz
        self._channel = channel
        self._block_s = block_s
        self._device: Device | None = None
        self._beside: frozenset[str] = frozenset()
        self._portaudio = portaudio
        self._changes = changes or Changes()
        self._clock = clock
        self._origin = OriginWatch(inquiry or Inquiry(clock=clock))
        self._is_used = False
        self._stream: Any = None
        self._resampler: Resampler
        self._mixer: Mixer
        self._delivery: Delivery
        self._has_loss = False
        self._replaced: str | None = None
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
            If there is no such device or it cannot be opened; it carries the reason.
        SettingsError
            If its name is ambiguous.
        """
        portaudio = self._portaudio = self._portaudio or import_sounddevice()
        now_s = self._clock()
        if self._changes.is_due(now_s):
            if self._is_used:
                rescan(portaudio)
            self._changes.note_looked(now_s)
        self._is_used = True
        devices = list_devices(portaudio)
        if self._device is None:
            self._device = choose_device(devices, self._wanted, self._changes.held)
        else:
            self._device = find_again(devices, self._device, self._beside, self._changes.held)
        self._beside = frozenset(device.name for device in devices) - {self._device.name}
        if (missing := self._origin.check_return()) is not None:
            raise CaptureError(CaptureFailure.NOT_FOUND, f"expected the source of '{self.name}' again, found {missing}")
        self._stream, n_channels = _open(portaudio, self._device, self._channel, self._sample_rate_hz, self._block_s)
        self.rate_hz = round(self._stream.samplerate)
        try:
            self._resampler = open_resampler(self.rate_hz, self._sample_rate_hz)
            self._mixer = Mixer(self._channel, n_channels=n_channels, rate_hz=self.rate_hz, name=self.name)
            self._stream.start()
        except portaudio.PortAudioError as exc:
            self._stream.close()
            raise translate(exc, self._device.name) from exc
        except SettingsError:
            self._stream.close()
            raise
        self._delivery, self._has_loss = Delivery(self.rate_hz, self._clock()), False
        self._replaced = None
        if not is_hardware(self._device):
            self._origin.begin(self.rate_hz, self._clock())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the device; may be done twice. A sound server that hangs makes this wait without end."""
        self._origin.end()
        if self._stream is not None:
            self._stream.abort(ignore_errors=True)
            self._stream.close(ignore_errors=True)
            self._stream = None

    def read(self) -> Block | None:
        """Return the samples that have arrived since the last read.

        Raises
        ------
        CaptureError
            With reason LOST, if none came for `LOST_AFTER_S`, or a sound server has put another source in its place.
        """
        if self._stream is None or self._device is None:
            raise ValueError("a microphone is read inside its 'with' block")
        if self._replaced is not None:
            raise CaptureError(CaptureFailure.LOST, self._replaced, replaced_s=self._origin.replaced_s)
        try:
            if self._delivery.is_stale(self._clock()):
                self._stream.abort()  # a sound server keeps for minutes what is not fetched
                self._stream.start()
                self._has_loss = True
            n_available = self._stream.read_available
            frames, is_overflowed = self._stream.read(n_available) if n_available else (None, False)
        except self._portaudio.PortAudioError as exc:
            raise CaptureError(
                CaptureFailure.LOST, f"expected samples from '{self.name}', found it lost ({exc})"
            ) from exc
        if frames is None:
            if self._delivery.is_lost(self._clock()):
                raise CaptureError(
                    CaptureFailure.LOST,
                    f"expected samples from '{self.name}', found none for {LOST_AFTER_S:g} s: unplugged or suspended?",
                )
            return Block(NOTHING)
        loss = self._delivery.observe(len(frames), self._clock(), has_loss=is_overflowed or self._has_loss)
        self._has_loss = False
        if not is_hardware(self._device):  # what has arrived is handed over all the same
            self._replaced = self._origin.observe(frames, self._clock(), has_loss=loss is not None)
        if loss is not None:
            self._resampler = open_resampler(self.rate_hz, self._sample_rate_hz)  # what it holds back is from before
        if frames.shape[1] == 1 and self.rate_hz == self._sample_rate_hz:
            return Block(frames[:, 0], loss)
        mono = self._mixer.mix(to_float(frames))
        return Block(to_int16(self._resampler.convert(mono)), loss)


def _open(portaudio: Any, device: Device, channel: Channel, sample_rate_hz: int, block_s: float) -> tuple[Any, int]:
    """Open a device at the best of the rates and channel counts it accepts; return it and how many channels it has.

    A sound server (PulseAudio, PipeWire) and ALSA's plug layer accept any rate; a server converts well, so it is asked
    for ours. Hardware runs at its own rate and soxr converts. Where one channel is asked for, they average those
    there are, without a word of what cancels: so two are, and of hardware up to `MOST_CHANNELS`.
    """
    if isinstance(channel, int) and channel > device.n_channels:
        raise SettingsError(f"expected channel {channel} of '{device.name}', found that it has {device.n_channels}")
    most = min(MOST_CHANNELS if is_hardware(device) else 2, device.n_channels)
    of_auto = [most, 1, min(2, device.n_channels), device.n_channels]
    of_mix = [1, min(2, device.n_channels), device.n_channels]
    counts = of_mix if channel == "mix" else of_auto
    if isinstance(channel, int):
        counts = [n for n in (channel, most, device.n_channels) if n >= channel]
    rates_hz = [sample_rate_hz, device.default_rate_hz]
    if is_hardware(device):
        rates_hz.reverse()
    failure: Exception | None = None
    for rate_hz in dict.fromkeys([*rates_hz, 48000, 44100]):
        for n_channels in dict.fromkeys(counts):
            try:
                stream = portaudio.InputStream(
                    device=device.index,
                    samplerate=rate_hz,
                    channels=n_channels,
                    dtype="int16",
                    blocksize=round(block_s * rate_hz),
                    latency=BUFFER_S,
                )
            except portaudio.PortAudioError as exc:
                failure = failure or exc
            else:
                return stream, n_channels
    assert failure is not None
    raise translate(failure, device.name) from failure
