"""What is said about takes that cannot be learnt from, and that good ones are let be."""

import numpy as np
import pytest
from spoken import RATE_HZ, buzz, needs_espeak, record, say

from detector.learn.judge import Fault, Severity, judge
from detector.samples import to_int16


def faults_of(samples):
    return [(verdict.fault, verdict.severity) for verdict in judge(samples).verdicts]


def at_level(samples, gain_db):
    return to_int16(samples / 32768 * 10 ** (gain_db / 20))


def test_a_good_take_is_measured_and_not_criticised():
    word = buzz()
    judgement = judge(record(word))
    assert judgement.verdicts == ()
    assert judgement.refused is None
    assert judgement.word.level_dbfs == pytest.approx(10 * np.log10(np.mean(word**2)), abs=1.5)
    assert judgement.word.noise_dbfs == pytest.approx(-65.0, abs=1.0)
    assert judgement.word.snr_db == pytest.approx(judgement.word.level_dbfs - judgement.word.noise_dbfs, abs=0.5)
    assert judgement.word.peak == pytest.approx(0.3, abs=0.02)
    assert judgement.word.clipped == 0.0


@needs_espeak
@pytest.mark.parametrize("text", ["computer", "jarvis", "hey computer", "up", "eight", "kitchen lights", "Feuerwehr"])
def test_words_and_phrases_are_good_in_a_quiet_room_and_cut_tight(text):
    assert faults_of(record(say(text))) == []
    assert judge(record(say(text), before_s=0.05, after_s=0.05)).refused is None


@pytest.mark.parametrize("room_dbfs", [-70.0, -50.0])
def test_a_room_that_begins_and_ends_in_digital_silence_is_no_speech(room_dbfs):
    silence = np.zeros(RATE_HZ, dtype=np.int16)
    word = buzz()
    gated = np.concatenate((silence, record(word, before_s=0.4, after_s=0.6, room_dbfs=room_dbfs), silence))
    judgement = judge(gated)
    assert judgement.verdicts == ()
    assert abs(judgement.word.start - 1.4 * RATE_HZ) < 0.05 * RATE_HZ
    assert abs(judgement.word.end - 1.4 * RATE_HZ - len(word)) < 0.05 * RATE_HZ
    assert judgement.word.noise_dbfs == pytest.approx(room_dbfs, abs=1.0)


def test_a_tight_clip_of_a_second_is_not_refused_where_the_word_touches_its_edge():
    word = buzz()
    for clip in (record(word, before_s=0.0, after_s=0.4), record(word, before_s=0.4, after_s=0.0)):
        assert judge(clip).refused is None


@pytest.mark.parametrize(
    ("gain_db", "severity", "found"), [(-45.0, Severity.REFUSE, "-71"), (-35.0, Severity.WARN, "-61")]
)
def test_a_faint_word_is_named_with_its_level(gain_db, severity, found):
    judgement = judge(at_level(record(buzz(), room_dbfs=-44.0), gain_db))
    (faint,) = [verdict for verdict in judgement.verdicts if verdict.fault is Fault.FAINT]
    assert faint.severity is severity
    assert f"expected a word at -55 dBFS or more, found it at {found} dBFS" in faint.text


def test_a_word_in_noise_is_warned_of_with_both_levels_and_refused_below_it():
    word = buzz()
    level_dbfs = 10 * np.log10(np.mean(word**2))
    (verdict,) = judge(record(word, room_dbfs=level_dbfs - 8)).verdicts
    assert (verdict.fault, verdict.severity) == (Fault.NOISY, Severity.WARN)
    assert f"than the room's {level_dbfs - 8:.0f} dBFS, found it " in verdict.text
    assert judge(record(word, room_dbfs=level_dbfs + 3)).refused is not None


