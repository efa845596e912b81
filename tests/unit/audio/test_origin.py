"""When the server is asked where samples come from, and what follows from its answer."""

import logging

import numpy as np
import pytest

from detector.audio.inquiry import Answer, Inquiry, Origin
from detector.audio.origin import ASK_AT_LEAST_S, OriginWatch

RATE_HZ = 16000
STEP_S = 0.04
MICROPHONE = Origin(1, "mic", is_monitor=False)
AGAIN = Origin(9, "mic", is_monitor=False)
OTHER = Origin(2, "other", is_monitor=False)
SPEAKER = Origin(3, "hdmi", is_monitor=True)
DUMMY = Origin(4, "auto_null", is_monitor=True)


class Server(Inquiry):
    """Answers at the next poll; counts how often it is asked."""

    def __init__(self):
        super().__init__(())
        self.origin, self.sources = MICROPHONE, {"mic"}
        self.n_asked = 0
        self._is_asked = False

    @property
    def is_pending(self):
        return self._is_asked

    def ask(self):
        self.n_asked += 1
        self._is_asked = True

    def poll(self):
        self._is_asked = False
        return self.wait()

    def wait(self):
        return Answer(True, self.origin, frozenset(self.sources))


@pytest.fixture
def server():
    return Server()


@pytest.fixture
def watch(server):
    return OriginWatch(server)


SOUND = np.ones((round(STEP_S * RATE_HZ), 1), dtype=np.int16)
ZEROS = np.zeros_like(SOUND)


def listen(watch, samples, seconds, now_s=0.0, **options):
    """Observe samples for some time; return what is reported, and when."""
    for _ in range(round(seconds / STEP_S)):
        now_s += STEP_S
        reason = watch.observe(samples, now_s, **({"has_loss": False} | options))
        if reason is not None:
            return round(now_s, 2), reason
    return None


def begin(watch):
    watch.begin(RATE_HZ, 0.0)
    assert listen(watch, SOUND, 10.0) is None


def test_a_server_is_asked_once_while_there_is_sound(watch, server):
    begin(watch)
    assert listen(watch, SOUND, 3600.0, 10.0) is None
    assert server.n_asked == 1


def test_a_microphone_that_is_replaced_by_a_dummy_is_lost_after_some_zeros_and_again_at_the_start(watch, server):
    begin(watch)
    server.origin, server.sources = DUMMY, set()
    at_s, reason = listen(watch, ZEROS, 10.0, 10.0)
    assert at_s < 10.5
    assert watch.replaced_s == pytest.approx(at_s - 10.0)
    assert reason == "expected samples of 'mic', found it replaced by the monitor of 'auto_null'"
    assert watch.check_return() == "no source but monitors of what is played"
    server.sources = {"mic"}
    assert watch.check_return() is None
    server.origin = AGAIN
    begin(watch)


def test_a_dummy_is_no_microphone_at_the_start_either(watch, server):
    server.origin, server.sources = DUMMY, set()
    watch.begin(RATE_HZ, 0.0)
    assert (
        listen(watch, ZEROS, 1.0)[1]
        == "expected samples of a microphone, found it replaced by the monitor of 'auto_null'"
    )


def test_a_monitor_is_listened_to_where_there_was_no_microphone_before(watch, server):
    server.origin, server.sources = SPEAKER, set()
    begin(watch)
    assert listen(watch, ZEROS, 60.0, 10.0) is None
    assert watch.check_return() is None


def test_a_monitor_is_listened_to_where_the_microphone_is_still_there(watch, server, caplog):
    begin(watch)
    server.origin = SPEAKER
    assert listen(watch, SOUND, 0.04, 10.0, has_loss=True) is None
    with caplog.at_level(logging.WARNING):
        assert listen(watch, SOUND, 60.0, 10.04) is None
    assert caplog.messages == ["the sound server has moved the stream from 'mic' to 'hdmi'"]


def test_music_of_the_speaker_in_the_place_of_the_microphone_is_noticed_by_a_short_burst_of_zeros(watch, server):
    begin(watch)
    server.origin, server.sources = SPEAKER, set()
    burst = SOUND.copy()
    burst[100:300] = 0
    assert listen(watch, burst, STEP_S, 10.0) is None
    at_s, reason = listen(watch, SOUND, 1.0, 10.04)
    assert reason.startswith("expected samples of 'mic', found it replaced")
    assert watch.replaced_s == pytest.approx(at_s - 10.0 - 100 / RATE_HZ)


def test_what_comes_after_a_loss_is_not_the_microphone_s_if_the_stream_was_moved_there(watch, server):
    begin(watch)
    server.origin, server.sources = SPEAKER, set()
    assert listen(watch, SOUND, STEP_S, 10.0, has_loss=True) is None
    at_s, _ = listen(watch, SOUND, 1.0, 10.04)
    assert watch.replaced_s == pytest.approx(at_s - 10.0)


def test_zeros_of_a_muted_microphone_are_its_own_as_far_as_the_server_was_asked(watch, server):
    begin(watch)
    assert listen(watch, ZEROS, 30.0, 10.0) is None
    n_asked = server.n_asked
    server.origin, server.sources = DUMMY, set()
    at_s, _ = listen(watch, ZEROS, 120.0, 40.0)
    assert server.n_asked == n_asked + 1
    assert at_s - 40.0 <= watch.replaced_s <= 16.1  # the pause between two questions is 16 s by then


def test_zeros_of_before_a_stream_was_opened_are_not_counted(watch, server):
    begin(watch)
    server.origin, server.sources = DUMMY, set()
    assert listen(watch, ZEROS, 10.0, 10.0) is not None
    watch.begin(RATE_HZ, 0.0)
    at_s, _ = listen(watch, ZEROS, 1.0)
    assert watch.replaced_s == pytest.approx(at_s)


@pytest.mark.parametrize(("origin", "name"), [(OTHER, "other"), (AGAIN, "mic")])
def test_a_stream_that_is_moved_and_silent_is_opened_anew_once(watch, server, origin, name):
    begin(watch)
    server.origin, server.sources = origin, {name}
    at_s, reason = listen(watch, ZEROS, 2.0, 10.0)
    assert reason == f"expected samples of 'mic', found zeros of '{name}' that the stream was moved to"
    assert watch.replaced_s == pytest.approx(at_s - 10.0)
    assert watch.check_return() is None
    watch.begin(RATE_HZ, 0.0)
    assert listen(watch, ZEROS, 3600.0) is None


def test_a_muted_microphone_is_asked_about_ever_more_rarely_and_stays(watch, server):
    begin(watch)
    assert listen(watch, ZEROS, 3600.0, 10.0) is None
    assert 3600 / ASK_AT_LEAST_S < server.n_asked < 3600 / ASK_AT_LEAST_S + 15


def test_where_nobody_can_say_anything_nothing_happens(caplog):
    watch = OriginWatch(Inquiry(()))
    begin(watch)
    assert listen(watch, ZEROS, 60.0, 10.0) is None
    assert caplog.messages == []
