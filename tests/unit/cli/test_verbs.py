"""What each verb of `keyword-detector` answers, in this process."""

from __future__ import annotations

import csv
import json
import logging
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
import soundfile
from heads import make_manifest, write_pair

from detector import Detection
from detector.audio import devices, microphone
from detector.audio.devices import Device
from detector.cli import bench, check, detect, listing, replay
from detector.core import folders
from detector.errors import CaptureError, CaptureFailure, SettingsError
from detector.flight.recorder import FlightRecorder
from detector.outputs.console import OutputClosed
from detector.settings import RecordSettings

# ---- models


def test_models_are_listed_in_columns_with_words_size_and_accuracy(keyword_detector):
    ended = keyword_detector("models")
    assert (ended.code, ended.err) == (0, "")
    lines = ended.out.splitlines()
    assert [line.split()[0] for line in lines] == ["commands", "yes-no", "yes-no-tiny"]
    assert " yes,no " in lines[1]
    assert " kB  97.7 % of clips right (96.8-98.2 %)" in lines[1]
    assert len({line.index(" kB  ") for line in lines}) == 1


def test_a_model_that_was_not_measured_says_so_and_a_damaged_one_hides_no_other(keyword_detector, pair, monkeypatch):
    file = pair(clip_accuracy=None, operating_curve=None)
    damaged = file.with_name("damaged.json")
    damaged.write_text("{}")
    monkeypatch.setattr(listing, "find_models", lambda: [damaged, file])
    ended = keyword_detector("models")
    assert ended.code == 0
    assert ended.out.startswith("copy  yes,no  ")
    assert ended.out.endswith(" kB  not measured\n")
    assert ended.err.startswith("damaged: expected a manifest in")


@pytest.mark.parametrize(
    ("noted", "shown"), [(["few clips", "no noise"], "; caution: few clips; caution: no noise"), (3, "")]
)
def test_what_cannot_be_known_of_a_model_stands_beside_it(keyword_detector, pair, monkeypatch, noted, shown):
    file = pair(clip_accuracy=None, training={"cautions": noted})
    monkeypatch.setattr(listing, "find_models", lambda: [file])
    assert keyword_detector("models").out.endswith(f" kB  not measured{shown}\n")
    listed = json.loads(keyword_detector("models", "--json").out)["models"][0]["cautions"]
    assert listed == (noted if isinstance(noted, list) else [])


def test_without_models_nothing_is_listed(keyword_detector, monkeypatch):
    monkeypatch.setattr(listing, "find_models", list)
    assert keyword_detector("models").out == ""


def test_models_are_listed_as_json_with_their_numbers(keyword_detector, pair, monkeypatch):
    file = pair()
    monkeypatch.setattr(listing, "find_models", lambda: [file])
    manifest = json.loads(file.read_text())
    ended = keyword_detector("models", "--json")
    assert (ended.code, ended.err, len(ended.out.splitlines())) == (0, "", 1)
    assert json.loads(ended.out) == {
        "models": [
            {
                "name": "copy",
                "words": ["yes", "no"],
                "thresholds": {word: manifest["decision"]["words"][word]["threshold"] for word in ("yes", "no")},
                "size_bytes": file.with_suffix(".tflite").stat().st_size,
                "clip_accuracy": manifest["clip_accuracy"],
                "learnt": None,
                "has_operating_curve": True,
                "cautions": [],
                "path": str(file),
            }
        ]
    }
    monkeypatch.setattr(listing, "find_models", list)
    assert json.loads(keyword_detector("models", "--json").out) == {"models": []}


# ---- devices


@pytest.fixture
def listed(monkeypatch):
    """Stand in for PortAudio's list; return a function that sets it."""
    for module in (listing, check):
        monkeypatch.setattr(module, "hide_native_messages", lambda: None)

    def put(*found):
        monkeypatch.setattr(devices, "list_devices", lambda: list(found))

    return put


def test_devices_are_listed_with_the_default_marked(keyword_detector, listed):
    listed(Device(2, "USB Audio", "ALSA", 1, 48000, False), Device(11, "default", "ALSA", 32, 44100, True))
    ended = keyword_detector("devices")
    assert ended.out == (
        "   2  USB Audio  [ALSA, 1 channel, 48000 Hz]\n"  # two columns for the mark, two for the index
        "* 11  default  [ALSA, 32 channels, 44100 Hz]\n"
    )
    assert (ended.code, ended.err) == (0, "")


