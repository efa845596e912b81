"""The command line of `keyword-trainer`: from options to settings, and from errors to exit codes."""

import argparse
import importlib.util
import json
import logging
import subprocess
import sys
from types import ModuleType

import pytest
import tiny_words
from commands import WITHIN_S

from detector.cli.options import take_given
from training import cli, verbs
from training.run.run import Run
from training.run.settings import TrainSettings, TutorialSettings, convert_settings
from training.synthesis.settings import SynthesisSettings
from training.word.settings import WordSettings

EVERY_OPTION_OF_TRAIN = {
    "--data a --data b": {"data": ("a", "b")},
    "--words yes,no": {"words": ("yes", "no")},
    "--noise n": {"noise": ("n",)},
    "--speech s --speech t": {"speech": ("s", "t")},
    "--validation-speakers 1,2": {"validation_speakers": ("1", "2")},
    "--synthetic y": {"synthetic": ("y",)},
    "--skip-words know": {"skip_words": ("know",)},
    "--confusable now,go": {"confusable": ("now", "go")},
    "--left-out down": {"left_out": ("down",)},
    "--architecture ds-cnn": {"architecture": "ds-cnn"},
    "--embedding e.json": {"embedding": "e.json"},
    "--epochs 2": {"epochs": 2},
    "--steps-per-epoch 3": {"steps_per_epoch": 3},
    "--batch-size 4": {"batch_size": 4},
    "--learning-rate 0.5": {"learning_rate": 0.5},
    "--distinct-windows 6": {"distinct_windows": 6},
    "--precision float32": {"precision": "float32"},
    "--strategy one": {"strategy": "one"},
    "--seed 7": {"seed": 7},
}


def settings_of(kind, verb, arguments):
    options = cli.build_parser().parse_args([verb, "--out", "run", *arguments.split()])
    return convert_settings(kind, take_given(vars(options), kind))


def test_the_options_of_train_are_settings_of_a_run():
    given = {name: value for fields in EVERY_OPTION_OF_TRAIN.values() for name, value in fields.items()}
    assert settings_of(TrainSettings, "train", " ".join(EVERY_OPTION_OF_TRAIN)) == TrainSettings(**given)
    required = {"data": ("a",), "words": ("yes",)}
    assert settings_of(TrainSettings, "train", "--data a --words yes") == TrainSettings(**required)


def test_the_options_of_synthesize_are_settings():
    counts = {
        "n_near": 7,
        "n_words": 1,
        "clips_per_keyword": 2,
        "clips_per_neighbour": 3,
        "clips_per_word": 4,
        "seed": 5,
    }
    arguments = " ".join(f"--{name.replace('_', '-')} {value}" for name, value in counts.items())
    texts = {"words": ("yes",), "vocabulary": ("t", "u"), "skip_speakers": ("1",), "also": ("go", "down")}
    arguments += " --words yes --vocabulary t --vocabulary u --skip-speakers 1 --also go,down"
    voices = {"language": "de", "voices": "p", "natural_share": 0.5, "dictionary": "d", "n_made_up": 8}
    arguments += " --language de --voices p --natural-share 0.5 --dictionary d --made-up 8"
    assert settings_of(SynthesisSettings, "synthesize", arguments) == SynthesisSettings(**texts, **counts, **voices)
    assert settings_of(SynthesisSettings, "synthesize", "--words yes") == SynthesisSettings(words=("yes",))


def test_the_options_of_word_are_settings():
    arguments = "computer --recordings r --speaker anna --language de --voices p --dictionary d --vocabulary v --data a"
    arguments += (
        " --speech s --speech t --noise n --validation-speakers 1,2 --embedding e --clips 3 --epochs 2 --seed 5"
    )
    given = {"recordings": "r", "speaker": "anna", "language": "de", "voices": "p", "dictionary": "d", "embedding": "e"}
    given |= {"vocabulary": ("v",), "data": ("a",), "speech": ("s", "t"), "noise": ("n",)}
    given |= {"validation_speakers": ("1", "2"), "clips": 3, "epochs": 2, "seed": 5, "channel": "mix"}
    assert settings_of(WordSettings, "word", f"{arguments} --channel mix") == WordSettings(word="computer", **given)


def test_the_options_of_the_tutorial_are_settings():
    given = {"data": ("a",), "words": ("yes", "no"), "epochs": 1, "batch_size": 2, "split_by": "clip", "seed": 3}
    arguments = "--data a --words yes,no --epochs 1 --batch-size 2 --split-by clip --seed 3"
    assert settings_of(TutorialSettings, "tutorial", arguments) == TutorialSettings(**given)


