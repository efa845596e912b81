"""What is recorded around a detection, and that it is heard again as it was."""

import contextlib
import json
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from detector import Detector, load_model
from detector.assembly import describe_stream
from detector.errors import AudioFileError, DetectorError, ModelMismatchError, SettingsError
from detector.events import Asked, Condition, Detection, Gap, GapCause, Progress, State
from detector.flight.folder import RecordingFolder
from detector.flight.recorder import FlightRecorder
from detector.flight.replay import replay
from detector.settings import RecordSettings


def settings(folder, **changed):
    return RecordSettings(folder=str(folder), **changed)


def hear(detector, recorder, samples, *, block=960):
    """Feed samples as the daemon does; return what was detected."""
    heard = []
    for first in range(0, len(samples), block):
        part = samples[first : first + block]
        for event in detector.events(part):
            recorder.hear(event)
            if isinstance(event, Detection):
                heard.append(event)
        recorder.hear(Progress(part, detector.n_samples, 0, 0))
    return heard


def lose(detector, recorder, n_skipped):
    recorder.hear(Gap(detector.n_samples + n_skipped, GapCause.SKIP, n_skipped / 16000))
    detector.skip(n_skipped)


def reconfigure(detector, recorder, **settings):
    detector.reconfigure(**settings)
    recorder.hear(describe_stream(detector, "test", is_live=True))


def kept(folder):
    return sorted(folder.glob("*-*.flac"))


def nameless(folder):
    """Return the sizes of the files that this process holds open in a folder and that have no name any more."""
    sizes = []
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # of the listing itself
            if str(link.readlink()).startswith(f"{folder}/.keyword-detector-"):
                sizes.append(link.stat().st_size)
    return sizes


def test_what_is_around_a_detection_is_kept_and_heard_again_to_the_bit(detector, demo_samples, demo_words, tmp_path):
    with FlightRecorder(detector, settings(tmp_path, before_s=2.0, after_s=1.0)) as recorder:
        heard = hear(detector, recorder, demo_samples)
        assert all(private.stat().st_mode & 0o077 == 0 for private in (tmp_path, *tmp_path.iterdir()))
    assert [detection.keyword for detection in heard] == demo_words
    files = kept(tmp_path)
    assert len(files) >= 3
    replayed = [replay(file, None)[1] for file in files]
    for detections in replayed:
        assert detections
        assert [detection for detection in heard if detection in detections] == detections
    assert [detection for detection in heard if any(detection in detections for detections in replayed)] == heard
    assert files[0].stem.endswith(demo_words[0])
    for private in (files[0], files[0].with_suffix(".json")):
        assert private.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("block", [1, 777, 16000])
def test_gaps_strides_and_settings_are_heard_again_too(model, demo_samples, tmp_path, block):
    detector = Detector(model, words=["yes"], thresholds={"yes": 0.8})
    samples = demo_samples[: 12 * 16000] if block > 1 else demo_samples[: 4 * 16000]
    with FlightRecorder(detector, settings(tmp_path, before_s=60.0)) as recorder:
        hear(detector, recorder, samples[:30_000], block=block)
        lose(detector, recorder, 1234)
        hear(detector, recorder, samples[30_000:50_001], block=block)
        detector.stride_factor = 2
        recorder.hear(State(Condition.LISTENING, 2))
        lose(detector, recorder, 0)
        heard = hear(detector, recorder, samples[50_001:], block=block)
        recorder.hear(Asked("asked"))
    file = kept(tmp_path)[-1]
    again, detections = replay(file, None)
    assert (again.words, again.decision_settings.words["yes"].threshold) == (("yes",), 0.8)
    assert again.n_samples == len(samples) + 1234
    assert detections[-len(heard) :] == heard or not heard
    described = json.loads(file.with_suffix(".json").read_text())
    assert [gap["at_sample"] for gap in described["gaps"]] == [31_234, 51_235]
    assert described["reason"] == "asked" or heard


