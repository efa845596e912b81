"""The made-up PortAudio, where no test of the microphone looks; the microphone on it is in tests/contract, too."""

import time

import numpy as np
import pytest
from clocks import Clock
from commands import WITHIN_S

from detector.audio.simulated import (
    OPENING_FAILS,
    Fault,
    FaultKind,
    Piece,
    PortAudioError,
    SimulatedPortAudio,
    looped,
)

RATE_HZ = 1000


def counting(first, n_samples):
    return np.arange(first, first + n_samples).astype(np.int16)


@pytest.fixture
def clock():
    return Clock()


def open_stream(portaudio):
    stream = portaudio.InputStream(device=0, samplerate=RATE_HZ, channels=portaudio.n_channels)
    stream.start()
    return stream


def read_on(stream, clock, seconds, step_s=0.05):
    """Read every so often; return the samples, and how often some were announced as lost."""
    parts, n_announced = [], 0
    for _ in range(round(seconds / step_s)):
        clock.advance(step_s)
        frames, is_announced = stream.read(stream.read_available)
        parts.append(frames[:, 0])
        n_announced += is_announced
    return np.concatenate(parts).tolist(), n_announced


def simulated(clock, *faults, **options):
    return SimulatedPortAudio(counting, rates_hz=(RATE_HZ,), faults=list(faults), clock=clock, **options)


def test_sound_arrives_as_time_passes_from_the_start_of_a_stream_on(clock):
    portaudio = simulated(clock)
    clock.advance(2.0)
    stream = open_stream(portaudio)
    assert stream.read_available == 0
    assert read_on(stream, clock, 0.5) == (list(range(2000, 2500)), 0)
    stream.abort()
    clock.advance(1.0)
    stream.start()
    assert read_on(stream, clock, 0.1)[0] == list(range(3500, 3600))
    assert list(portaudio.pieces) == [Piece(0, 2000), Piece(500, 3500)]
    assert portaudio.n_delivered == 600


@pytest.mark.parametrize(("kind", "n_announced"), [(FaultKind.SUSPENDED, 0), (FaultKind.OVERFLOW, 1)])
def test_what_is_lost_is_what_was_said_meanwhile(clock, kind, n_announced):
    portaudio = simulated(clock, Fault(kind, 0.22, 0.51))
    assert read_on(open_stream(portaudio), clock, 1.0) == ([*range(220), *range(510, 1000)], n_announced)
    assert list(portaudio.pieces) == [Piece(0, 0), Piece(220, 510)]


def test_what_is_late_is_not_lost(clock):
    portaudio = simulated(clock, Fault(FaultKind.LATE, 0.2, 0.9), buffer_s=0.1)
    stream = open_stream(portaudio)
    assert read_on(stream, clock, 0.8) == (list(range(200)), 0)
    assert read_on(stream, clock, 0.4) == (list(range(200, 1200)), 0)


def test_what_is_repeated_comes_twice(clock):
    portaudio = simulated(clock, Fault(FaultKind.REPEAT, 0.3, 0.5))
    assert read_on(open_stream(portaudio), clock, 1.0) == ([*range(300), *range(100, 1000)], 0)
    assert list(portaudio.pieces) == [Piece(0, 0), Piece(300, 100)]


def test_who_reads_late_gets_what_the_buffer_keeps_and_the_mark_that_some_was_lost(clock):
    stream = open_stream(simulated(clock, buffer_s=0.5))
    assert read_on(stream, clock, 0.5, step_s=0.5) == (list(range(500)), 0)
    assert read_on(stream, clock, 2.0, step_s=2.0) == (list(range(2000, 2500)), 1)
    assert read_on(stream, clock, 0.1) == (list(range(2500, 2600)), 0)


@pytest.mark.parametrize("kind", OPENING_FAILS)
def test_a_stream_that_has_failed_does_not_come_back_and_another_is_opened_when_it_is_over(clock, kind):
    portaudio = simulated(clock, Fault(kind, 1.0, 2.0))
    stream = open_stream(portaudio)
    read_on(stream, clock, 0.9)
    clock.advance(0.2)
    for now_s in (1.1, 2.2):
        assert portaudio.now_s == pytest.approx(now_s)
        with pytest.raises(PortAudioError, match="Unanticipated host error") as caught:
            _ = stream.read_available
        assert caught.value.args[1:] == (-9999, (0, -5, "Input/output error"))
        with pytest.raises(PortAudioError):
            stream.start()
        clock.advance(1.1)
    assert read_on(open_stream(portaudio), clock, 0.1)[0] == list(range(3300, 3400))


@pytest.mark.parametrize("kind", [FaultKind.GONE, FaultKind.BUSY])
def test_the_list_of_devices_is_as_of_the_last_start(clock, kind):
    portaudio = simulated(clock, Fault(kind, 1.0, 2.0))
    before = portaudio.describe_sound_system(), portaudio.find_held_devices()
    clock.advance(1.5)
    assert len(portaudio.query_devices()) == 1
    assert (portaudio.describe_sound_system(), portaudio.find_held_devices()) != before
    portaudio._terminate()
    assert portaudio.query_devices() == []
    portaudio._initialize()
    assert portaudio.query_devices() == []
    clock.advance(1.0)
    assert portaudio.query_devices() == []
    portaudio._initialize()
    assert len(portaudio.query_devices()) == 1
    assert (portaudio.describe_sound_system(), portaudio.find_held_devices()) == before


@pytest.mark.parametrize(("rate_hz", "n_channels", "code"), [(8000, 2, -9997), (RATE_HZ, 1, -9998)])
def test_other_formats_are_refused(clock, rate_hz, n_channels, code):
    portaudio = simulated(clock, n_channels=2)
    with pytest.raises(PortAudioError) as caught:
        portaudio.InputStream(device=0, samplerate=rate_hz, channels=n_channels)
    assert caught.value.args[1] == code
    assert f"[PaErrorCode {code}]" in str(caught.value)


def test_a_recording_can_be_heard_again_and_again():
    sound = looped(np.array([1, 2, 3], dtype=np.int16))
    assert sound(2, 5).tolist() == [3, 1, 2, 3, 1]


def test_with_the_clock_of_the_computer_it_is_a_microphone_that_is_always_there():
    with SimulatedPortAudio(looped(np.array([7], dtype=np.int16))).microphone(sample_rate_hz=16000) as source:
        deadline_s = time.monotonic() + WITHIN_S
        while not len(samples := source.read().samples):
            assert time.monotonic() < deadline_s
    assert set(samples.tolist()) == {7}
