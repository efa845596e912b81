"""What the microphone does with what PortAudio reports; the real one is in tests/contract and tests/end_to_end."""

import sys

import numpy as np
import pytest
from clocks import Clock

from detector.audio.failures import PaErrorCode
from detector.audio.gaps import Loss
from detector.audio.microphone import Microphone
from detector.audio.simulated import (
    Fault,
    FaultKind,
    Piece,
    PortAudioError,
    SimulatedPortAudio,
    SimulatedStream,
    looped,
)
from detector.errors import CaptureError, CaptureFailure, SettingsError
from detector.events import GapCause

RATE_HZ = 16000
STEP_S = 0.02
ONES = looped(np.ones(1, dtype=np.int16))


@pytest.fixture
def clock():
    return Clock()


def hardware(sound, clock, **options):
    return SimulatedPortAudio(sound, name="USB Audio: - (hw:1,0)", rates_hz=(48000, RATE_HZ), clock=clock, **options)


def read_on(source, clock, seconds):
    """Read every 20 ms for a while; return the blocks."""
    blocks = []
    for _ in range(round(seconds / STEP_S)):
        clock.advance(STEP_S)
        blocks.append(source.read())
    return blocks


def samples_of(blocks):
    return np.concatenate([block.samples for block in blocks])


def losses_of(blocks):
    return [block.loss for block in blocks if block.loss is not None]


def test_hardware_runs_at_its_own_rate_and_is_converted(clock):
    tone = (8000 * np.sin(2 * np.pi * 1000 * np.arange(48000) / 48000)).astype(np.int16)
    with hardware(looped(tone), clock).microphone(sample_rate_hz=RATE_HZ) as source:
        assert source.rate_hz == 48000
        assert source.name == "USB Audio: - (hw:1,0)"
        samples = samples_of(read_on(source, clock, 1.0))
    expected = 8000 * np.sin(2 * np.pi * 1000 * np.arange(len(samples)) / RATE_HZ)
    assert 15000 < len(samples) <= 16000
    np.testing.assert_allclose(samples[2000:14000], expected[2000:14000], atol=20)


def test_a_sound_server_is_asked_for_our_rate(clock):
    portaudio = SimulatedPortAudio(ONES, rates_hz=(44100, RATE_HZ), clock=clock)
    with portaudio.microphone(sample_rate_hz=RATE_HZ) as source:
        assert source.rate_hz == RATE_HZ
        clock.advance(0.04)
        assert source.read().samples.tolist() == [1] * 640


def test_a_rate_that_the_device_does_not_list_is_tried_where_no_other_is_accepted(clock):
    class Odd(SimulatedPortAudio):
        def query_devices(self):
            return [device | {"default_samplerate": 22050.0} for device in super().query_devices()]

    portaudio = Odd(ONES, rates_hz=(48000,), clock=clock)
    with portaudio.microphone(sample_rate_hz=RATE_HZ) as source:
        assert source.rate_hz == 48000


def test_nothing_from_before_a_loss_stands_after_it(clock):
    def loud_then_quiet(first, n_samples):
        return np.where(np.arange(first, first + n_samples) < 0.4 * 48000, 20000, 0).astype(np.int16)

    portaudio = hardware(loud_then_quiet, clock, faults=[Fault(FaultKind.OVERFLOW, 0.4, 0.5)])
    with portaudio.microphone(sample_rate_hz=RATE_HZ) as source:
        before, after = read_on(source, clock, 0.41), read_on(source, clock, 0.3)
    assert samples_of(before).max() > 19000
    assert losses_of(before) == []
    assert losses_of(after) == [Loss(GapCause.OVERFLOW)]
    assert len(samples_of(after)) > 0.1 * RATE_HZ
    assert not samples_of(after).any()


def test_a_device_of_many_channels_is_averaged(clock):
    def six_channels(first, n_samples):
        return np.tile(np.array([600, 0, 0, 0, 0, 600], dtype=np.int16), (n_samples, 1))

    with hardware(six_channels, clock, n_channels=6).microphone(sample_rate_hz=RATE_HZ) as source:
        samples = samples_of(read_on(source, clock, 0.2))
    assert abs(int(np.median(samples[500:-500])) - 200) <= 1


REFUSALS = {
    FaultKind.GONE: (CaptureFailure.NOT_FOUND, "it gone: is it plugged in"),
    FaultKind.KILLED: (CaptureFailure.NOT_FOUND, "it gone: .* does its sound server run"),
    FaultKind.BUSY: (CaptureFailure.BUSY, "it busy: which program holds it"),
    FaultKind.DENIED: (CaptureFailure.NO_PERMISSION, "no permission: add the user to the group audio"),
    FaultKind.REFUSED: (CaptureFailure.UNSUPPORTED, "that PortAudio refuses: Invalid sample rate"),
}


