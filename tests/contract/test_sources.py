"""What every source keeps to, the real microphone and the others alike."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile
from clocks import Clock
from commands import WITHIN_S
from pipewire import running_pipewire

from detector.audio import capture as capture_module
from detector.audio.capture import Capture
from detector.audio.failures import PaErrorCode
from detector.audio.microphone import Microphone
from detector.audio.recordings import Recording
from detector.audio.recovery import Recovering
from detector.audio.ring import RingBuffer
from detector.audio.simulated import Fault, FaultKind, SimulatedPortAudio
from detector.audio.sources import AudioSource, Silence
from detector.audio.stdin import Stdin
from detector.settings import RecoverySettings

RATE_HZ = 16000
SOUND = (np.sin(np.arange(RATE_HZ) ** 1.3 / 50) * 9000).astype(np.int16)


SOUND_AFTER = RATE_HZ
"""Where it begins in front of a simulated microphone: after the first pauses of a recovery."""


@dataclass
class Case:
    """A source, what it should deliver, what makes it do so, and how time passes for it."""

    source: AudioSource
    expected: np.ndarray
    start: Callable[[], None] = lambda: None
    has_end: bool = True
    wait: Callable[[], None] = lambda: time.sleep(0.01)
    is_real: bool = False


@pytest.fixture(
    params=[
        "recording",
        "recording in real time",
        "stdin",
        "silence",
        "simulated microphone",
        "recovering microphone",
        "recovering recording",
        pytest.param("microphone", marks=pytest.mark.microphone),
        pytest.param("microphone under PipeWire", marks=pytest.mark.pipewire),
    ]
)
def case(request, tmp_path, monkeypatch):
    monkeypatch.setattr(capture_module, "POLL_S", 0.001)
    with contextlib.ExitStack() as stack:
        yield make_case(request, tmp_path, stack)


def make_case(request, folder: Path, stack: contextlib.ExitStack) -> Case:
    wav = folder / "sound.wav"
    soundfile.write(wav, SOUND, RATE_HZ)
    if request.param.endswith(" microphone"):
        return make_simulated_case(is_recovering=request.param.startswith("recovering"))
    if "recording" in request.param:
        clock = Clock(step_s=0.06)
        is_real_time = request.param.endswith("real time")
        recording = Recording(wav, sample_rate_hz=RATE_HZ, is_real_time=is_real_time, clock=clock)
        is_recovering = request.param.startswith("recovering")
        source = Recovering([recording], RecoverySettings(), clock=clock) if is_recovering else recording
        return Case(source, SOUND, wait=lambda: None)
    if request.param == "stdin":
        read_end, write_end = os.pipe()
        stack.callback(os.close, read_end)

        def write():
            with open(write_end, "wb") as pipe:
                pipe.write(SOUND.astype("<i2").tobytes())

        writer = threading.Thread(target=write)
        writer.start()
        stack.callback(writer.join, 5)
        return Case(Stdin(sample_rate_hz=RATE_HZ, file_descriptor=read_end), SOUND)
    if request.param == "silence":
        return Case(Silence(len(SOUND), sample_rate_hz=RATE_HZ), np.zeros_like(SOUND))
    is_pipewire = request.param.endswith("under PipeWire")
    microphone = request.getfixturevalue("in_process_pipewire" if is_pipewire else "in_process_microphone")
    if is_pipewire:  # pw-cat does not wait for the last of what it plays
        soundfile.write(wav, np.concatenate((SOUND, np.zeros(RATE_HZ // 2, dtype=np.int16))), RATE_HZ)
    source = Microphone("pulse", sample_rate_hz=RATE_HZ)
    return Case(source, SOUND, start=lambda: microphone.play(wav), has_end=False, is_real=True)


def make_simulated_case(*, is_recovering: bool) -> Case:
    """Return a case of a microphone without hardware; one that recovers is not there at first."""
    clock = Clock(step_s=0.004)
    before_and_after = np.concatenate((np.zeros(SOUND_AFTER, dtype=np.int16), SOUND, np.zeros(RATE_HZ, dtype=np.int16)))

    def sound(first, n_samples):
        return np.take(before_and_after, np.arange(first, first + n_samples), mode="clip")

    faults = [Fault(FaultKind.GONE, 0.0, 0.1)] if is_recovering else []
    microphone = SimulatedPortAudio(sound, faults=faults, clock=clock).microphone(sample_rate_hz=RATE_HZ)
    source = Recovering([microphone], RecoverySettings(), clock=clock) if is_recovering else microphone
    return Case(source, SOUND, has_end=False, wait=lambda: None)


@pytest.fixture
def in_process_microphone(microphone, monkeypatch):
    """Let PortAudio in this process find the virtual microphone."""
    return make_visible(microphone, monkeypatch)


@pytest.fixture
def in_process_pipewire(tmp_path, monkeypatch):
    """Let it find the one under PipeWire, whose graph runs at our rate: it converts nothing."""
    with running_pipewire(tmp_path / "server") as server:
        server.force_rate(RATE_HZ)
        server.force_quantum(2048)  # a busy machine is in time for one of 0.13 s
        yield make_visible(server, monkeypatch)


def make_visible(server, monkeypatch):
    import sounddevice

    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    sounddevice._terminate()
    sounddevice._initialize()
    return server


def gather(source: AudioSource, case: Case) -> tuple[np.ndarray, bool]:
    """Read until the end, or until the expected sound was heard and a little more; bounded."""
    blocks: list[np.ndarray] = []
    deadline_s = time.monotonic() + WITHIN_S
    player = threading.Thread(target=case.start)
    has_started = False
    try:
        while time.monotonic() < deadline_s:
            block = source.read()
            if block is None:
                return np.concatenate(blocks), True
            assert block.samples.dtype == np.int16
            assert block.samples.ndim == 1
            assert block.loss is None or case.is_real
            blocks.append(block.samples)
            if not has_started and (case.has_end or len(block.samples)):
                player.start()
                has_started = True
            if not case.has_end and is_complete(blocks):
                return np.concatenate(blocks), False
            if len(block.samples) == 0:
                case.wait()
    finally:
        if has_started:
            player.join(WITHIN_S)
    pytest.fail("the source neither ended nor delivered the sound")


def is_complete(blocks: list[np.ndarray]) -> bool:
    """Tell whether the sound was heard, and a quarter of a second of silence after it."""
    samples = np.concatenate(blocks)
    sounding = np.flatnonzero(samples)
    return len(sounding) > 0.9 * len(SOUND) and len(samples) - sounding[-1] > RATE_HZ // 4


def check_samples(samples: np.ndarray, case: Case) -> None:
    """Check that all of the sound is there, in order; without an end, between two silences."""
    if case.has_end:
        np.testing.assert_array_equal(samples, case.expected)
    else:
        heard = np.flatnonzero(samples)
        np.testing.assert_array_equal(samples[heard[0] : heard[-1] + 1], np.trim_zeros(case.expected))


def test_a_source_delivers_every_sample_in_order(case):
    with case.source as source:
        samples, has_ended = gather(source, case)
        assert not source.is_waiting
    assert has_ended == case.has_end
    check_samples(samples, case)


@pytest.mark.microphone
def test_a_device_that_only_runs_at_48_khz_in_stereo_is_converted(in_process_microphone, tmp_path, monkeypatch):
    import sounddevice

    open_stream = sounddevice.InputStream

    def refuse(*, samplerate, channels, **options):
        if (samplerate, channels) != (48000, 2):
            raise sounddevice.PortAudioError("Invalid sample rate", PaErrorCode.INVALID_SAMPLE_RATE)
        return open_stream(samplerate=samplerate, channels=channels, **options)

    monkeypatch.setattr(sounddevice, "InputStream", refuse)
    wav = tmp_path / "tone.wav"
    tone = (8000 * np.sin(2 * np.pi * 1000 * np.arange(2 * RATE_HZ) / RATE_HZ)).astype(np.int16)
    soundfile.write(wav, tone, RATE_HZ)
    microphone = Microphone("pulse", sample_rate_hz=RATE_HZ)
    case = Case(microphone, tone, start=lambda: in_process_microphone.play(wav), has_end=False)
    with microphone as source:
        assert microphone.rate_hz == 48000
        samples, _ = gather(source, case)
    heard = np.flatnonzero(np.abs(samples) > 1000)
    middle = samples[heard[0] + 4000 : heard[0] + 4000 + RATE_HZ].astype(float)
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
    assert spectrum.argmax() == 1000  # Hz, of a second
    assert abs(len(heard) / len(tone) - 0.92) < 0.05  # as many samples as were played, but for the zero crossings
    assert np.abs(middle).max() == pytest.approx(8000, rel=0.05)


def test_a_source_stays_at_its_end_or_has_none(case):
    with case.source as source:
        if case.has_end:
            gather(source, case)
        for _ in range(2):
            assert (source.read() is None) == case.has_end


def test_a_source_closes_twice_and_says_what_it_is(case):
    with case.source as source:
        assert isinstance(source.name, str)
        assert source.name
        assert isinstance(source.is_live, bool)
        assert isinstance(source.can_wait, bool)
        assert isinstance(source.is_waiting, bool)
    source.__exit__(None, None, None)


def test_a_source_arrives_whole_through_capture_and_ring(case):
    if case.is_real:
        pytest.skip("tests/end_to_end plays into a real microphone")
    ring, taken = RingBuffer(4000 if case.source.can_wait else 10 * RATE_HZ), []
    with Capture(case.source, ring) as capture:
        while True:
            part = ring.take(1000, timeout_s=5)
            assert (part.n_skipped, part.gaps) == (0, ())
            taken.append(part.samples)
            if part.is_end or (not case.has_end and is_complete(taken)):
                break
        capture.raise_failure()
        assert part.is_end == case.has_end
    check_samples(np.concatenate(taken), case)


def test_capture_stops_when_asked_in_the_middle(case):
    ring = RingBuffer(100)
    with Capture(case.source, ring) as capture:
        assert len(ring.take(1, timeout_s=10).samples)
        assert capture.is_open
    assert not [thread for thread in threading.enumerate() if thread.name == "capture"]
