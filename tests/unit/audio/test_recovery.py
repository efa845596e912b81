"""A source that is lost and comes back, on a clock that a test turns."""

import logging
import random

import numpy as np
import pytest
from clocks import Clock

from detector.audio.gaps import Loss
from detector.audio.recovery import Recovering
from detector.audio.simulated import OPENING_FAILS, Fault, FaultKind, SimulatedPortAudio, looped
from detector.audio.sources import NOTHING, Block
from detector.errors import CaptureError, CaptureFailure, SettingsError
from detector.events import GapCause
from detector.settings import RecoverySettings

SOUND = Block(np.ones(4, dtype=np.int16))


class Flaky:
    """A device that is there in some intervals of time, and delivers a block at each read."""

    is_live, can_wait, is_waiting = True, False, False

    def __init__(self, clock, *there, name="mic", reason=CaptureFailure.NOT_FOUND, is_mute=False):
        self.clock, self.there, self.name, self.reason, self.is_mute = clock, there, name, reason, is_mute
        self.tries = []
        self.n_open = 0

    @property
    def is_there(self):
        return any(first <= self.clock() < last for first, last in self.there)

    def __enter__(self):
        self.tries.append(self.clock())
        if not self.is_there:
            raise CaptureError(self.reason, f"expected {self.name}, found nothing")
        self.n_open += 1
        assert self.n_open == 1
        return self

    def __exit__(self, *_):
        self.n_open -= 1

    def read(self):
        if not self.is_there:
            raise CaptureError(CaptureFailure.LOST, f"expected samples from {self.name}, found it lost")
        return Block(NOTHING) if self.is_mute else SOUND


@pytest.fixture
def clock():
    return Clock()


def recovering(clock, *sources, **settings):
    return Recovering(sources, RecoverySettings(**settings), clock=clock, rng=random.Random(0))


def watch(source, clock, seconds, step_s=0.02):
    """Read for a while; return when each block with samples came, and what was lost before it."""
    heard = []
    for _ in range(round(seconds / step_s)):
        block = source.read()
        if len(block.samples):
            heard.append((clock.now_s, block.loss))
        clock.advance(step_s)
    return heard


def test_a_source_that_comes_back_is_heard_within_a_second_and_the_gap_is_marked(clock, caplog):
    caplog.set_level(logging.INFO)
    mic = Flaky(clock, (100, 110), (130.5, 200))
    with recovering(clock, mic) as source:
        heard = watch(source, clock, 50)
        assert not source.is_waiting
    losses = [(when, loss) for when, loss in heard if loss is not None]
    ((when, loss),) = losses
    assert 130.5 <= when <= 131.6  # a pause of 1 s at most
    assert loss.cause is GapCause.RECONNECT
    assert loss.lost_s == pytest.approx(when - 110, abs=0.05)
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    assert "found it lost; waiting for it to come back" in caplog.messages[0]
    assert caplog.messages[1] == f"hearing 'mic' again after {loss.lost_s:.1f} s"
    assert (mic.n_open, source.n_losses) == (0, 1)


def test_tries_come_further_and_further_apart(clock):
    mic = Flaky(clock)
    with recovering(clock, mic, jitter=0.0) as source:
        watch(source, clock, 6, step_s=0.01)
        assert source.is_waiting
    np.testing.assert_allclose(np.diff(mic.tries), [0.2, 0.4, 0.8, 1.0, 1.0, 1.0, 1.0], atol=0.02)


def test_jitter_spreads_the_tries(clock):
    mic = Flaky(clock)
    with recovering(clock, mic, jitter=0.5) as source:
        watch(source, clock, 60, step_s=0.01)
    pauses = np.diff(mic.tries)[3:]
    assert pauses.min() > 0.49
    assert pauses.max() < 1.53
    assert pauses.std() > 0.1


@pytest.mark.parametrize("reason", [CaptureFailure.NOT_FOUND, CaptureFailure.BUSY, CaptureFailure.UNSUPPORTED])
def test_a_source_that_is_not_there_at_the_start_is_waited_for_and_no_gap(clock, caplog, reason):
    caplog.set_level(logging.INFO)
    mic = Flaky(clock, (103, 200), reason=reason)
    with recovering(clock, mic) as source:
        heard = watch(source, clock, 10)
    assert 103 <= heard[0][0] <= 104.3
    assert {loss for _, loss in heard} == {None}
    assert len(caplog.messages) == 2


