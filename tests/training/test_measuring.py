"""The verbs that measure a model, in one process: on the demo, whose words are known."""

import json

import pytest

from training import cli


@pytest.fixture
def ask(capsys):
    """Return a function that runs a verb and returns its exit code, its answer and its notes."""

    def run(*arguments):
        code = cli.run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture
def truth_file(demo_file, tmp_path, demo_truth):
    """The demo's truth; all of its time counts."""
    file = tmp_path / "truth.json"
    file.write_text(json.dumps({"words": demo_truth, "hours": 21 / 3600}))
    return file


@pytest.fixture
def recording(demo_file, truth_file):
    return "--recording", demo_file, "--truth", truth_file


def test_a_stream_is_measured_for_people_to_read(ask, recording):
    code, out, _ = ask("evaluate-stream", "yes-no", *recording)
    assert code == 0
    lines = out.splitlines()
    assert lines[0].startswith("missed: none of 8 (at most")
    assert [line.split(":")[0].strip() for line in lines[:3]] == ["missed", "yes", "no"]
    assert any(line.startswith("false accepts: none in") for line in lines)
    assert "delay after the word's end" in lines[-1]


def test_a_stream_is_measured_as_numbers(ask, recording):
    code, out, _ = ask("evaluate-stream", "yes-no", *recording, "--json")
    report = json.loads(out)
    assert code == 0
    assert (report["missed"]["n_events"], report["missed"]["n_trials"]) == (0, 8)
    assert {word: rate["n_trials"] for word, rate in report["by_word"].items()} == {"yes": 4, "no": 4}
    assert 0.0 <= report["latency_s"]["p50"] <= report["latency_s"]["p95"] < 0.75


def test_thresholds_that_nothing_reaches_miss_everything(ask, recording):
    _, out, _ = ask("evaluate-stream", "yes-no", *recording, "--json", "--threshold", "yes=1", "--threshold", "no=1")
    report = json.loads(out)
    assert report["missed"]["value"] == 1.0
    assert report["latency_s"] == {}


def test_each_condition_is_a_row_and_needs_no_noise_unless_it_is_of_noise(ask, recording):
    conditions = ["--condition", "clean", "--condition", "gain-10", "--condition", "rate-8000"]
    code, out, err = ask("evaluate-stream", "yes-no", *recording, *conditions)
    assert code == 0
    assert [row.split()[0] for row in out.splitlines()] == ["condition", "clean", "gain-10", "rate-8000"]
    del err
    _, out, _ = ask("evaluate-stream", "yes-no", *recording, *conditions, "--json")
    assert {name: report["missed"]["n_trials"] for name, report in json.loads(out).items()} == {
        "clean": 8,
        "gain-10": 8,
        "rate-8000": 8,
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--condition", "snr-10"], "expected noise for the condition snr-10: name a folder with --noise"),
        (["--condition", "wet"], "expected a condition of clean"),
        (["--threshold", "maybe=0.5"], "found one for 'maybe'"),
        (["--threshold", "yes=2"], "above 0 and at most 1, found 2"),
    ],
)
def test_what_cannot_be_measured_is_one_line(ask, recording, arguments, message):
    code, out, err = ask("evaluate-stream", "yes-no", *recording, *arguments)
    assert (code, out) == (78, "")
    assert message in err.splitlines()[-1]


def test_a_missing_recording_or_truth_is_66_and_a_damaged_truth_78(ask, demo_file, truth_file, tmp_path):
    missing = tmp_path / "missing"
    assert ask("evaluate-stream", "yes-no", "--recording", missing, "--truth", truth_file)[0] == 66
    assert ask("evaluate-stream", "yes-no", "--recording", demo_file, "--truth", missing)[0] == 66
    truth_file.write_text("[]")
    code, _, err = ask("evaluate-stream", "yes-no", "--recording", demo_file, "--truth", truth_file)
    assert code == 78
    assert "expected {'words': [...], 'hours': H}" in err


def test_a_model_is_as_good_as_itself(ask, recording):
    code, out, _ = ask("compare", "yes-no", "yes-no", *recording)
    assert code == 0
    missed, false_accepts = out.splitlines()
    assert missed.startswith("missed: +0")
    assert missed.endswith("undecided")
    assert false_accepts.startswith("false accepts: +0")
    report = json.loads(ask("compare", "yes-no", "yes-no", *recording, "--json")[1])
    assert (report["missed"]["value"], report["n_keywords"]) == (0.0, 8)
    assert report["missed"]["low"] < 0.0 < report["missed"]["high"]


def test_models_of_other_words_are_not_compared(ask, recording):
    code, out, err = ask("compare", "yes-no", "commands", *recording)
    assert (code, out) == (78, "")
    assert "expected two models of the same words, found yes, no and yes, no, up" in err


def test_clips_are_drawn_from_waveform_to_scores(ask, demo_file, tmp_path):
    code, out, _ = ask("inspect", demo_file, demo_file, "--out", tmp_path / "clips.png")
    assert (code, out) == (0, f"{tmp_path / 'clips.png'}: 2 clips\n")
    assert (tmp_path / "clips.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "arguments",
    [["--out", "clips.png"], ["clip.wav"], [], ["clip.wav", "--out", "clips.gif"]],
)
def test_inspect_without_clips_or_a_picture_says_what_it_needs(ask, arguments):
    code, out, err = ask("inspect", *arguments)
    assert (code, out) == (78, "")
    assert "expected " in err
    assert "--out" in err