def test_devices_are_listed_as_json(keyword_detector, listed):
    listed(Device(2, "USB Audio", "ALSA", 1, 48000, False))
    ended = keyword_detector("devices", "--json")
    assert (ended.code, ended.err) == (0, "")
    assert json.loads(ended.out) == {
        "devices": [
            {
                "index": 2,
                "name": "USB Audio",
                "host_api": "ALSA",
                "n_channels": 1,
                "default_rate_hz": 48000,
                "is_default": False,
            }
        ]
    }


def test_no_device_at_all_is_69(keyword_detector, listed):
    listed()
    assert keyword_detector("devices", "--json").code == 69
    ended = keyword_detector("devices")
    assert (ended.code, ended.out) == (69, "")
    assert ended.err == "expected a capture device, found none: is a microphone plugged in?\n"


# ---- check


def test_check_prints_what_is_in_effect(keyword_detector):
    ended = keyword_detector("check", "--threshold", "no=0.5", "--words", "no", "--log-level", "warning")
    assert (ended.code, ended.err) == (0, "")
    lines = dict(line.split(maxsplit=1) for line in ended.out.splitlines())
    assert list(lines) == ["model", "file", "word", "decision", "output", "device"]
    assert lines["model"].startswith("yes-no: checksum, shapes and golden vectors agree (")
    assert lines["file"].endswith("yes-no.tflite")
    assert lines["word"] == "no: threshold 0.5, armed again below 0.25"
    assert lines["decision"] == "every 60 ms, mean of 2 windows, refractory 0.7 s"
    assert lines["output"] == "text, log level warning"
    assert lines["device"] == "default"


def test_check_answers_in_json(keyword_detector):
    answer = json.loads(keyword_detector("check", "--json", "--threshold", "0.9").out)
    assert answer["words"] == {"yes": 0.9, "no": 0.9}
    assert {name: answer[name] for name in ("model", "stride_s", "smoothing_windows", "json", "device")} == {
        "model": "yes-no",
        "stride_s": 0.06,
        "smoothing_windows": 2,
        "json": True,
        "device": "default",
    }
    assert "microphone" not in answer


@pytest.fixture
def record(tmp_path):
    """Return a function that makes a settings file with a folder to record into."""

    def write(folder, more=""):
        file = tmp_path / "settings.toml"
        file.write_text(f"{more}\n[record]\nfolder = '{folder}'\n")
        return file

    return write


def test_check_refuses_a_folder_that_listen_would_refuse_with_the_same_line(
    keyword_detector, record, detector, tmp_path
):
    (tmp_path / "file").touch()
    file = record(tmp_path / "file")
    ended = keyword_detector("check", "--config", file)
    assert (ended.code, ended.out) == (78, "")
    with pytest.raises(SettingsError) as refused:
        FlightRecorder(detector, RecordSettings(folder=str(tmp_path / "file")))
    assert ended.err == f"{refused.value}\n"


def test_check_leaves_no_trace_where_something_would_be_recorded(keyword_detector, record, tmp_path):
    new, there = tmp_path / "new" / "deeper", tmp_path / "there"
    there.mkdir()
    (there / "ours.txt").touch()
    for folder in (new, there):
        ended = keyword_detector("check", "--config", record(folder))
        assert (ended.code, ended.err) == (0, "")
        assert f"record     {folder}: can be recorded into" in ended.out.splitlines()
    assert not (tmp_path / "new").exists()
    assert [entry.name for entry in there.iterdir()] == ["ours.txt"]


def test_check_passes_a_folder_that_a_daemon_records_into(keyword_detector, record, detector, tmp_path):
    with FlightRecorder(detector, RecordSettings(folder=str(tmp_path / "flights"))):
        ended = keyword_detector("check", "--config", record(tmp_path / "flights", "json = true"))
    assert (ended.code, json.loads(ended.out)["record"]) == (0, str(tmp_path / "flights"))


def test_check_refuses_events_without_json_as_listen_does(keyword_detector, tmp_path):
    (tmp_path / "a.toml").write_text("events = true\n")
    ended = keyword_detector("check", "--config", tmp_path / "a.toml")
    assert (ended.code, ended.out) == (78, "")
    assert "expected --json with --events" in ended.err


