"""What the microphone does with what PortAudio says; the real one is in tests/contract and tests/end_to_end."""

import sys
import types

import numpy as np
import pytest

from detector.audio import devices, microphone
from detector.audio.devices import Device, choose_device, find_again
from detector.audio.gaps import GapCause, Loss
from detector.audio.microphone import Microphone
from detector.errors import CaptureError, CaptureFailure, SettingsError

DEVICES = [
    Device(0, "HDA Intel: ALC (hw:0,0)", "ALSA", 2, 44100, False),
    Device(2, "USB Audio: - (hw:1,0)", "ALSA", 1, 48000, False),
    Device(5, "USB Audio Two: - (hw:2,0)", "ALSA", 6, 48000, False),
    Device(7, "default", "ALSA", 32, 44100, True),
]


@pytest.mark.parametrize(("wanted", "index"), [(None, 7), (2, 2), ("intel", 0), ("default", 7), ("usb audio two", 5)])
def test_a_device_is_chosen_by_index_part_of_its_name_or_default(wanted, index):
    assert choose_device(DEVICES, wanted).index == index


def test_an_ambiguous_name_lists_what_fits():
    with pytest.raises(SettingsError, match=r"found 2 USB Audio: - \(hw:1,0\), 5 USB Audio Two"):
        choose_device(DEVICES, "usb")


@pytest.mark.parametrize("wanted", [1, "webcam"])
def test_a_device_that_is_not_there_lists_those_that_are(wanted):
    with pytest.raises(CaptureError, match=r"found 0 HDA Intel.*keyword-detector devices") as caught:
        choose_device(DEVICES, wanted)
    assert caught.value.reason is CaptureFailure.NOT_FOUND
    with pytest.raises(CaptureError, match="no capture device at all"):
        choose_device([], wanted)


CARD = Device(3, "Mic: Audio (hw:2,0)", "ALSA", 1, 48000, False)


@pytest.mark.parametrize(
    ("listed", "beside", "found"),
    [
        (["Mic: Audio (hw:2,0)"], (), "Mic: Audio (hw:2,0)"),
        (["Other: Audio (hw:2,0)", "Mic: Audio (hw:3,0)"], (), "Mic: Audio (hw:3,0)"),
        (["Mic: Audio (hw:2,0)", "Mic: Audio (hw:3,0)"], (), "Mic: Audio (hw:2,0)"),
        (["Other: Audio (hw:2,0)"], (), None),
        (["Mic: Audio (hw:3,0)"], ("Mic: Audio (hw:3,0)",), None),  # a second one of the same kind
        (["Mic: Audio (hw:3,0)", "Mic: Audio (hw:4,0)"], ("Mic: Audio (hw:3,0)",), "Mic: Audio (hw:4,0)"),
        (["Mic: Audio (hw:3,0)", "Mic: Audio (hw:4,0)"], (), None),
    ],
)
def test_a_card_that_returns_under_another_number_is_found_and_no_other(listed, beside, found):
    devices = [Device(k, name, "ALSA", 1, 48000, False) for k, name in enumerate(listed)]
    if found is None:
        with pytest.raises(CaptureError, match=r"expected 'Mic: Audio \(hw:2,0\)' again"):
            find_again(devices, CARD, frozenset(beside))
    else:
        assert find_again(devices, CARD, frozenset(beside)).name == found


def test_a_device_that_is_not_listed_because_it_is_in_use_is_named():
    held = frozenset({"hw:1,0", "hw:0,3"})
    with pytest.raises(CaptureError, match=r"7 default \(hw:0,3, hw:1,0 not listed, in use by a program\): see"):
        choose_device([DEVICES[0], DEVICES[3]], "usb", held)
    with pytest.raises(CaptureError, match=r"it gone \(hw:0,3, hw:1,0 not listed"):
        find_again([], CARD, held=held)


class PortAudioError(Exception):
    pass