def test_an_open_source_that_delivers_nothing_is_still_waited_for(clock):
    mic = Flaky(clock, (100, 101), (102, 200))
    with recovering(clock, mic) as source:
        watch(source, clock, 1.5)
        mic.is_mute = True
        watch(source, clock, 5)
        assert mic.n_open == 1
        assert source.is_waiting
        mic.is_mute = False
        ((_, loss), *_) = watch(source, clock, 1)
    assert loss.lost_s == pytest.approx(5.5, abs=0.1)


def test_it_gives_up_when_told_to(clock):
    mic = Flaky(clock, (100, 105))
    with recovering(clock, mic, give_up_after_s=3.0) as source:
        with pytest.raises(CaptureError, match=r"; gave up after 3 s$") as caught:
            watch(source, clock, 20)
        assert 108 <= clock.now_s <= 108.1
    assert caught.value.exit_code == 69
    with pytest.raises(CaptureError, match="gave up after 0 s"):
        recovering(clock, Flaky(clock), give_up_after_s=0.0).__enter__()


def test_it_gives_up_at_the_time_that_was_set_though_its_next_try_would_come_later(clock):
    mic = Flaky(clock)
    with (
        pytest.raises(CaptureError, match=r"; gave up after 2.5 s$"),
        recovering(clock, mic, give_up_after_s=2.5, first_wait_s=60.0, longest_wait_s=60.0) as source,
    ):
        watch(source, clock, 20)
    assert mic.tries == pytest.approx([100, 102.5], abs=0.03)


def test_only_those_named_take_its_place_and_it_comes_first(clock):
    mic, spare = Flaky(clock, (100, 105), (120, 200)), Flaky(clock, (100, 110), (115, 130), name="spare")
    with recovering(clock, mic, spare) as source:
        assert source.name == "mic"
        watch(source, clock, 7)
        assert source.name == "spare"
        watch(source, clock, 10)
        assert source.name == "spare"
        watch(source, clock, 20)
        assert source.name == "mic"


def test_what_waiting_does_not_mend_ends_it(clock):
    with pytest.raises(CaptureError, match="expected mic"):
        recovering(clock, Flaky(clock, reason=CaptureFailure.NO_LIBRARY)).__enter__()

    class Ambiguous(Flaky):
        def __enter__(self):
            raise SettingsError("two fit")

    with pytest.raises(SettingsError):
        recovering(clock, Ambiguous(clock)).__enter__()


def test_the_loss_of_a_block_passes_through(clock):
    class Overflowing(Flaky):
        def read(self):
            return Block(SOUND.samples, Loss(GapCause.OVERFLOW))

    with recovering(clock, Overflowing(clock, (0, 200))) as source:
        assert source.read().loss == Loss(GapCause.OVERFLOW)


@pytest.mark.parametrize("kind", [*OPENING_FAILS, FaultKind.SUSPENDED])
def test_a_microphone_is_opened_again_whatever_happened_to_it(clock, kind):
    portaudio = SimulatedPortAudio(looped(SOUND.samples), faults=[Fault(kind, 10.0, 20.0)], clock=clock)
    with recovering(clock, portaudio.microphone(sample_rate_hz=16000)) as source:
        heard = watch(source, clock, 30)
        assert portaudio.n_open == 1
    ((when, loss),) = [(when, loss) for when, loss in heard if loss is not None]
    assert 20.0 <= when - 100.0 <= 21.2
    before, after = portaudio.pieces
    assert before.at_sample == 0
    lost_s = (after.position - after.at_sample - before.position) / 16000
    assert loss == Loss(GapCause.RECONNECT, pytest.approx(lost_s, abs=0.05))
    assert (source.n_losses, portaudio.n_open) == (1, 0)


def test_what_a_sound_server_put_in_the_place_of_the_microphone_is_lost_too(clock):
    class Replaced(Flaky):
        def read(self):
            if not self.is_there:
                raise CaptureError(CaptureFailure.LOST, "expected samples of mic, found others", replaced_s=3.0)
            return SOUND

    with recovering(clock, Replaced(clock, (100, 110), (115, 200))) as source:
        ((when, loss),) = [(when, loss) for when, loss in watch(source, clock, 20) if loss is not None]
    assert loss == Loss(GapCause.RECONNECT, pytest.approx(when - 110 + 3.0, abs=0.05))


def test_what_does_not_fit_any_more_is_waited_for(clock):
    class Ambiguous(Flaky):
        def __enter__(self):
            if 105 < self.clock() < 110:
                raise SettingsError("two fit")
            return super().__enter__()

    mic = Ambiguous(clock, (100, 105), (106, 200))
    with recovering(clock, mic) as source:
        ((when, _),) = [(when, loss) for when, loss in watch(source, clock, 20) if loss is not None]
    assert 110 <= when <= 111.2