def test_clipping_is_refused_where_it_is_much_and_warned_of_where_it_is_little():
    loud = record(buzz(peak=0.9))
    assert faults_of(loud) == []
    (verdict,) = judge(at_level(loud, 12.0)).verdicts
    assert (verdict.fault, verdict.severity) == (Fault.CLIPPED, Severity.REFUSE)
    assert "% of it clipped: lower the level" in verdict.text
    clipped = loud.copy()
    clipped[RATE_HZ + 4000 : RATE_HZ + 4030] = 32767
    assert faults_of(clipped) == [(Fault.CLIPPED, Severity.WARN)]


@pytest.mark.parametrize(("piece", "where"), [(slice(RATE_HZ + 3000, None), "start"), (slice(RATE_HZ + 6000), "end")])
def test_a_word_cut_off_is_refused_with_the_end_that_lacks(piece, where):
    (verdict,) = judge(record(buzz())[piece]).verdicts
    assert (verdict.fault, verdict.severity) == (Fault.CUT_OFF, Severity.REFUSE)
    assert f"found speech at the {where} of the recording" in verdict.text


@pytest.mark.parametrize("length_s", [1.4, 3.0])
def test_more_than_a_word_in_one_breath_is_too_long(length_s):
    (verdict,) = judge(record(buzz(length_s=length_s))).verdicts
    assert (verdict.fault, verdict.severity) == (Fault.LONG, Severity.REFUSE)
    assert f"at most 1.2 s, found {length_s} s" in verdict.text


@needs_espeak
def test_a_sentence_is_too_long():
    assert faults_of(record(say("turn on the kitchen lights please"))) == [(Fault.LONG, Severity.REFUSE)]


def test_a_click_is_no_word():
    samples = record(after_s=2.0)
    samples[RATE_HZ : RATE_HZ + 300] = np.random.default_rng(0).integers(-9000, 9000, 300)
    assert faults_of(samples) == [(Fault.SHORT, Severity.REFUSE)]


@pytest.mark.parametrize(
    ("samples", "found"),
    [
        (np.zeros(3 * RATE_HZ, dtype=np.int16), "found digital silence"),
        (record(after_s=2.0, room_dbfs=-30.5), "the room's -31 dBFS"),
        (record(after_s=2.0, room_dbfs=-80.0), "expected a word at -55 dBFS or more, found nothing above -80 dBFS"),
        (np.empty(0, dtype=np.int16), "found a recording of 0.00 s"),
        (np.full(300, 1000, dtype=np.int16), "found a recording of 0.02 s"),
    ],
)
def test_a_take_without_a_word_is_refused_with_what_is_there(samples, found):
    judgement = judge(samples)
    assert judgement.word is None
    assert judgement.refused.fault is Fault.NOTHING
    assert found in judgement.refused.text


def test_the_same_word_twice_and_two_words_are_told_apart():
    (twice,) = judge(record(buzz(), buzz(length_s=0.7))).verdicts
    assert twice.fault is Fault.REPEATED
    assert "found it 2 times with pauses of 0.7 s" in twice.text
    rising, falling = buzz(formant_hz=600.0), buzz(180.0, formant_hz=1500.0, length_s=0.4)[::-1]
    (two,) = judge(record(rising, falling, rising)).verdicts
    assert two.fault is Fault.TWO_WORDS
    assert "expected one word, found 3 with pauses of 0.7 s" in two.text


@needs_espeak
def test_two_spoken_words_are_refused_and_a_phrase_is_not():
    assert faults_of(record(say("computer"), say("stop"), pause_s=0.5)) == [(Fault.TWO_WORDS, Severity.REFUSE)]
    assert faults_of(record(say("hey"), say("computer"), pause_s=0.2)) == []


def test_a_recording_of_minutes_is_no_take():
    assert faults_of(np.zeros(11 * RATE_HZ, dtype=np.int16)) == [(Fault.LONG, Severity.REFUSE)]


@pytest.mark.recordings
@pytest.mark.parametrize("word", ["computer", "jarvis"])
def test_few_recordings_of_people_are_refused(data_folder, word):
    import soundfile

    files = sorted((data_folder / "wake_words" / word).glob("*.ogg"))[::4]
    refused = [file for file in files if judge(soundfile.read(file, dtype="int16")[0]).refused is not None]
    assert len(refused) < 0.02 * len(files)
