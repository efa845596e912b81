"""When PortAudio's list of devices is made anew, and what of the sound system is looked at for that."""

import itertools

import pytest

from detector.audio.hotplug import (
    LOOK_AFTER_PART,
    LOOK_EVERY_S,
    LOOK_FOR_S,
    Changes,
    describe_sound_system,
    find_held_devices,
    rescan,
)
from detector.errors import CaptureError, CaptureFailure


@pytest.fixture
def capture_device(tmp_path):
    """The state that ALSA shows of the one capture device of a card."""
    state = tmp_path / "card1/pcm0c/sub0/hw_params"
    state.parent.mkdir(parents=True)
    state.write_text("closed\n")
    return state


def look(changes, now_s):
    is_due = changes.is_due(now_s)
    if is_due:
        changes.note_looked(now_s)
    return is_due


def test_devices_are_listed_anew_after_changes_and_ever_less_often_else():
    seen = ["a card"]
    changes = Changes(lambda: tuple(seen), frozenset)
    due = [now_s for now_s in range(10_000) if look(changes, float(now_s))]
    assert due[: int(LOOK_FOR_S)] == list(range(int(LOOK_FOR_S)))
    assert all(late - soon <= max(1, LOOK_AFTER_PART * late + 1) for soon, late in itertools.pairwise(due))
    assert max(late - soon for soon, late in itertools.pairwise(due)) == LOOK_EVERY_S
    assert len(due) < 10_000 / LOOK_EVERY_S + 60
    seen.append("another")
    assert look(changes, 10_000.0)


def test_a_device_that_a_program_lets_go_of_is_looked_for_at_once(tmp_path, capture_device):
    changes = Changes(tuple, lambda: find_held_devices(tmp_path))
    capture_device.write_text("access: RW_INTERLEAVED\nrate: 48000 (48000/1)\n")
    assert look(changes, 0.0)
    assert changes.held == {"hw:1,0"}
    assert look(changes, 1000.0)
    assert not look(changes, 1001.0)
    capture_device.write_text("closed\n")
    assert changes.is_due(1002.0)
    assert look(changes, 1003.0), "it is due until a list was made"
    assert not look(changes, 1004.0)


def test_cards_and_sockets_that_come_and_go_are_seen(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("PULSE_SERVER", f"unix:{tmp_path / 'own'}")
    (tmp_path / "pulse").mkdir()
    seen = [describe_sound_system(tmp_path)]
    for name in ("cards", "pulse/native", "pipewire-0", "own"):
        (tmp_path / name).write_text(name)
        seen.append(describe_sound_system(tmp_path))
    (tmp_path / "own").unlink()
    seen.append(describe_sound_system(tmp_path))
    assert all(before != after for before, after in itertools.pairwise(seen))
    assert describe_sound_system(tmp_path) == seen[-1]


class PortAudioError(Exception):
    pass


class PortAudio:
    """Notes what is asked of it; may refuse to end, or to begin."""

    PortAudioError = PortAudioError

    def __init__(self, *refused):
        self.refused, self.asked = refused, []

    def _terminate(self):
        self._answer("terminate")

    def _initialize(self):
        self._answer("initialize")

    def _answer(self, what):
        self.asked.append(what)
        if what in self.refused:
            raise PortAudioError(f"{what}: no")


@pytest.mark.parametrize("refused", [(), ("terminate",)])
def test_portaudio_is_ended_and_begins_anew_even_if_it_did_not_begin_last_time(refused):
    portaudio = PortAudio(*refused)
    rescan(portaudio)
    assert portaudio.asked == ["terminate", "initialize"]


def test_a_portaudio_that_does_not_begin_again_has_no_devices():
    with pytest.raises(CaptureError, match="expected PortAudio to start again, found: initialize: no") as caught:
        rescan(PortAudio("initialize"))
    assert caught.value.reason is CaptureFailure.NOT_FOUND