class FakeMicrophone:
    """Delivers blocks of a level, each of a second."""

    level = 3277
    failure: CaptureError | None = None
    channels: ClassVar = []

    def __init__(self, device, *, sample_rate_hz, channel):
        self.name, self.rate_hz = f"microphone {device}", 48000
        self.channels.append(channel)
        self._n = sample_rate_hz

    def __enter__(self):
        if self.failure is not None:
            raise self.failure
        return self

    def __exit__(self, *exc):
        pass

    def read(self):
        return SimpleNamespace(samples=np.full(self._n, self.level, dtype=np.int16))


@pytest.mark.parametrize(
    ("level", "said", "level_dbfs"), [(3277, "-20 dBFS", -20.0), (0, "digital silence: muted?", None)]
)
def test_check_with_a_device_describes_its_level(keyword_detector, listed, monkeypatch, level, said, level_dbfs):
    monkeypatch.setattr(microphone, "Microphone", type("Fake", (FakeMicrophone,), {"level": level}))
    ended = keyword_detector("check", "--device", "0")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.splitlines()[-2:] == [
        "device     0",
        f"microphone microphone 0 at 48000 Hz, level {said}",
    ]
    answer = json.loads(keyword_detector("check", "--device", "0", "--json").out)
    assert answer["microphone"] == {"name": "microphone 0", "rate_hz": 48000, "level_dbfs": level_dbfs}


def test_check_opens_the_channel_that_listen_would(keyword_detector, listed, monkeypatch):
    fake = type("Fake", (FakeMicrophone,), {"channels": []})
    monkeypatch.setattr(microphone, "Microphone", fake)
    for arguments in (("--channel", "2"), ()):
        assert keyword_detector("check", "--device", "0", *arguments).code == 0
    assert fake.channels == [2, "auto"]


def test_check_with_a_device_that_cannot_be_opened_is_69(keyword_detector, listed, monkeypatch):
    failure = CaptureError(CaptureFailure.BUSY, "expected a microphone, found it in use")
    monkeypatch.setattr(microphone, "Microphone", type("Fake", (FakeMicrophone,), {"failure": failure}))
    ended = keyword_detector("check", "--device", "0")
    assert (ended.code, ended.out, ended.err) == (69, "", "expected a microphone, found it in use\n")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--words maybe", "found 'maybe'"),
        ("--threshold 1.5", "at most 1, found 1.5"),
        ("--threshold nan", "found nan"),
        ("--threshold maybe=0.5", "found one for 'maybe'"),
        ("--threshold 0.5 --false-accepts-per-hour 1", "found both"),
    ],
)
def test_what_does_not_fit_the_model_is_78(keyword_detector, flags, message):
    ended = keyword_detector("check", *flags.split())
    assert (ended.code, ended.out) == (78, "")
    assert message in ended.err


# ---- detect


@pytest.fixture
def short(demo_samples, tmp_path):
    """A recording that holds the demo's first word."""
    file = tmp_path / "short.wav"
    soundfile.write(file, demo_samples[48000:70000], 16000)
    return file


@pytest.fixture
def silent(tmp_path):
    file = tmp_path / "silent.wav"
    soundfile.write(file, np.zeros(8000, dtype=np.int16), 16000)
    return file


@pytest.fixture
def loaded(model, monkeypatch):
    """Load no model anew: that takes longer than all else."""
    monkeypatch.setattr(detect, "load_model", lambda name: model)


@pytest.mark.usefixtures("loaded")
def test_detect_prints_each_detection(keyword_detector, short):
    ended = keyword_detector("detect", short)
    assert (ended.code, ended.err) == (0, "")
    assert [line.split()[1] for line in ended.out.splitlines()] == ["yes"]
    (line,) = keyword_detector("detect", "--json", short).out.splitlines()
    assert (json.loads(line)["keyword"], json.loads(line)["source"]) == ("yes", str(short))


@pytest.mark.usefixtures("loaded")
def test_detect_names_each_of_several_recordings_and_one_that_cannot_be_read_hides_no_other(
    keyword_detector, short, tmp_path
):
    ended = keyword_detector("detect", tmp_path / "none.wav", short)
    assert ended.code == 66
    (line,) = ended.out.splitlines()
    assert line.startswith(f"{short}  00:00:0")
    assert line.split()[-2] == "yes"
    error, summary = ended.err.splitlines()
    assert "found no file" in error
    assert summary == (f"1 recording, 0.00 h: 1 detection (yes 1, no 0); 1 could not be read: {tmp_path / 'none.wav'}")


