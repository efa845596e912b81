"""Why PortAudio fails, by its numbers: its texts are for people, and others in the next version."""

from __future__ import annotations

import enum
import errno

from detector.errors import CaptureError, CaptureFailure


class PaErrorCode(enum.IntEnum):
    """PortAudio's error codes for why a device cannot be opened, as in portaudio.h."""

    UNANTICIPATED_HOST_ERROR = -9999
    """A call of the host API failed, and the reason is in its own code: ALSA's is an errno below 0."""
    INVALID_CHANNEL_COUNT = -9998
    INVALID_SAMPLE_RATE = -9997
    INVALID_DEVICE = -9996
    BAD_IO_DEVICE_COMBINATION = -9993
    """ALSA could not open the device, for whatever reason but that it is busy: its server has ended, for one."""
    DEVICE_UNAVAILABLE = -9985


REASONS: dict[int, CaptureFailure] = {
    PaErrorCode.INVALID_CHANNEL_COUNT: CaptureFailure.UNSUPPORTED,
    PaErrorCode.INVALID_SAMPLE_RATE: CaptureFailure.UNSUPPORTED,
    PaErrorCode.INVALID_DEVICE: CaptureFailure.NOT_FOUND,
    PaErrorCode.BAD_IO_DEVICE_COMBINATION: CaptureFailure.NOT_FOUND,
    PaErrorCode.DEVICE_UNAVAILABLE: CaptureFailure.BUSY,
}
HOST_REASONS = {
    errno.EBUSY: CaptureFailure.BUSY,
    errno.EACCES: CaptureFailure.NO_PERMISSION,
    errno.EPERM: CaptureFailure.NO_PERMISSION,
    errno.ENOENT: CaptureFailure.NOT_FOUND,
    errno.ENXIO: CaptureFailure.NOT_FOUND,
    errno.ENODEV: CaptureFailure.NOT_FOUND,
    errno.ECONNREFUSED: CaptureFailure.NOT_FOUND,
    errno.EIO: CaptureFailure.LOST,  # of PulseAudio's plugin, where the server has no source any more
    errno.EPIPE: CaptureFailure.LOST,
    errno.ECONNRESET: CaptureFailure.LOST,
}
FOUND = {
    CaptureFailure.BUSY: "it busy: which program holds it? ({})",
    CaptureFailure.NO_PERMISSION: "no permission: add the user to the group audio ({})",
    CaptureFailure.NOT_FOUND: "it gone: is it plugged in, does its sound server run? ({})",
    CaptureFailure.LOST: "it lost ({})",
    CaptureFailure.UNSUPPORTED: "that PortAudio refuses: {}",
}


def find_reason(error: Exception) -> CaptureFailure:
    """Return why a device could not be opened.

    Parameters
    ----------
    error : sounddevice.PortAudioError
        Its `args` are a text, an error code, and (host API, the host's error code, the host's text), as far as
        there are any.

    Returns
    -------
    CaptureFailure
        UNSUPPORTED for all other codes, and without one.
    """
    code = error.args[1] if len(error.args) > 1 else 0
    if code == PaErrorCode.UNANTICIPATED_HOST_ERROR and len(error.args) > 2:
        _, host_code, _ = error.args[2]
        return HOST_REASONS.get(abs(host_code), CaptureFailure.UNSUPPORTED)
    return REASONS.get(code, CaptureFailure.UNSUPPORTED)


def translate(error: Exception, device_name: str) -> CaptureError:
    """Return our error for a `PortAudioError` of opening a device."""
    reason = find_reason(error)
    return CaptureError(reason, f"expected to open '{device_name}', found {FOUND[reason].format(error)}")
