"""How a take is played, through what stands in for PortAudio."""

from __future__ import annotations

import numpy as np
import pytest

from detector.audio.simulated import PaErrorCode, PortAudioError
from detector.errors import CaptureError, CaptureFailure
from detector.learn import playback
from detector.learn.playback import play_back

TAKE = np.arange(1, 5001, dtype=np.int16)


class Output:
    """As much of sounddevice as is used: a device that takes at most so many samples at once."""

    PortAudioError = PortAudioError

    def __init__(self, *room: int, error: Exception | None = None) -> None:
        self._room = list(room)
        self._error = error
        self.played: list[np.ndarray] = []
        self.was_aborted = False

    def OutputStream(self, *, samplerate, channels, dtype):  # noqa: N802
        assert (samplerate, channels, dtype) == (16000, 1, "int16")
        if self._error is not None:
            raise self._error
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    @property
    def write_available(self) -> int:
        return self._room.pop(0) if len(self._room) > 1 else self._room[0]

    def write(self, frames: np.ndarray) -> None:
        self.played.append(frames[:, 0])

    def abort(self) -> None:
        self.was_aborted = True


def test_all_of_a_take_is_played_as_the_device_has_room_and_a_little_quiet_after_it():
    output = Output(0, 1000, 0, 800)
    play_back(TAKE, portaudio=output)
    played = np.concatenate(output.played)
    np.testing.assert_array_equal(played, np.concatenate((TAKE, np.zeros(3200, dtype=np.int16))))
    assert len(output.played[0]) == 1000


@pytest.mark.parametrize(
    "error", [PortAudioError(PaErrorCode.INVALID_DEVICE), ValueError("no default output device")], ids=str
)
def test_no_output_device_is_one_line(error):
    with pytest.raises(CaptureError, match="expected a device to play the take on, found none") as raised:
        play_back(TAKE, portaudio=Output(0, error=error))
    assert raised.value.reason is CaptureFailure.NOT_FOUND


def test_a_device_that_takes_no_sound_is_given_up(monkeypatch):
    monkeypatch.setattr(playback, "MORE_S", -10.0)
    output = Output(0)
    with pytest.raises(CaptureError, match="found that the device takes no sound"):
        play_back(TAKE, portaudio=output)
    assert output.was_aborted
    assert output.played == []