@pytest.fixture
def folder(tmp_path, short, silent):
    """A folder: short.wav, silent.wav, damaged.wav, and a folder in it with short.wav."""
    (tmp_path / "damaged.wav").write_text("no sound")
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "short.wav").write_bytes(short.read_bytes())
    return tmp_path


@pytest.mark.usefixtures("loaded")
def test_detect_takes_the_recordings_of_a_folder_in_their_order(keyword_detector, folder):
    ended = keyword_detector("detect", folder)
    assert (ended.code, len(ended.out.splitlines())) == (66, 1)
    ended = keyword_detector("detect", folder, "--recursive", "--json")
    assert [json.loads(line)["source"] for line in ended.out.splitlines()] == [
        str(folder / "deeper" / "short.wav"),
        str(folder / "short.wav"),
    ]
    assert ended.code == 66
    damaged, summary = ended.err.splitlines()
    assert "that is not audio" in damaged
    assert summary.startswith("3 recordings, 0.00 h: 2 detections (yes 2, no 0); 1 could not be read: ")


@pytest.mark.usefixtures("loaded")
def test_detections_of_many_are_those_of_each(keyword_detector, folder):
    alone = json.loads(keyword_detector("detect", "--json", folder / "short.wav").out)
    among_others = keyword_detector("detect", "--json", folder, "--recursive").out.splitlines()
    assert json.loads(among_others[1]) == alone


@pytest.mark.usefixtures("loaded")
def test_what_thresholds_cost_is_logged_once_for_all_recordings(keyword_detector, short, folder):
    logging.getLogger().setLevel(logging.INFO)
    alone = keyword_detector("detect", short, "--false-accepts-per-hour", "3").err.splitlines()
    among_others = keyword_detector("detect", folder, "--recursive", "--false-accepts-per-hour", "3").err.splitlines()
    assert alone
    assert len(set(alone)) == len(alone)
    assert among_others[: len(alone)] == alone
    assert not set(among_others[len(alone) :]) & set(alone)


@pytest.mark.usefixtures("loaded")
def test_a_folder_without_recordings_is_66(keyword_detector, tmp_path):
    ended = keyword_detector("detect", tmp_path)
    assert (ended.code, ended.out) == (66, "")
    assert ended.err == (
        f"expected recordings, found the folder {tmp_path} with none in it; --recursive looks into its folders, too\n"
    )


@pytest.mark.usefixtures("loaded")
def test_detect_prints_a_table(keyword_detector, short, silent):
    ended = keyword_detector("detect", "--csv", short)
    head, row = list(csv.reader(ended.out.splitlines()))
    assert head == ["source", "keyword", "score", "start_s", "time_s"]
    line = json.loads(keyword_detector("detect", "--json", short).out)
    assert row == [str(line[name]) for name in head]
    assert keyword_detector("detect", "--csv", silent).out.splitlines() == [",".join(head)]


@pytest.mark.usefixtures("loaded")
def test_detect_writes_labels_for_each_recording(keyword_detector, folder, tmp_path_factory):
    labels = tmp_path_factory.mktemp("labels")
    ended = keyword_detector("detect", folder, folder / "short.wav", "--recursive", "--labels", labels)
    assert ended.code == 66
    assert {str(file.relative_to(labels)) for file in labels.rglob("*.txt")} == {
        "deeper/short.wav.txt",
        "short.wav.txt",
        "silent.wav.txt",
    }
    start_s, end_s, word = (labels / "short.wav.txt").read_text().rstrip("\n").split("\t")
    line = json.loads(ended_line(keyword_detector, folder))
    assert (float(start_s), float(end_s), word) == (line["start_s"], line["time_s"], "yes")
    assert (labels / "silent.wav.txt").read_text() == ""


def ended_line(keyword_detector, folder):
    return keyword_detector("detect", "--json", folder / "short.wav").out