@pytest.mark.parametrize("kind", REFUSALS)
def test_a_refusal_carries_its_reason(clock, kind):
    portaudio = SimulatedPortAudio(ONES, faults=[Fault(kind, 1.0, 2.0)], clock=clock)
    source = portaudio.microphone(sample_rate_hz=RATE_HZ)
    clock.advance(1.5)  # it was there when PortAudio made its list
    reason, found = REFUSALS[kind]
    with pytest.raises(CaptureError, match=f"expected to open 'simulated', found {found}") as caught:
        source.__enter__()
    assert caught.value.reason is reason
    assert portaudio.n_open == 0


@pytest.mark.parametrize(
    ("kind", "found"),
    [(FaultKind.GONE, "found it gone$"), (FaultKind.BUSY, r"found it gone \(hw:0,0 not listed, in use by a program\)")],
)
def test_a_device_that_is_no_longer_listed_is_named_and_found_again_when_it_is(clock, kind, found):
    portaudio = SimulatedPortAudio(ONES, faults=[Fault(kind, 1.0, 2.0)], clock=clock)
    source = portaudio.microphone(sample_rate_hz=RATE_HZ)
    with source:
        pass
    clock.advance(1.5)
    with pytest.raises(CaptureError, match=f"expected 'simulated' again, {found}") as caught:
        source.__enter__()
    assert caught.value.reason is CaptureFailure.NOT_FOUND
    clock.advance(1.0)
    with source:
        assert len(read_on(source, clock, 0.1)[-1].samples) == 320


def test_a_stream_that_does_not_start_is_closed(clock):
    class Unstarted(SimulatedStream):
        def start(self):
            raise PortAudioError(PaErrorCode.DEVICE_UNAVAILABLE)

    class Refusing(SimulatedPortAudio):
        def InputStream(self, **options):  # noqa: N802  # noqa: N802
            super().InputStream(**options)
            return Unstarted(self, RATE_HZ)

    portaudio = Refusing(ONES, clock=clock)
    with pytest.raises(CaptureError, match="found it busy") as caught:
        portaudio.microphone(sample_rate_hz=RATE_HZ).__enter__()
    assert (caught.value.reason, portaudio.n_open) == (CaptureFailure.BUSY, 0)


def test_a_device_whose_rate_cannot_be_converted_is_closed(clock, monkeypatch):
    monkeypatch.setitem(sys.modules, "soxr", None)
    portaudio = hardware(ONES, clock)
    with pytest.raises(SettingsError, match="no soxr"):
        portaudio.microphone(sample_rate_hz=RATE_HZ).__enter__()
    assert portaudio.n_open == 0


def read_until_lost(source, clock):
    with pytest.raises(CaptureError, match="found none for 1 s: unplugged or suspended") as caught:
        read_on(source, clock, 60.0)
    assert caught.value.reason is CaptureFailure.LOST


def test_a_microphone_that_falls_silent_is_lost_after_a_second(clock):
    portaudio = SimulatedPortAudio(ONES, faults=[Fault(FaultKind.SUSPENDED, 5.0, 99.0)], clock=clock)
    with portaudio.microphone(sample_rate_hz=RATE_HZ) as source:
        read_until_lost(source, clock)
    assert 6.0 <= portaudio.now_s <= 6.0 + 2 * STEP_S


def test_after_opening_the_first_samples_may_take_longer(clock):
    faults = [Fault(FaultKind.SUSPENDED, 0.02, 2.9), Fault(FaultKind.SUSPENDED, 3.0, 99.0)]
    portaudio = SimulatedPortAudio(ONES, faults=faults, clock=clock)
    with portaudio.microphone(sample_rate_hz=RATE_HZ) as source:
        assert len(samples_of(read_on(source, clock, 3.5))) == round((0.02 + 0.1) * RATE_HZ)
        read_until_lost(source, clock)
    assert 4.0 <= portaudio.now_s <= 4.0 + 2 * STEP_S
    portaudio = SimulatedPortAudio(ONES, faults=[Fault(FaultKind.SUSPENDED, 0.0, 99.0)], clock=clock)
    with portaudio.microphone(sample_rate_hz=RATE_HZ) as source:
        read_until_lost(source, clock)
    assert 3.0 <= portaudio.now_s <= 3.0 + 2 * STEP_S


def test_time_in_which_the_process_stood_still_does_not_count_against_the_microphone(clock):
    portaudio = SimulatedPortAudio(ONES, faults=[Fault(FaultKind.SUSPENDED, 0.02, 99.0)], clock=clock)
    with portaudio.microphone(sample_rate_hz=RATE_HZ) as source:
        read_on(source, clock, 2.5)
        clock.advance(30.0)
        assert len(source.read().samples) == 0
        read_until_lost(source, clock)
    assert 32.5 + 0.3 <= portaudio.now_s <= 32.5 + 0.5