@pytest.mark.parametrize("option", [*EVERY_OPTION_OF_TRAIN, "--licence a=b", "--recipe r.toml"])
def test_a_run_that_goes_on_takes_no_other_settings(option, tmp_path, capsys):
    assert cli.run(["train", "--resume", "--out", str(tmp_path), *option.split()]) == 78
    expected = f"keyword-trainer: expected no {option.split()[0]} with --resume: a run goes on with the settings"
    assert capsys.readouterr().err.startswith(expected)


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("train --out r", "expected --data and --words for a new run, or a --recipe"),
        ("train --out r --data a", "expected --data and --words for a new run"),
        ("train --out r --data a --words yes --epochs 0", "`$.epochs`"),
        ("train --out r --data a --words yes --recipe none.toml", "none.toml cannot be read"),
        ("train --out r --data a --words yes --architecture tutorial-cnn", "keyword-trainer tutorial"),
        ("train --out r --data a --words yes --split-by clip", "keyword-trainer tutorial"),
        ("tutorial --out r --data a --words yes", "`$.words`"),
        ("synthesize --out r --words yes", "expected --vocabulary TEXT or --also go,down"),
        ("compose --out r.wav", "expected --data (single words), --speech (running speech), or both"),
        ("compose --out r.wav --speech s", "expected --without yes,no with --speech"),
        ("compose --out r.wav --data d --without yes", "expected --speech with --without"),
        ("compose --out r.wav --data d --gap-s 2 1", "expected --gap-s MIN MAX up to 600, found 2 1"),
        ("calibrate yes-no --words-data d", "expected --speech: false accepts are counted in running speech"),
        ("inspect", "expected CLIP... and --out PNG"),
        ("inspect a.wav --out a.txt", "expected --out NAME.png"),
    ],
)
def test_what_parses_and_does_not_fit_is_78(command, message, capsys):
    assert cli.run(command.split()) == 78
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 1
    assert message in captured.err


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("train", "--out"),
        ("train --out r --seed -1", "argument --seed: expected at least 0, found -1"),
        ("train --out r --licence a", "argument --licence: expected NAME=VALUE, found 'a'"),
        ("train --out r --epochs many", "argument --epochs: invalid int value: 'many'"),
        ("train --out r --workers 0", "argument --workers: expected at least 1, found 0"),
        ("tutorial --out r --words yes,no", "--data"),
        ("tutorial --out r --data d --words yes,no --split-by word", "argument --split-by: invalid choice: 'word'"),
        ("synthesize --out r --words yes --n-words 0", "argument --n-words: expected at least 1, found 0"),
        ("calibrate m --words-data d --false-accepts-per-hour 0", "expected a number above 0, found 0"),
        ("compose --out r.wav --snr-db nan", "argument --snr-db: expected a finite number, found nan"),
        (
            "compose --out r.wav --split some",
            "argument --split: invalid choice: 'some' (choose from training, validation",
        ),
        ("compose --out r.wav --gap-s inf 1", "argument --gap-s: expected at least 0, found inf"),
        ("export r --name n --threshold yes=high", "expected WORD=NUMBER, found 'yes=high'"),
    ],
)
def test_what_cannot_be_parsed_is_2(command, message, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.run(command.split())
    assert ended.value.code == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 1
    assert message in captured.err


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (ModuleNotFoundError("No module named 'scipy'", name="scipy"), 78, "expected the package scipy, found none"),
        (OSError(28, "No space left on device"), 70, "No space left on device"),
        (ZeroDivisionError("unforeseen"), 70, "internal failure; please report it"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_an_error_has_its_exit_code(monkeypatch, capsys, caplog, error, code, said):
    def fail(options: argparse.Namespace) -> None:
        raise error

    monkeypatch.setattr(verbs.report, "run", fail)
    assert cli.run(["report", "somewhere"]) == code
    assert said in capsys.readouterr().err + caplog.text


@pytest.mark.parametrize(
    ("backend", "remedy"),
    [("tensorflow", "pip install 'keyword-detector[train]'"), ("torch", "pip install torch keras")],
)
def test_a_framework_that_is_missing_is_named_with_what_installs_it(monkeypatch, tmp_path, capsys, backend, remedy):
    monkeypatch.setenv("KERAS_BACKEND", "restored")
    monkeypatch.setitem(sys.modules, backend, None)
    command = ["train", "--data", "d", "--words", "yes", "--out", str(tmp_path / "run"), "--backend", backend]
    assert cli.run(command) == 78
    expected = f"keyword-trainer: expected {backend} and Keras for training, found none: {remedy}"
    assert capsys.readouterr().err.startswith(expected)
    assert not (tmp_path / "run").exists()


@pytest.fixture
def trained_elsewhere(tmp_path, monkeypatch):
    """A run whose training on another framework is over, and what finishes it in a process of its own."""
    import training.verbs.train as verb

    pretended = ModuleType("training.network.train")
    pretended.train = lambda run, settings, **options: None
    monkeypatch.setitem(sys.modules, "training.network.train", pretended)
    monkeypatch.setattr(verb, "import_keras", lambda backend: None)
    program = tmp_path / "python"
    program.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/command\nexit "$(cat {tmp_path}/code)"\n')
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)  # all is installed
    Run(tmp_path / "run").begin(TrainSettings(data=("d",), words=("yes",)))
    return ["train", "--resume", "--out", str(tmp_path / "run"), "--backend", "torch", "--workers", "3", "--cache", "c"]


@pytest.mark.parametrize(("code", "expected"), [(0, 0), (3, 70)])
def test_what_another_framework_trained_is_finished_by_tensorflow(trained_elsewhere, tmp_path, capsys, code, expected):
    (tmp_path / "code").write_text(f"{code}\n")
    assert cli.run(trained_elsewhere) == expected
    finish = f"-m training train --resume --out {tmp_path / 'run'} --cache c --workers 3"
    assert (tmp_path / "command").read_text().strip() == finish
    assert ("expected TensorFlow to export the run, found that it ended with 3" in capsys.readouterr().err) == bool(
        code
    )


def test_without_tensorflow_the_command_that_finishes_is_named(trained_elsewhere, tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert cli.run(trained_elsewhere) == 0
    assert f"where it is installed, keyword-trainer train --resume --out {tmp_path / 'run'}" in caplog.text
    assert not (tmp_path / "command").exists()


def test_a_folder_that_holds_a_run_is_not_trained_in_anew(tmp_path, capsys):
    Run(tmp_path).begin(TrainSettings(data=("d",), words=("yes",)))
    assert cli.run(["train", "--data", "d", "--words", "yes", "--out", str(tmp_path)]) == 78
    assert f"expected a new folder, found a run in {tmp_path}: add --resume" in capsys.readouterr().err


def test_a_folder_that_holds_no_run_is_not_gone_on_with(tmp_path, capsys):
    assert cli.run(["train", "--resume", "--out", str(tmp_path)]) == 78
    assert f"expected a training run in {tmp_path}, found no settings.json" in capsys.readouterr().err


def test_a_dry_run_prints_what_was_understood_and_trains_nothing(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", None)  # it needs none
    words = tiny_words.make(tmp_path)
    command = ["train", "--data", str(words), "--words", "up,down", "--out", str(tmp_path / "run"), "--dry-run"]
    assert cli.run([*command, "--cache", str(tmp_path / "cache")]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].split() == ["training", "validation", "testing", "speakers", "seconds"]
    assert [line.split()[:6] for line in out[1:5]] == [
        [word, "20", "8", "8", "36", "36"] for word in ("up", "down", "flat", "other")
    ]
    assert "word: 80 training, 32 validation, 32 testing; 36 speakers" in out
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("split", "n_words"), [("training", 80), ("validation", 32), ("testing", 32), ("all", 144)])
def test_a_split_is_chosen_by_name_and_all_takes_every_recording(tmp_path, capsys, split, n_words):
    words = tiny_words.make(tmp_path)
    command = ["compose", "--data", str(words), "--out", str(tmp_path / "a.wav"), "--cache", str(tmp_path / "cache")]
    assert cli.run([*command, "--split", split]) == 0
    assert f"{n_words} words" in capsys.readouterr().out


def test_all_measures_clips_and_noises_of_every_speaker(tmp_path, capsys):
    """Of a model's words nothing is known here; what counts is how many clips were tried."""
    words = tiny_words.make(tmp_path)
    for word, name in (("up", "yes"), ("down", "no")):
        (words / word).rename(words / name)
    command = ["evaluate", "yes-no", "--data", str(words), "--cache", str(tmp_path / "cache"), "--json", "--split"]
    counts = {}
    for split in ("validation", "all"):
        assert cli.run([*command, split]) == 0
        report = json.loads(capsys.readouterr().out)
        assert report["split"] == split
        counts[split] = dict(zip(report["labels"], map(sum, report["confusion"]), strict=True))
    assert counts == {
        "validation": {"silence": 8, "unknown": 16, "yes": 8, "no": 8},
        "all": {"silence": 36, "unknown": 72, "yes": 36, "no": 36},
    }


def test_models_are_calibrated_one_by_one(tmp_path, capsys):
    command = ["calibrate", "yes-no,commands", "--words-data", str(tmp_path), "--speech", str(tmp_path)]
    assert cli.run(command) == 78
    assert "expected one model to calibrate, found yes-no,commands" in capsys.readouterr().err


PATCHED = """
import sys, time
from training import cli, verbs

def answer(options):
    print("begun", flush=True)
    {then}

verbs.report.run = answer
raise SystemExit(cli.run(["report", "run"]))
"""


def start_patched(then):
    command = [sys.executable, "-c", PATCHED.format(then=then)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def test_a_verb_that_is_terminated_ends_as_one_that_is_interrupted():
    with start_patched("time.sleep(60)") as process:
        assert process.stdout.readline() == "begun\n"
        process.terminate()
        _, stderr = process.communicate(timeout=WITHIN_S)
    assert (process.returncode, stderr) == (130, "keyword-trainer: interrupted\n")


def test_an_answer_that_nobody_reads_any_more_is_no_error():
    with start_patched("sys.stdin.read(); print('more', flush=True)") as process:
        assert process.stdout.readline() == "begun\n"
        process.stdout.close()
        _, stderr = process.communicate(timeout=WITHIN_S)
    assert (process.returncode, stderr) == (0, "")