@pytest.mark.usefixtures("loaded")
def test_labels_of_two_recordings_in_one_file_are_refused(keyword_detector, folder, tmp_path_factory):
    labels = tmp_path_factory.mktemp("labels")
    ended = keyword_detector("detect", folder / "short.wav", folder / "deeper", "--labels", labels)
    assert (ended.code, ended.out, list(labels.iterdir())) == (78, "", [])
    assert f"found {folder / 'short.wav'} and {folder / 'deeper' / 'short.wav'} for {labels}" in ended.err


@pytest.mark.usefixtures("loaded")
def test_a_detection_names_the_detector_where_that_has_a_name(keyword_detector, short):
    line = json.loads(keyword_detector("detect", "--json", "--name", "kitchen", short).out)
    assert (line["source_id"], line["source"]) == ("kitchen", str(short))
    assert keyword_detector("detect", "--name", "kitchen", short).out == keyword_detector("detect", short).out


@pytest.mark.usefixtures("loaded")
def test_a_folder_for_labels_that_cannot_be_made_is_78_before_anything_is_detected(keyword_detector, short):
    ended = keyword_detector("detect", short, "--labels", short / "labels")
    assert (ended.code, ended.out) == (78, "")
    assert ended.err == f"expected a folder for labels, found that {short / 'labels'} is none (Not a directory)\n"


@pytest.mark.usefixtures("loaded")
def test_what_is_no_recording_gets_a_hint_in_detect_too(keyword_detector):
    ended = keyword_detector("detect", "-")
    assert (ended.code, ended.out) == (66, "")
    assert ended.err == "expected a recording, found '-': 'keyword-detector listen -' reads standard input\n"


def test_a_table_and_json_at_once_are_78(keyword_detector):
    ended = keyword_detector("detect", "--csv", "--json", "a.wav")
    assert (ended.code, ended.out, ended.err) == (78, "", "expected either --json or --csv, found both\n")


def test_settings_that_do_not_fit_are_no_fault_of_a_recording(keyword_detector):
    ended = keyword_detector("detect", "--threshold", "2", "a.wav", "b.wav")
    assert (ended.code, ended.out) == (78, "")


