"""Reasons from PortAudio's numbers; a killed server and one without a source are as PortAudio 19.6 reports them."""

import errno

import pytest

from detector.audio.failures import FOUND, PaErrorCode, find_reason, translate
from detector.errors import CaptureFailure


class PortAudioError(Exception):
    """As sounddevice's: a text, a code, and the host API's index, code and text."""


def host_error(code, host_api=0):
    return PortAudioError("Unanticipated host error", -9999, (host_api, code, "in any language"))


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (PortAudioError("Device unavailable", -9985), CaptureFailure.BUSY),
        (PortAudioError("Gerät nicht frei", -9985), CaptureFailure.BUSY),
        (PortAudioError("Invalid device", -9996), CaptureFailure.NOT_FOUND),
        (PortAudioError("Illegal combination of I/O devices", -9993), CaptureFailure.NOT_FOUND),  # a killed server
        (PortAudioError("Invalid sample rate", -9997), CaptureFailure.UNSUPPORTED),
        (PortAudioError("Invalid number of channels", -9998), CaptureFailure.UNSUPPORTED),
        (PortAudioError("Insufficient memory", -9992), CaptureFailure.UNSUPPORTED),
        (host_error(-errno.EBUSY), CaptureFailure.BUSY),
        (host_error(-errno.EACCES), CaptureFailure.NO_PERMISSION),
        (host_error(-errno.EPERM), CaptureFailure.NO_PERMISSION),
        (host_error(-errno.ENOENT), CaptureFailure.NOT_FOUND),
        (host_error(-errno.ENODEV), CaptureFailure.NOT_FOUND),
        (host_error(-errno.ECONNREFUSED), CaptureFailure.NOT_FOUND),
        (host_error(-errno.EIO), CaptureFailure.LOST),  # a server without a source
        (host_error(errno.EBUSY), CaptureFailure.BUSY),  # OSS
        (host_error(-errno.EINVAL), CaptureFailure.UNSUPPORTED),
        (host_error(0), CaptureFailure.UNSUPPORTED),
    ],
)
def test_the_codes_say_why_a_device_cannot_be_opened(error, reason):
    assert find_reason(error) is reason


@pytest.mark.parametrize(
    "error",
    [
        PortAudioError(),
        PortAudioError("Device unavailable: busy, permission denied"),
        PortAudioError("Device unavailable: permission denied", -9999),
        PortAudioError("busy", -9997),
    ],
)
def test_a_text_is_no_reason(error):
    assert find_reason(error) is CaptureFailure.UNSUPPORTED


def test_a_person_reads_what_was_found_and_the_text():
    error = translate(PortAudioError("Device unavailable {}", -9985), "mic")
    assert error.reason is CaptureFailure.BUSY
    assert str(error).startswith("expected to open 'mic', found it busy: which program holds it? (")
    assert "Device unavailable {}" in str(error)
    assert str(translate(host_error(-errno.EACCES), "mic")).startswith(
        "expected to open 'mic', found no permission: add the user to the group audio ("
    )
    assert set(FOUND) == set(CaptureFailure) - {CaptureFailure.NO_LIBRARY}


def test_the_codes_are_portaudios():
    declared = pytest.importorskip("_sounddevice").ffi.typeof("PaErrorCode").relements
    by_name = {f"pa{name.replace('_', '')}".lower(): code for name, code in PaErrorCode.__members__.items()}
    assert by_name == {name.lower(): code for name, code in declared.items() if name.lower() in by_name}