class FakeStream:
    """Plays scripted reads: (frames, overflowed), or an exception."""

    def __init__(self, samplerate, reads):
        self.samplerate = samplerate
        self.reads = reads

    n_starts = 0

    def start(self):
        FakeStream.n_starts += 1

    def abort(self, *, ignore_errors=True):
        pass

    def close(self, *, ignore_errors=True):
        pass

    @property
    def read_available(self):
        return len(self.reads[0][0]) if self.reads and not isinstance(self.reads[0], Exception) else len(self.reads)

    def read(self, n_frames):
        answer = self.reads.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def portaudio(monkeypatch):
    """A fake sounddevice that accepts one rate and one number of channels."""
    fake = types.SimpleNamespace(accepts=(16000, 1), reads=[], opened=[], refusal=PortAudioError("Invalid sample rate"))

    def open_stream(*, device, samplerate, channels, **_):
        fake.opened.append((samplerate, channels))
        if (samplerate, channels) != fake.accepts:
            raise fake.refusal
        return FakeStream(samplerate, fake.reads)

    module = types.SimpleNamespace(InputStream=open_stream, PortAudioError=PortAudioError)
    monkeypatch.setattr(microphone, "import_sounddevice", lambda: module)
    monkeypatch.setattr(microphone, "list_devices", lambda: DEVICES)
    return fake


def test_hardware_runs_at_its_own_rate_and_is_converted(portaudio):
    portaudio.accepts = (48000, 1)
    tone = (8000 * np.sin(2 * np.pi * 1000 * np.arange(48000) / 48000)).astype(np.int16)[:, None]
    portaudio.reads = [(tone[first : first + 1920], False) for first in range(0, 48000, 1920)]
    with Microphone(2, sample_rate_hz=16000) as source:
        samples = np.concatenate([source.read().samples for _ in range(25)])
    assert portaudio.opened[0] == (48000, 1)
    expected = 8000 * np.sin(2 * np.pi * 1000 * np.arange(len(samples)) / 16000)
    assert 15000 < len(samples) <= 16000
    np.testing.assert_allclose(samples[2000:14000], expected[2000:14000], atol=20)


def test_nothing_from_before_a_loss_stands_after_it(portaudio):
    portaudio.accepts = (48000, 1)
    loud, quiet = np.full((9600, 1), 20000, dtype=np.int16), np.zeros((9600, 1), dtype=np.int16)
    portaudio.reads = [(loud, False), (quiet, True), (quiet, False)]
    with Microphone(2, sample_rate_hz=16000) as source:
        source.read()
        torn = source.read()
        assert torn.loss == Loss(GapCause.OVERFLOW)
        assert not np.concatenate((torn.samples, source.read().samples)).any()


def test_a_device_of_many_channels_is_averaged(portaudio):
    portaudio.accepts = (48000, 6)
    portaudio.reads = [(np.tile(np.array([600, 0, 0, 0, 0, 600], dtype=np.int16), (9600, 1)), False)]
    with Microphone("two", sample_rate_hz=16000) as source:
        samples = source.read().samples
    assert abs(int(np.median(samples[500:-500])) - 200) <= 1


def test_a_sound_server_is_asked_for_our_rate(portaudio):
    portaudio.reads = [(np.ones((640, 1), dtype=np.int16), False), (np.ones((640, 1), dtype=np.int16), True)]
    with Microphone(sample_rate_hz=16000) as source:
        first, second = source.read(), source.read()
    assert portaudio.opened == [(16000, 1)]
    assert (first.loss, second.loss) == (None, Loss(GapCause.OVERFLOW))
    assert second.samples.tolist() == [1] * 640


@pytest.mark.parametrize(
    ("error", "reason", "found"),
    [
        (PortAudioError("nicht da", -9985), CaptureFailure.BUSY, "it busy"),
        (PortAudioError("permission, busy", -9997), CaptureFailure.UNSUPPORTED, "that PortAudio refuses: .*busy"),
    ],
)
def test_a_refusal_carries_its_reason_whatever_its_text(portaudio, error, reason, found):
    portaudio.accepts, portaudio.refusal = None, error
    with (
        pytest.raises(CaptureError, match=f"expected to open 'default', found {found}") as caught,
        Microphone(sample_rate_hz=16000),
    ):
        pass
    assert caught.value.reason is reason


