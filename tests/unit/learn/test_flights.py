"""What is learnt from a kept recording: the sound of a false detection, a word that was missed."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from heads import make_manifest, write_pair
from spoken import RATE_HZ

from detector import Detector, load_model
from detector.core.folders import SHIPPED_FOLDERS
from detector.errors import AudioFileError, SettingsError
from detector.events import Asked, Detection, Gap, GapCause, Progress
from detector.flight.folder import find_newest
from detector.flight.recorder import FlightRecorder
from detector.flight.replay import read_flight, read_samples
from detector.learn.again import Counts, count, find_worse
from detector.learn.flights import AFTER_S, BEFORE_S, cut_false_alarm, cut_missed, find_detections
from detector.learn.judge import Fault
from detector.learn.material import Material, Sound
from detector.learn.takes import Refusal, Take
from detector.settings import RecordSettings


@pytest.fixture(scope="module")
def word(tmp_path_factory):
    """Return a learnt word that scores as the shipped model's "yes"."""
    shipped = load_model("yes-no")
    flatbuffer = next(folder / "yes-no.tflite" for folder in SHIPPED_FOLDERS if (folder / "yes-no.tflite").is_file())
    file = write_pair(tmp_path_factory.mktemp("models"), make_manifest(shipped, "ja", ["ja"]), flatbuffer.read_bytes())
    return load_model(str(file))


def record(model, samples, folder, *, n_lost=0, threshold=0.9, is_asked=False):
    """Record samples as a daemon does, after some that were lost; return what was kept, and its detections."""
    detector = Detector(model, thresholds=threshold)
    found = []
    with FlightRecorder(detector, RecordSettings(folder=str(folder), before_s=10.0)) as recorder:
        if n_lost:
            recorder.hear(Gap(n_lost, GapCause.SKIP, n_lost / RATE_HZ))
            detector.skip(n_lost)
        for first in range(0, len(samples), 960):
            part = samples[first : first + 960]
            for event in detector.events(part):
                recorder.hear(event)
                found += [event] if isinstance(event, Detection) else []
            recorder.hear(Progress(part, detector.n_samples, 0, 0))
        if is_asked:
            recorder.hear(Asked("asked"))
    file = find_newest(folder)
    return file, read_flight(file), read_samples(file, RATE_HZ), found


@pytest.mark.parametrize("n_lost", [0, 100_000])
def test_a_false_alarm_is_what_the_detection_followed_from(word, demo_samples, tmp_path, n_lost):
    until = round(9.5 * RATE_HZ)
    file, flight, samples, found = record(word, demo_samples[:until], tmp_path, n_lost=n_lost)
    assert [one.keyword for one in found] == ["ja", "ja"]
    assert find_detections(flight, ["ja"]) == found
    sound = cut_false_alarm(file, flight, samples, found[-1])
    assert sound.source.startswith(f"{file.stem} at ")
    assert len(sound.samples) == round((BEFORE_S + AFTER_S) * RATE_HZ)
    at = round(found[-1].time_s * RATE_HZ) - n_lost
    np.testing.assert_array_equal(sound.samples, demo_samples[at - 48000 : at + 9600])
    assert count(word, Material(false_alarms=(sound,))) == Counts(0, 0, 1, 1)


def test_a_detection_before_is_no_part_of_a_false_alarm(word, demo_samples, tmp_path):
    file, flight, samples, found = record(word, demo_samples[: round(9.5 * RATE_HZ)], tmp_path)
    near = msgspec.structs.replace(found[-1], time_s=found[0].time_s + 2.0)
    sound = cut_false_alarm(file, msgspec.structs.replace(flight, detections=[found[0], near]), samples, near)
    assert len(sound.samples) == round((2.0 + AFTER_S) * RATE_HZ)


def test_a_recording_without_the_word_says_what_is_in_it(word, demo_samples, tmp_path):
    _, flight, _, _ = record(word, demo_samples[: 5 * RATE_HZ], tmp_path)
    with pytest.raises(SettingsError, match="one of nein, computer was detected, found ja in it"):
        find_detections(flight, ["nein", "computer"])


def test_a_missed_word_is_cut_out_where_its_score_is_highest(word, demo_samples, tmp_path):
    """The demo has "yes" until 3.7 s, and "no" until 5.1 s: as loud, and later."""
    file, flight, samples, found = record(
        load_model("yes-no"), demo_samples[: 6 * RATE_HZ], tmp_path, threshold=1.0, is_asked=True
    )
    assert found == []
    take = cut_missed(file, flight, samples, word, "ja")
    assert isinstance(take, Take)
    at = float(take.source.removeprefix(f"{file.stem} at ").removesuffix(" s"))
    assert 2.8 < at < 3.6
    assert count(word, Material(takes=(take,))) == Counts(1, 1, 0, 0)
    later = cut_missed(file, flight, samples, word, "ja", last_s=1.7)
    assert isinstance(later, Take)
    assert float(later.source.split(" at ")[1].removesuffix(" s")) > 4.3


def test_a_word_that_was_detected_is_not_taken_for_a_missed_one(word, demo_samples, tmp_path):
    file, flight, samples, found = record(word, demo_samples[: 4 * RATE_HZ + 8000], tmp_path)
    assert len(found) == 1
    refusal = cut_missed(file, flight, samples, word, "ja")
    assert isinstance(refusal, Refusal)
    assert refusal.fault is Fault.NOTHING
    assert "found no word that stands alone and was not detected" in refusal.text


def test_a_folder_without_recordings_is_no_folder_of_the_recorder(tmp_path):
    with pytest.raises(AudioFileError, match="found none"):
        find_newest(tmp_path)
    with pytest.raises(AudioFileError, match="No such file"):
        find_newest(tmp_path / "missing")


def test_what_got_worse_is_reported_and_what_did_not_is_not():
    report = {"misses": 0.1, "misses_interval": [0.0, 0.3], "misses_basis": "", "false_accepts_per_hour": None}
    before = Counts(5, 5, 3, 1)
    assert find_worse(before, before, report, report | {"misses": 0.3}) == []
    assert find_worse(before, Counts(5, 4, 3, 2), report, report | {"misses": 0.5}) == [
        "worse: detected in 4 of 5 takes, in 5 before",
        "worse: detected in 2 of 3 false alarms, in 1 before",
        "worse: 50 % misses expected, 10 (0-30) before",
    ]
    assert find_worse(before, before, {}, report) == []


def test_counts_are_of_each_sound_for_itself(word, demo_samples):
    yes, no = demo_samples[2 * RATE_HZ : 4 * RATE_HZ], demo_samples[4 * RATE_HZ : 6 * RATE_HZ]
    takes = tuple(Take(samples, 0, 1, "a") for samples in (yes, no))
    assert count(word, Material(takes, (Sound(no, "b"),))) == Counts(2, 1, 1, 0)