def test_what_one_model_heard_is_kept_and_replayed_as_its_own_when_another_takes_over(model, demo_samples, tmp_path):
    commands = load_model("commands")
    detector = Detector(model, words="yes,no")
    with FlightRecorder(detector, settings(tmp_path, before_s=60.0, after_s=60.0)) as recorder:
        heard = hear(detector, recorder, demo_samples[: 5 * 16000])
        recorder.hear(Asked("asked"))
        detector.reconfigure(commands, words="yes,no", thresholds=detector.thresholds)
        recorder.hear(describe_stream(detector, "test", is_live=True))
        heard += hear(detector, recorder, demo_samples[5 * 16000 : 9 * 16000])
        recorder.hear(Asked("asked"))
    first, second = kept(tmp_path)
    assert [replay(file, None)[0].model.manifest.name for file in (first, second)] == ["yes-no", "commands"]
    assert replay(first, None)[1] + replay(second, None)[1] == heard


def test_the_ring_and_what_is_kept_have_their_limits(detector, rng, tmp_path):
    minute = (rng.standard_normal(16000 * 60) * 1000).astype(np.int16)
    with FlightRecorder(detector, settings(tmp_path, minutes=0.5, most_mb=1.2)) as recorder:
        for _ in range(3):
            hear(detector, recorder, minute, block=16000)
            assert 2 <= len(nameless(tmp_path)) <= 3, "20 s in files of 10 s, and the one that is written"
            recorder.hear(Asked("asked"))
        hear(detector, recorder, minute[: 16000 * 4], block=16000)
    files = kept(tmp_path)
    sizes = [file.stat().st_size + file.with_suffix(".json").stat().st_size for file in files]
    assert sum(sizes) <= 1.2e6
    assert 1 <= len(files) < 3
    assert all(13.0 <= soundfile.info(file).duration <= 24.0 for file in files)


def test_a_disk_that_takes_nothing_is_told_once_and_hearing_goes_on(
    detector, demo_samples, demo_words, tmp_path, caplog
):
    with FlightRecorder(detector, settings(tmp_path / "folder")) as recorder:
        hear(detector, recorder, demo_samples[:16000])
        (tmp_path / "folder").rmdir()
        (tmp_path / "folder").touch()
        reconfigure(detector, recorder, thresholds={"yes": 0.8765})
        heard = hear(detector, recorder, demo_samples[16000:])
        (tmp_path / "folder").unlink()
        hear(detector, recorder, demo_samples)
    assert [detection.keyword for detection in heard] == demo_words
    assert [record.message.partition(":")[0] for record in caplog.records if record.levelname == "WARNING"] == [
        "nothing can be recorded",
        "recording again",
    ]


def test_a_full_disk_leaves_nothing_behind(detector, demo_samples, tmp_path, monkeypatch, caplog):
    made = []

    def full(file, *arguments, **keywords):
        made.append(file)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(soundfile, "SoundFile", full)
    with FlightRecorder(detector, settings(tmp_path, before_s=2.0, after_s=1.0)) as recorder:
        hear(detector, recorder, demo_samples)
        assert not list(tmp_path.iterdir())
        assert nameless(tmp_path) == []
    assert 2 <= len(made) <= 4  # 21 s of sound, tried again every ten
    assert not kept(tmp_path)
    warned = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert warned == ["nothing can be recorded: [Errno 28] No space left on device"]