def test_a_microphone_that_falls_silent_is_lost(portaudio):
    now = [100.0]
    portaudio.reads = [(np.ones((640, 1), dtype=np.int16), False)]
    with Microphone(sample_rate_hz=16000, clock=lambda: now[0]) as source:
        assert len(source.read().samples) == 640
        read_every_20_ms(source, now, until_s=102.9)  # within the grace after opening
        portaudio.reads.append((np.ones((640, 1), dtype=np.int16), False))
        read_every_20_ms(source, now, until_s=103.9)
        with pytest.raises(CaptureError, match="found none for 1 s") as caught:
            read_every_20_ms(source, now, until_s=104.1)
    assert caught.value.reason is CaptureFailure.LOST


def read_every_20_ms(source, now, *, until_s):
    while now[0] < until_s:
        now[0] += 0.02
        source.read()


def test_time_in_which_the_process_stood_still_does_not_count_against_the_microphone(portaudio):
    now = [100.0]
    with Microphone(sample_rate_hz=16000, clock=lambda: now[0]) as source:
        portaudio.reads.append((np.ones((640, 1), dtype=np.int16), False))
        read_every_20_ms(source, now, until_s=102.5)
        now[0] += 30.0
        assert len(source.read().samples) == 0
        with pytest.raises(CaptureError, match="found none for 1 s"):
            read_every_20_ms(source, now, until_s=134.0)


def test_what_waited_while_the_process_stood_still_is_thrown_away_and_entered_as_a_gap(portaudio):
    now = [100.0]

    def pass_by(seconds):
        now[0] += seconds
        portaudio.reads.append((np.ones((round(16000 * seconds), 1), dtype=np.int16), False))

    with Microphone(sample_rate_hz=16000, clock=lambda: now[0]) as source:
        n_starts = FakeStream.n_starts
        for seconds in (*[0.02] * 200, 0.9, *[0.02] * 200):
            pass_by(seconds)
            assert source.read().loss is None
        assert FakeStream.n_starts == n_starts
        now[0] += 5.0
        pass_by(0.02)
        loss = source.read().loss
        assert FakeStream.n_starts == n_starts + 1
    assert loss.cause is GapCause.OVERFLOW
    assert loss.lost_s == pytest.approx(5.0, abs=0.05)


def test_a_device_that_pauses_and_does_not_make_up_for_it_has_lost_samples(portaudio):
    now = [100.0]

    def hear(seconds, n_samples):
        read_every_20_ms(source, now, until_s=now[0] + seconds - 0.021)
        portaudio.reads.append((np.ones((n_samples, 1), dtype=np.int16), False))
        now[0] += 0.02
        return source.read().loss

    with Microphone(sample_rate_hz=16000, clock=lambda: now[0]) as source:
        assert [hear(0.1, 1600) for _ in range(40)] == [None] * 40
        assert hear(0.7, 11200) is None  # late, all at once
        assert [hear(0.1, 1600) for _ in range(20)] == [None] * 20
        loss = hear(0.7, 1600)
        assert loss.cause is GapCause.DRIFT
        assert loss.lost_s == pytest.approx(0.6, abs=0.05)
        assert [hear(0.1, 1600) for _ in range(40)] == [None] * 40


def test_an_error_while_reading_means_lost(portaudio):
    portaudio.reads = [PortAudioError("Unanticipated host error")]
    with Microphone(sample_rate_hz=16000) as source, pytest.raises(CaptureError, match="found it lost") as caught:
        source.read()
    assert caught.value.reason is CaptureFailure.LOST


def test_without_portaudio_the_package_to_install_is_named(monkeypatch):
    class Finder:
        def find_spec(self, name, path=None, target=None):
            if name == "sounddevice":
                raise OSError("PortAudio library not found")

    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    with pytest.raises(CaptureError, match="apt-get install libportaudio2") as caught:
        devices.import_sounddevice()
    assert caught.value.exit_code == 69
