"""How takes are asked for, found, reviewed and given up, in sound that has been recorded."""

from __future__ import annotations

import numpy as np
import pytest
from clocks import Clock
from screens import Played, Script
from spoken import RATE_HZ, buzz, record

from detector.audio.simulated import Fault, FaultKind, SimulatedPortAudio, looped
from detector.errors import CaptureError, CaptureFailure, SettingsError
from detector.learn.dialogue import KEYS, record_room, record_takes
from detector.process.signals import StopFlag

WORDS = [buzz(90.0), buzz(150.0, length_s=0.8), buzz(220.0, formant_hz=500.0)]


def speak(*words, after_s=2.0):
    """Return words said a second and a half after each other."""
    return record(*words, before_s=1.5, pause_s=1.5, after_s=after_s)


def converse(samples, *presses, n_takes=3, **options):
    screen, stop = Script(*presses, has_keys=options.pop("has_keys", False)), StopFlag()
    takes = record_takes(Played(samples), "computer", screen=screen, stop=stop, n_takes=n_takes, **options)
    return list(takes), screen.lines, stop


def length_of(take):
    return (take.end - take.start) / RATE_HZ


def test_words_are_asked_for_and_found_without_a_key():
    takes, lines, stop = converse(speak(*WORDS), speaker="me")
    assert [length_of(take) for take in takes] == pytest.approx([0.6, 0.8, 0.6], abs=0.06)
    assert [(take.source, take.speaker) for take in takes] == [(f"take {k}", "me") for k in (1, 2, 3)]
    assert all(7000 < take.start <= 8000 and len(take.samples) - take.end == 8000 for take in takes)
    assert lines[::2] == [f"say 'computer', take {k} of 3" for k in (1, 2, 3)]
    assert all(
        line.startswith(f"take {k} of 3: 0.") and line.endswith("s, good") for k, line in enumerate(lines[1::2], 1)
    )
    assert not stop.is_set()


def test_a_take_that_is_refused_is_asked_for_again():
    takes, lines, _ = converse(speak(buzz(length_s=1.4), *WORDS[:2]), n_takes=2)
    assert [length_of(take) for take in takes] == pytest.approx([0.6, 0.8], abs=0.06)
    assert lines[:3] == [
        "say 'computer', take 1 of 2",
        "take 1: expected a word of at most 1.2 s, found 1.4 s of speech: say it alone, or choose a shorter one",
        "say 'computer', take 1 of 2",
    ]


def test_a_word_said_twice_is_one_take_that_is_refused():
    takes, lines, _ = converse(np.concatenate((record(WORDS[0], WORDS[0], pause_s=0.5), speak(*WORDS[:1]))), n_takes=1)
    assert len(takes) == 1
    assert "found it 2 times" in lines[1]


def test_a_click_is_not_taken_for_the_word():
    samples = speak(WORDS[0])
    samples[RATE_HZ : RATE_HZ + 200] = np.random.default_rng(0).integers(-9000, 9000, 200)
    takes, lines, _ = converse(samples, n_takes=1)
    assert len(takes) == 1
    assert len(lines) == 2


def test_without_a_word_for_six_seconds_it_is_asked_for_again_and_given_up_the_third_time():
    takes, lines, _ = converse(np.concatenate((record(after_s=6.0), speak(*WORDS[:1]))), n_takes=1)
    assert len(takes) == 1
    assert lines[1] == "take 1: expected 'computer' within 6 s, found no speech: say it again"
    with pytest.raises(CaptureError, match="within 6 s, found no speech, 3 times: 'keyword-detector check") as error:
        converse(record(after_s=25.0))
    assert error.value.reason is CaptureFailure.LOST


def test_five_takes_refused_in_a_row_end_what_nobody_can_end_by_a_key():
    long = speak(*[buzz(length_s=1.4)] * 6)
    with pytest.raises(SettingsError, match=r"take 1: expected a word of at most 1.2 s.*refused 5 times"):
        converse(long)


def test_a_source_that_ends_early_is_reported():
    with pytest.raises(SettingsError, match="take 3 of 3: expected more sound, found that the source has ended"):
        converse(speak(*WORDS[:2]))