@pytest.mark.usefixtures("loaded")
def test_progress_is_shown_on_a_terminal_below_what_is_detected(keyword_detector, folder, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    logging.getLogger().setLevel(logging.INFO)
    ended = keyword_detector("detect", folder, "--recursive")
    assert "| 0/4 [" in ended.err
    assert len(ended.out.splitlines()) == 2
    assert "| 0/4 [" not in keyword_detector("detect", folder, "--log-level", "warning").err


@pytest.mark.usefixtures("loaded")
@pytest.mark.parametrize("has_terminal", [True, False])
def test_detect_says_that_there_was_nothing_to_somebody_who_looks(keyword_detector, silent, monkeypatch, has_terminal):
    monkeypatch.setattr("sys.stdout.isatty", lambda: has_terminal)
    ended = keyword_detector("detect", silent)
    assert (ended.code, ended.out) == (0, "")
    assert ended.err == (f"{silent}: nothing reached its threshold\n" if has_terminal else "")


def refuse(*_given, **_more):
    raise OutputClosed


@pytest.mark.usefixtures("loaded")
def test_detect_ends_quietly_when_nobody_reads(keyword_detector, short, monkeypatch):
    monkeypatch.setattr("detector.outputs.console.Console._write_line", refuse)
    ended = keyword_detector("detect", short)
    assert (ended.code, ended.out, ended.err) == (0, "", "")


# ---- replay


@pytest.fixture
def kept(detector, monkeypatch):
    """Stand in for a flight, with one detection in it; return what was asked for."""
    asked = []

    def fake(file, model_name):
        asked.append((str(file), model_name))
        return detector, [Detection("yes", 0.96875, 12.34, 11.62)]

    monkeypatch.setattr(replay, "replay", fake)
    return asked


def test_replay_prints_what_it_detects(keyword_detector, kept):
    assert keyword_detector("replay", "a.flac").out == "00:00:12.340  yes  0.97\n"
    line = json.loads(keyword_detector("replay", "a.flac", "--json", "--model", "tiny").out)
    assert (line["keyword"], line["model"], line["source"], line["at"]) == ("yes", "yes-no", "a.flac", None)
    assert kept == [("a.flac", None), ("a.flac", "tiny")]


@pytest.mark.usefixtures("kept")
def test_replay_ends_quietly_when_nobody_reads(keyword_detector, monkeypatch):
    monkeypatch.setattr("detector.outputs.console.Console._write_line", refuse)
    assert keyword_detector("replay", "a.flac").code == 0


def test_what_is_no_flight_is_66(keyword_detector, tmp_path):
    ended = keyword_detector("replay", tmp_path / "a.flac")
    assert (ended.code, ended.out) == (66, "")
    assert "expected a recording of the flight recorder" in ended.err


# ---- bench


COSTS = bench.Costs(
    real_time_factor=0.002,
    cpu_percent=0.2,
    hops_per_second=16.7,
    frontend_us=40.0,
    model_us=30.0,
    decision_us=1.0,
    resident_mb=58.7,
)


def test_bench_prints_what_was_measured(keyword_detector, monkeypatch):
    asked = []
    monkeypatch.setattr(bench, "measure", lambda detector, *, seconds: asked.append(seconds) or COSTS)
    assert keyword_detector("bench", "--seconds", "600").out.splitlines() == [
        "500 times real time, 0.20 % of one core, 16.7 decisions a second",
        "a hop: front end 40, model 30, decision 1 us",
        "resident memory 59 MB",
    ]
    assert json.loads(keyword_detector("bench", "--json").out)["model_us"] == 30.0
    assert asked == [600.0, 60.0]


@pytest.mark.parametrize("seconds", ["1", "601", "nan"])
def test_bench_measures_on_two_seconds_to_ten_minutes(keyword_detector, seconds):
    ended = keyword_detector("bench", "--seconds", seconds)
    assert (ended.code, ended.out) == (78, "")
    assert ended.err == f"expected 2 to 600 seconds to measure on, found {seconds}\n"


def test_the_cost_of_a_second_is_the_sum_of_its_parts_and_more(detector):
    costs = bench.measure(detector, seconds=2)
    parts_s = (costs.frontend_us + costs.model_us + costs.decision_us) * 1e-6 * costs.hops_per_second
    assert costs.cpu_percent == pytest.approx(100 * costs.real_time_factor)
    assert costs.hops_per_second == pytest.approx(1 / 0.06)
    assert parts_s > 0
    assert 10 < costs.resident_mb < 10_000


def test_the_least_of_some_runs_counts():
    clock = iter([0.0, 3.0, 3.0, 4.0, 4.0, 6.0])
    n_runs = []
    assert bench.cpu_s(lambda: n_runs.append(1), n_repeats=3, now_s=lambda: next(clock)) == 1.0
    assert len(n_runs) == 3


# ---- several models


@pytest.fixture
def learnt(model, tmp_path, monkeypatch):
    """A model of one's own, by name, in a folder of one's own."""
    folder = tmp_path / "models"
    monkeypatch.setattr(folders, "FOLDERS", (folder, *folders.SHIPPED_FOLDERS))
    flatbuffer = folders.find_model("yes-no").with_suffix(".tflite").read_bytes()
    return write_pair(folder, make_manifest(model, "mine", ["ja", "nein"]), flatbuffer)


@pytest.mark.parametrize("flags", [("--model", "yes-no,mine"), ("--model", "yes-no", "--model", "mine")])
def test_several_models_are_checked_as_one_each_with_its_file_and_its_words(keyword_detector, learnt, flags):
    ended = keyword_detector("check", *flags)
    assert ended.code == 0
    lines = ended.out.splitlines()
    assert lines[0].startswith("model      yes-no,mine: checksum, shapes and golden vectors agree (")
    assert [line.split("/")[-1] for line in lines[1:3]] == ["yes-no.tflite", "mine.tflite"]
    assert lines[3].endswith("mean of 2 windows, of yes-no")
    assert lines[5].endswith("word       ja: threshold 0.9, armed again below 0.45, refractory 1 s, of mine")
    answer = json.loads(keyword_detector("check", *flags, "--json").out)
    assert answer["model"] == "yes-no,mine"
    assert list(answer["words"]) == ["yes", "no", "ja", "nein"]
    assert answer["model_file"].endswith(f"yes-no.tflite,{learnt.with_suffix('.tflite')}")


def test_a_file_of_settings_names_several_models_as_a_text_or_a_list(keyword_detector, learnt, tmp_path):
    found = []
    for number, text in enumerate(('"yes-no,mine"', '["yes-no", "mine"]')):
        file = tmp_path / f"{number}.toml"
        file.write_text(f"model = {text}\nwords = ['ja', 'no']\n[threshold]\nja = 0.8\n")
        found.append(json.loads(keyword_detector("check", "--json", "--config", file).out))
        shown = keyword_detector("config", "--show", "--config", file).out
        assert f"model = {text}  # file" in shown
        assert "ja = 0.8  # file" in shown
    assert found[0] == found[1]
    assert list(found[0]["words"]) == ["no", "ja"]
    file.write_text("model = []")
    assert keyword_detector("check", "--config", file).code == 78


def test_several_models_detect_together_and_each_word_says_whose_it_is(keyword_detector, learnt, demo_file):
    ended = keyword_detector("detect", "--json", "--model", "yes-no,mine", demo_file)
    together = [json.loads(line) for line in ended.out.splitlines()]
    alone = keyword_detector("detect", "--json", "--model", "yes-no,mine", "--words", "ja,nein", demo_file)
    own = keyword_detector("detect", "--json", "--model", "mine", demo_file)
    assert alone.out == own.out
    assert len(own.out.splitlines()) == 8
    assert {(line["keyword"] in ("ja", "nein"), line["model"]) for line in together} == {
        (True, "mine"),
        (False, "yes-no"),
    }


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--model", "yes-no,maybe"), "expected the name of a model (commands, mine, yes-no, yes-no-tiny) or a path"),
        (("--model", "mine,mine"), "expected models of different names, found 2 that are called 'mine'"),
        (("--model", "yes-no-tiny,mine"), "with the same stride_s, found 0.04 in 'yes-no-tiny' and 0.06 in 'mine'"),
        (("--model", "yes-no,mine", "--words", "ja,maybe"), "words of the model (yes, no, ja, nein), found 'maybe'"),
        (("--model", "yes-no,mine", "--false-accepts-per-hour", "1"), "found none in 'mine': set a --threshold"),
    ],
)
def test_models_that_do_not_fit_together_or_settings_that_do_not_fit_them_are_78(
    keyword_detector, learnt, flags, message
):
    for verb in (("check",), ("bench", "--seconds", "2"), ("config", "--show")):
        ended = keyword_detector(*verb, *flags)
        assert (ended.code, ended.out, ended.err.count("\n")) == (78, "", 1)
        assert message in ended.err


