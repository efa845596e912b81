"""Which device is meant, and what PortAudio's list says of it."""

import sys
import threading

import numpy as np
import pytest

from detector.audio import devices as devices_module
from detector.audio.devices import (
    Device,
    answer_in_time,
    choose_device,
    find_again,
    import_sounddevice,
    list_devices,
)
from detector.audio.simulated import PaErrorCode, PortAudioError, SimulatedPortAudio, looped
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


def test_without_portaudio_the_package_to_install_is_named(monkeypatch):
    class Finder:
        def find_spec(self, name, path=None, target=None):
            if name == "sounddevice":
                raise OSError("PortAudio library not found")

    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    with pytest.raises(CaptureError, match="apt-get install libportaudio2") as caught:
        import_sounddevice()
    assert caught.value.exit_code == 69


def test_without_the_package_that_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(CaptureError, match="expected the package sounddevice, found none: 'pip install") as caught:
        import_sounddevice()
    assert caught.value.reason is CaptureFailure.NO_LIBRARY


class Listing(SimulatedPortAudio):
    """Lists an output, a microphone and a sound server, the default."""

    def __init__(self):
        super().__init__(looped(np.zeros(1, dtype=np.int16)))
        self.default.device = (2, 0)

    def query_devices(self):
        names = ("speaker", 0, 44100.0), ("mic (hw:1,0)", 1, 48000.0), ("default", 32, 44100.0)
        return [
            {"name": name, "hostapi": 0, "max_input_channels": n_channels, "default_samplerate": rate_hz}
            for name, n_channels, rate_hz in names
        ]


def test_what_can_capture_is_listed():
    assert list_devices(Listing()) == [
        Device(1, "mic (hw:1,0)", "simulated", 1, 48000, False),
        Device(2, "default", "simulated", 32, 44100, True),
    ]


def test_a_portaudio_that_does_not_list_is_an_error():
    class Failing(Listing):
        def query_devices(self):
            raise PortAudioError(PaErrorCode.INVALID_DEVICE)

    with pytest.raises(CaptureError, match=r"expected a list of devices, found: Invalid device \[PaErr") as caught:
        list_devices(Failing())
    assert caught.value.reason is CaptureFailure.NOT_FOUND


def test_what_a_sound_server_answers_is_returned_or_raised():
    assert answer_in_time(lambda: 7) == 7

    def fail():
        raise SettingsError("two fit")

    with pytest.raises(SettingsError, match="two fit"):
        answer_in_time(fail)


def test_a_sound_server_that_does_not_answer_is_left_behind(monkeypatch):
    monkeypatch.setattr(devices_module, "ANSWER_WITHIN_S", 0.01)
    released = threading.Event()
    with pytest.raises(CaptureError, match=r"answer within .* found it hung") as caught:
        answer_in_time(released.wait)
    released.set()
    assert caught.value.reason is CaptureFailure.LOST


def test_a_name_that_is_not_utf8_is_decoded_as_well_as_it_can_be():
    sounddevice = import_sounddevice()
    text = sounddevice._ffi.new("char[]", b"M\xfcller: USB (hw:1,0)")
    assert sounddevice._ffi.string(text).decode() == r"M\xfcller: USB (hw:1,0)"
    assert sounddevice._ffi.string(sounddevice._ffi.new("char[]", "für".encode())).decode("utf-8") == "für"


@pytest.mark.parametrize("wanted", ["USB", r"m\xfcller", "M\udcfcller: USB\n(hw:1,0)", r"USB\n(hw"])
def test_a_device_is_found_by_a_part_of_its_name_as_it_is_listed_or_as_it_is(wanted):
    odd = Device(1, "M\\xfcller: USB\n(hw:1,0)", "ALSA", 1, 48000, False)
    assert choose_device([Device(0, "default", "ALSA", 1, 48000, True), odd], wanted) == odd


def test_portaudio_divides_a_buffer_into_as_many_periods_as_there_are_blocks(monkeypatch):
    asked = []

    class Library:
        def __init__(self, name):
            assert "portaudio" in name
            self.PaAlsa_SetNumPeriods = asked.append

    monkeypatch.setattr(devices_module.ctypes, "CDLL", Library)
    import_sounddevice()
    assert asked == [16]