def test_a_disk_that_fills_between_sound_and_its_scores_leaves_neither(detector, demo_samples, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    with FlightRecorder(detector, settings(tmp_path, before_s=2.0, after_s=1.0)) as recorder:
        monkeypatch.setattr(RecordingFolder, "name", full)
        heard = hear(detector, recorder, demo_samples)
        assert heard
    assert not list(tmp_path.iterdir())


def test_half_a_recording_counts_against_the_limit_too(detector, rng, tmp_path):
    (half := tmp_path / "20200101-000000-000-yes.json").write_bytes(b'{"format":1,' + bytes(1_000_000))
    os.utime(half, (0, 0))
    with FlightRecorder(detector, settings(tmp_path, minutes=0.5, most_mb=1.0)) as recorder:
        hear(detector, recorder, (rng.standard_normal(16000 * 6) * 1000).astype(np.int16))
        recorder.hear(Asked("asked"))
    assert len(kept(tmp_path)) == 1
    assert not half.exists()


def test_files_of_others_in_the_folder_stay(detector, demo_samples, tmp_path):
    (tmp_path / "ring").mkdir()
    names = ["01 - A - Song.flac", "20250101-mine.flac", "20250101-120000-000-party.flac", "ring/wedding.wav"]
    others = [tmp_path / name for name in (*names, "20250101-120000-000-party.json")]
    for file in others:
        file.write_bytes(b"fLaC" + b"x" * 1000)
    with FlightRecorder(detector, settings(tmp_path, before_s=2.0, after_s=1.0, most_mb=0.001)) as recorder:
        hear(detector, recorder, demo_samples)
    assert all(file.exists() for file in others)
    assert len([file for file in kept(tmp_path) if file not in others]) == 1


def test_new_settings_do_not_lose_what_is_about_to_be_kept(model, demo_samples, demo_words, tmp_path):
    detector = Detector(model)
    with FlightRecorder(detector, settings(tmp_path, before_s=5.0)) as recorder:
        heard = []
        for first in range(0, len(demo_samples), 960):
            heard += hear(detector, recorder, demo_samples[first : first + 960])
            if heard:
                break
        reconfigure(detector, recorder, words=["no"], thresholds={"no": 0.9})
        (file,) = kept(tmp_path)
        again, detections = replay(file, None)
    assert detections == heard
    assert set(again.words) == {"yes", "no"}


def test_words_in_a_row_are_kept_to_the_end_of_the_last(detector, demo_samples, tmp_path):
    with FlightRecorder(detector, settings(tmp_path, before_s=2.0, after_s=3.0)) as recorder:
        hear(detector, recorder, demo_samples[: 5 * 16000])
        recorder.hear(Asked("first"))
        hear(detector, recorder, np.zeros(2 * 16000, dtype=np.int16))
        recorder.hear(Asked("second"))
        hear(detector, recorder, np.zeros(5 * 16000, dtype=np.int16))
    first = next(file for file in kept(tmp_path) if "first" in file.name or file == kept(tmp_path)[0])
    assert not any("second" in file.name for file in kept(tmp_path))
    assert soundfile.info(first).duration >= 2.0 + 3.0


def test_a_folder_that_cannot_be_written_is_refused(detector, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="expected a folder to record into"):
        FlightRecorder(detector, settings(tmp_path / "file"))


def test_what_cannot_be_replayed_is_told(detector, demo_samples, tmp_path):
    with FlightRecorder(detector, settings(tmp_path)) as recorder:
        hear(detector, recorder, demo_samples[: 5 * 16000])
        recorder.hear(Asked("asked"))
    file = kept(tmp_path)[0]
    with pytest.raises(AudioFileError, match="found no"):
        replay(tmp_path / "other.flac", None)
    text = file.with_suffix(".json").read_text()
    flight = json.loads(text)
    changed = flight | {"model_sha256": "0" * 64}
    file.with_suffix(".json").write_text(json.dumps(changed))
    with pytest.raises(ModelMismatchError, match="another of that name"):
        replay(file, None)
    assert replay(file, "yes-no")[1]  # by its name it may be another
    flight["windows"][3][1][0] += 1e-7
    file.with_suffix(".json").write_text(json.dumps(flight))
    with pytest.raises(DetectorError, match="found other scores"):
        replay(file, None)
    flight["made_with"]["numpy"] = "0.1"
    file.with_suffix(".json").write_text(json.dumps(flight))
    assert replay(file, None)[1]
    file.with_suffix(".json").write_text("{}")
    with pytest.raises(AudioFileError, match=r"found .*json"):
        replay(file, None)
    file.with_suffix(".json").write_text(text)
    file.write_bytes(b"no sound")
    with pytest.raises(AudioFileError, match="unreadable"):
        replay(file, None)
    soundfile.write(file, np.zeros((100, 2)), 8000)
    with pytest.raises(AudioFileError, match="2 channels of 100 samples at 8000 Hz, not one at 16000 Hz"):
        replay(file, None)
    for half in (file, file.with_suffix(".json")):
        half.unlink()
        os.mkfifo(half)
        with pytest.raises(AudioFileError, match="a named pipe, not a file"):
            replay(file, None)


def test_a_flight_of_the_first_format_replays_as_it_was():
    """Kept by the first recorder, of four seconds of the demo: tests/recordings/flight-1.json."""
    file = Path(__file__).parents[2] / "recordings" / "flight-1.flac"
    detector, detections = replay(file, "yes-no")
    kept_then = json.loads(file.with_suffix(".json").read_text())
    assert [(d.keyword, d.time_s, d.start_s) for d in detections] == [
        (d["keyword"], d["time_s"], d["start_s"]) for d in kept_then["detections"]
    ]
    assert len(detections) == 2
    assert detector.n_windows == len(kept_then["windows"])


def test_a_condition_alone_is_no_change_of_what_is_scored(detector, demo_samples, tmp_path):
    with FlightRecorder(detector, settings(tmp_path)) as recorder:
        hear(detector, recorder, demo_samples[: 2 * 16000])
        recorder.hear(State(Condition.LISTENING, 1, Condition.STARTING))
        detector.stride_factor = 2
        recorder.hear(State(Condition.LISTENING, 2))
        hear(detector, recorder, demo_samples[2 * 16000 : 3 * 16000])
        recorder.hear(Asked("asked"))
    (file,) = kept(tmp_path)
    changes = json.loads(file.with_suffix(".json").read_text())["changes"]
    assert [(change["at_sample"], change["stride_factor"]) for change in changes] == [(2 * 16000, 2)]


def test_while_another_process_records_into_the_folder_this_one_waits(model, demo_samples, tmp_path, caplog):
    first, second = Detector(model), Detector(model)
    with FlightRecorder(second, settings(tmp_path / "other")):
        pass  # a folder of its own is free
    with FlightRecorder(first, settings(tmp_path)) as recorder:
        hear(first, recorder, demo_samples[:16000])
        with FlightRecorder(second, settings(tmp_path)) as waiting:
            hear(second, waiting, demo_samples)
            hear(second, waiting, demo_samples)
            assert not kept(tmp_path)
            recorder.hear(Asked("asked"))
            recorder.__exit__()
            (file,) = kept(tmp_path)
            hear(second, waiting, demo_samples)
            hear(second, waiting, demo_samples)
    assert len(kept(tmp_path)) > 1
    assert file.exists()
    warned = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warned == [
        f"nothing can be recorded: [Errno 16] another process records into it: '{tmp_path}'",
        "recording again",
    ]


def test_a_folder_that_is_removed_while_it_is_recorded_into_is_made_again(detector, demo_samples, tmp_path):
    folder = tmp_path / "folder"
    with FlightRecorder(detector, settings(folder, before_s=30.0)) as recorder:
        hear(detector, recorder, demo_samples[: 3 * 16000])
        folder.rmdir()
        recorder.hear(Asked("asked"))
        hear(detector, recorder, demo_samples[3 * 16000 : 15 * 16000])
    (file, *_) = kept(folder)
    assert replay(file, None)[0].n_samples >= 3 * 16000


def test_a_folder_with_a_null_byte_in_its_name_is_refused(detector):
    with pytest.raises(SettingsError, match="expected a folder to record into"):
        FlightRecorder(detector, settings("a\0b"))