def test_several_models_are_measured_as_one(keyword_detector, learnt):
    costs = json.loads(keyword_detector("bench", "--seconds", "2", "--json", "--model", "yes-no,mine").out)
    assert 0.0 < costs["model_us"] < 1e6


def test_ones_own_models_are_listed_with_their_folder(keyword_detector, learnt):
    lines = {line.split()[0]: line for line in keyword_detector("models").out.splitlines()}
    assert lines["mine"].endswith(f" kB  not measured; in {learnt.parent}")
    assert "; in " not in lines["yes-no"]


def test_of_a_learnt_word_it_is_listed_what_its_lesson_expects(keyword_detector, learnt):
    file = learnt.parent / "mine.json"
    manifest = json.loads(file.read_text())
    report = {
        "word": "mine",
        "n_takes": 5,
        "n_speakers": 1,
        "threshold": 0.5,
        "misses": 0.2,
        "misses_interval": [0.036, 0.624],
        "misses_basis": "",
        "false_accepts_per_hour": 0.5,
        "false_accepts_per_hour_interval": [0.0, 12.5],
        "false_accepts_basis": "",
    }
    veto = dict.fromkeys(("refused_synthetic", "refused_synthetic_interval")) | {
        "misses": 0.0,
        "misses_interval": [0.0, 0.4],
        "misses_basis": "",
        "refused_synthetic_basis": "",
    }
    expected = "learnt from 5 takes: misses 20 % (4-62 %), false accepts 0.5 an hour (0.0-12) expected"
    for changes, shown in (
        ({}, expected),
        ({"misses": None, "misses_interval": None}, expected.replace("misses 20 % (4-62 %)", "misses not known")),
        ({"veto": veto}, f"{expected}, some other voices refused"),
        ({"n_takes": "many"}, "not measured"),
    ):
        file.write_text(json.dumps(manifest | {"training": {"learnt": report | changes}}))
        lines = {line.split()[0]: line for line in keyword_detector("models").out.splitlines()}
        assert lines["mine"].endswith(f" kB  {shown}; in {learnt.parent}")