def test_what_waited_while_the_process_stood_still_is_thrown_away_and_entered_as_a_gap(clock):
    portaudio = SimulatedPortAudio(ONES, buffer_s=300.0, clock=clock)  # as a sound server keeps
    with portaudio.microphone(sample_rate_hz=RATE_HZ) as source:
        read_on(source, clock, 4.0)
        clock.advance(0.9)
        late = read_on(source, clock, 4.0)
        assert losses_of(late) == []
        assert len(late[0].samples) == round(0.92 * RATE_HZ)
        assert len(portaudio.pieces) == 1
        clock.advance(5.0)
        (loss,) = losses_of(read_on(source, clock, 2.0))
    assert loss.cause is GapCause.OVERFLOW
    assert loss.lost_s == pytest.approx(5.0, abs=0.05)
    end_s = 4.0 + 0.9 + 4.0
    assert portaudio.pieces[-1] == Piece(round(end_s * RATE_HZ), round((end_s + 5.0 + STEP_S) * RATE_HZ))


def test_a_device_that_pauses_and_does_not_make_up_for_it_has_lost_samples(clock):
    faults = [Fault(FaultKind.LATE, 4.0, 4.7), Fault(FaultKind.SUSPENDED, 7.0, 7.6)]
    portaudio = SimulatedPortAudio(ONES, faults=faults, clock=clock)
    with portaudio.microphone(sample_rate_hz=RATE_HZ) as source:
        assert losses_of(read_on(source, clock, 7.5)) == []
        (loss,) = losses_of(read_on(source, clock, 4.0))
    assert loss.cause is GapCause.DRIFT
    assert loss.lost_s == pytest.approx(0.6, abs=0.05)


def test_an_error_while_reading_means_lost(clock):
    portaudio = SimulatedPortAudio(ONES, faults=[Fault(FaultKind.KILLED, 1.0, 1.01)], clock=clock)
    with portaudio.microphone(sample_rate_hz=RATE_HZ) as source:
        with pytest.raises(CaptureError, match="expected samples from 'simulated', found it lost") as caught:
            read_on(source, clock, 2.0)
        assert portaudio.now_s < 1.0 + 2 * STEP_S
        assert portaudio.n_open == 1
    assert caught.value.reason is CaptureFailure.LOST
    assert portaudio.n_open == 0


def test_a_microphone_is_read_inside_its_with_block_and_has_a_name_before():
    with pytest.raises(ValueError, match="inside its 'with' block"):
        Microphone(sample_rate_hz=RATE_HZ).read()
    assert Microphone(sample_rate_hz=RATE_HZ).name == "default"
    assert Microphone("usb", sample_rate_hz=RATE_HZ).name == "usb"


def test_a_source_that_its_server_replaces_by_zeros_is_lost_and_not_opened_again_until_it_is_back(clock):
    portaudio = SimulatedPortAudio(ONES, faults=[Fault(FaultKind.REPLACED, 1.0, 5.0)], clock=clock)
    source = portaudio.microphone(sample_rate_hz=RATE_HZ)
    with (
        source,
        pytest.raises(CaptureError, match="'simulated', found it replaced by the monitor of 'auto_null'") as it,
    ):
        read_on(source, clock, 2.0)
    assert it.value.reason is CaptureFailure.LOST
    assert portaudio.now_s < 1.5
    assert it.value.replaced_s == pytest.approx(portaudio.now_s - 1.0, abs=2 * STEP_S)
    with pytest.raises(CaptureError, match="expected the source of 'simulated' again, found no source"):
        source.__enter__()
    assert portaudio.n_open == 0
    clock.advance(4.0)
    with source:
        assert samples_of(read_on(source, clock, 1.0)).all()


def test_hardware_is_silent_without_anybody_being_asked(clock):
    portaudio = hardware(ONES, clock, faults=[Fault(FaultKind.REPLACED, 1.0, 5.0)])
    with portaudio.microphone(sample_rate_hz=RATE_HZ) as source:
        assert not samples_of(read_on(source, clock, 3.0))[-RATE_HZ:].any()


@pytest.mark.parametrize("name", ["pulse", "pipewire", "default", "USB Audio: - (hw:1,0)"])
def test_half_a_second_of_buffer_holds_the_largest_quantum_of_a_sound_server(clock, name):
    asked = []

    class Noted(SimulatedPortAudio):
        def InputStream(self, **options):  # noqa: N802
            asked.append((options["latency"], options["blocksize"] / options["samplerate"]))
            return super().InputStream(**options)

    with Noted(ONES, name=name, clock=clock).microphone(sample_rate_hz=RATE_HZ):
        assert asked == [(0.5, 0.04)]
