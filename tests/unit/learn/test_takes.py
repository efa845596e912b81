"""From files to takes."""

import dataclasses

import numpy as np
import soundfile
from spoken import RATE_HZ, buzz, needs_espeak, record, write_takes

from detector.learn.judge import Fault
from detector.learn.takes import cut_take, find_repeated, read_takes


def write(file, samples, rate_hz=RATE_HZ):
    soundfile.write(file, samples, rate_hz)
    return file


def test_a_take_is_the_word_and_half_a_second_of_what_was_around_it():
    samples, word = record(buzz(), before_s=2.0, after_s=1.5), buzz()
    take = cut_take(samples, "take 3", speaker="me")
    assert (take.source, take.speaker, take.warnings) == ("take 3", "me", ())
    assert take.start == 8000
    assert len(take.samples) == take.end + 8000
    assert abs(take.end - take.start - len(word)) < 0.1 * RATE_HZ
    first = np.flatnonzero(np.correlate(samples.astype(float), take.samples.astype(float)) > 0).tolist()
    assert any(np.array_equal(samples[k : k + len(take.samples)], take.samples) for k in first)


def test_a_tight_take_keeps_what_there_is():
    samples = record(buzz(), before_s=0.1, after_s=0.2)
    take = cut_take(samples, "tight")
    np.testing.assert_array_equal(take.samples, samples)
    assert abs(take.start - 1600) < 800


def test_warnings_and_refusals_begin_with_the_source():
    clipped = record(buzz(peak=0.9))
    clipped[RATE_HZ + 4000 : RATE_HZ + 4030] = 32767
    (warning,) = cut_take(clipped, "take 1").warnings
    assert warning.startswith("take 1: expected a word below full scale")
    refusal = cut_take(record(), "take 2")
    assert refusal.text.startswith("take 2: expected a word, found nothing")
    assert refusal.fault is Fault.NOTHING


def test_files_of_any_rate_are_read_and_bad_ones_do_not_end_the_rest(tmp_path):
    samples = record(buzz())
    good = write(tmp_path / "good.flac", samples)
    fast = write(tmp_path / "fast.wav", np.repeat(samples, 3), 48000)
    quiet = write(tmp_path / "quiet.wav", np.zeros(RATE_HZ, dtype=np.int16))
    long = write(tmp_path / "long.wav", np.zeros(60 * RATE_HZ, dtype=np.int16))
    (tmp_path / "text.wav").write_text("no sound at all\n" * 100)
    files = [tmp_path / "missing.wav", good, tmp_path / "text.wav", quiet, tmp_path, long, fast]
    takes, refusals = read_takes(files, speaker="me")
    assert [take.source for take in takes] == [str(good), str(fast)]
    assert abs(len(takes[0].samples) - len(takes[1].samples)) < 0.05 * RATE_HZ
    assert [(refusal.source, refusal.fault) for refusal in refusals] == [
        (str(tmp_path / "missing.wav"), None),
        (str(tmp_path / "text.wav"), None),
        (str(quiet), Fault.NOTHING),
        (str(tmp_path), None),
        (str(long), Fault.LONG),
    ]
    assert all(refusal.source in refusal.text and "\n" not in refusal.text for refusal in refusals)


def test_the_channel_that_is_asked_for_is_used(tmp_path):
    stereo = np.stack([record(after_s=1.6), record(buzz())], axis=1)
    file = write(tmp_path / "stereo.wav", stereo)
    takes, _ = read_takes([file], channel=2)
    assert len(takes) == 1
    _, refusals = read_takes([file], channel=1)
    assert refusals[0].fault is Fault.NOTHING
    _, refusals = read_takes([file], channel=3)
    assert "expected channel 3" in refusals[0].text


def test_a_speaker_is_whoever_is_named_for_a_file_or_else_for_all(tmp_path):
    files = [write(tmp_path / f"{name}.wav", record(buzz())) for name in "ab"]
    takes, _ = read_takes(files, speaker="me", speakers={str(files[1]): "anna"})
    assert [take.speaker for take in takes] == ["me", "anna"]


@needs_espeak
def test_takes_of_several_voices_are_all_read(tmp_path):
    takes, refusals = read_takes(write_takes(tmp_path, "jarvis", before_s=1.5))
    assert refusals == []
    assert [take.source for take in takes] == [str(tmp_path / f"take-{k}.wav") for k in range(1, 6)]
    assert all(take.warnings == () and take.start == 8000 for take in takes)


def test_a_take_that_is_the_same_sound_as_one_before_it_is_named():
    one, other = (cut_take(record(buzz(hz)), name) for hz, name in ((100.0, "one"), (150.0, "other")))
    copy, again = dataclasses.replace(one, source="copy"), dataclasses.replace(other, source="again")
    assert find_repeated([], [one, other]) == []
    end = "again: twice the same makes the misses look fewer"
    assert find_repeated([one], [copy, other]) == [f"copy: expected another take, found one {end}"]
    assert find_repeated([], [other, one, again]) == [f"again: expected another take, found other {end}"]