def test_enter_keeps_a_take_and_its_absence_does_too():
    for presses in ([("take 1 of 1:", "\n")], [("nothing", "")]):
        takes, lines, _ = converse(speak(*WORDS[:1], after_s=4.0), *presses, n_takes=1)
        assert len(takes) == 1
        assert lines[0] == KEYS


def test_r_records_a_take_again():
    takes, lines, _ = converse(speak(*WORDS[:2], after_s=4.0), ("take 1 of 1:", "r"), n_takes=1)
    assert [length_of(take) for take in takes] == pytest.approx([0.8], abs=0.06)
    assert lines.count("say 'computer', take 1 of 1") == 2


def test_p_plays_what_was_recorded_and_waits_for_a_key():
    played = []
    takes, _, _ = converse(speak(*WORDS[:1], after_s=6.0), ("take 1 of 1:", "pp\r"), n_takes=1, play=played.append)
    assert len(played) == 2
    np.testing.assert_array_equal(played[0], takes[0].samples)


def test_where_nothing_can_be_played_a_line_says_so_and_the_take_stays():
    def fail(_samples):
        raise CaptureError(CaptureFailure.NOT_FOUND, "expected a device to play the take on, found none")

    takes, lines, _ = converse(speak(*WORDS[:1], after_s=6.0), ("take 1 of 1:", "p\r"), n_takes=1, play=fail)
    assert len(takes) == 1
    assert lines[-1] == "expected a device to play the take on, found none"


@pytest.mark.parametrize("at", ["say 'computer', take 2", "take 2 of 3:"])
def test_q_ends_it_while_asked_and_while_a_take_is_reviewed(at):
    takes, _, stop = converse(speak(*WORDS, after_s=4.0), (at, "q"))
    assert len(takes) == 1
    assert stop.is_set()


def test_a_signal_ends_it():
    stop = StopFlag()
    takes = record_takes(Played(speak(*WORDS)), "computer", screen=Script(), stop=stop, n_takes=3)
    next(takes)
    stop.set()
    assert list(takes) == []


def test_takes_with_a_room_of_their_own_come_out_of_digital_silence():
    silence = np.zeros(3 * RATE_HZ // 2, dtype=np.int16)
    parts = [silence]
    for word, room_dbfs in zip(WORDS, (-50.0, -70.0, -45.0), strict=True):
        parts += [record(word, room_dbfs=room_dbfs), silence]
    takes, lines, _ = converse(np.concatenate(parts))
    assert [length_of(take) for take in takes] == pytest.approx([0.6, 0.8, 0.6], abs=0.1)
    assert len(lines) == 6


def test_a_loss_in_the_middle_of_a_word_is_no_good_take():
    samples = looped(speak(WORDS[1], WORDS[0], after_s=3.0))
    portaudio = SimulatedPortAudio(samples, faults=[Fault(FaultKind.OVERFLOW, 1.9, 2.0)], clock=Clock(step_s=0.004))
    screen = Script()
    source = portaudio.microphone(sample_rate_hz=RATE_HZ)
    (take,) = record_takes(source, "computer", screen=screen, stop=StopFlag(), n_takes=1)
    assert length_of(take) == pytest.approx(0.6, abs=0.06)
    assert screen.lines[:2] == ["say 'computer', take 1 of 1"] * 2


def test_the_room_is_recorded_for_as_long_as_asked():
    samples = record(after_s=5.0)
    screen = Script()
    room = record_room(Played(samples), screen=screen, stop=StopFlag(), room_s=3.0)
    np.testing.assert_array_equal(room, samples[: 3 * RATE_HZ])
    assert screen.lines == ["now 3 s of the room as it is, without the word"]


def test_the_room_can_be_left_out_and_skipped():
    assert len(record_room(Played(record()), screen=Script(), stop=StopFlag(), room_s=0.0)) == 0
    screen, stop = Script(("now 60 s of the room", "\n")), StopFlag()
    room = record_room(Played(record(after_s=5.0)), screen=screen, stop=stop)
    assert len(room) <= 0.1 * RATE_HZ
    assert not stop.is_set()
    quitting = Script(("now 60 s of the room", "q"))
    record_room(Played(record(after_s=5.0)), screen=quitting, stop=stop)
    assert stop.is_set()
