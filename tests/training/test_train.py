"""A whole training on a tiny data set: train, interrupt, resume, quantise, export, evaluate, listen."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import msgspec
import numpy as np
import pytest
import soundfile
import tiny_words
from commands import KEYWORD_TRAINER, WITHIN_S, assert_one_line, call, replaced, run, wait_until

from detector import Detector, load_model
from detector.errors import SettingsError
from training.run.run import Run
from training.run.settings import TrainSettings

pytestmark = pytest.mark.tensorflow

MODELS = Path(__file__).parents[2] / "models"
ENVIRONMENT = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}


def trainer(*arguments):
    """Run the trainer where a process of its own is what matters, or what trains shall not depend on."""
    return run(*arguments, command=KEYWORD_TRAINER, env=ENVIRONMENT, timeout=400)


def ask(*arguments):
    """Run the trainer in this process, which spares the import of TensorFlow."""
    return call(*arguments, command=KEYWORD_TRAINER)


def arguments(data, out, *, epochs=4):
    return [
        "train",
        "--recipe",
        data.parent / "small.toml",
        "--data",
        data,
        "--words",
        "up,down",
        "--speech",
        data.parent / "speech",
        "--validation-speakers",
        "12",
        "--cache",
        data.parent / "cache",
        "--out",
        out,
        "--epochs",
        epochs,
        "--steps-per-epoch",
        40,
        "--batch-size",
        64,
        "--distinct-windows",
        2000,
        "--architecture",
        "cnn",
        "--licence",
        "words=made by ourselves",
        "--workers",
        1,
    ]


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    """A finished run and the exported pair."""
    out = tmp_path_factory.mktemp("runs") / "tiny"
    finished = trainer(*arguments(data, out))
    assert finished.returncode == 0, finished.stderr
    models = out.parent / "models"
    exported = trainer("export", out, "--name", "up-down", "--to", models, "--threshold", "up=0.7")
    assert exported.returncode == 0, exported.stderr
    return out, models / "up-down.json", finished


def test_training_prints_its_devices_and_its_accuracy(trained):
    _, _, finished = trained
    assert "training on the CPU with Keras" in finished.stderr
    assert "clip accuracy, validation speakers, mean recall of silence, unknown, up, down: " in finished.stdout
    assert "word: 80 training, 32 validation, 32 testing" in finished.stderr
    assert "before quantisation" in finished.stdout


def test_the_pair_loads_and_its_manifest_is_complete(trained):
    model = load_model(str(trained[1]))
    manifest = model.manifest
    assert (manifest.name, manifest.words, manifest.labels) == (
        "up-down",
        ("up", "down"),
        ("silence", "unknown", "up", "down"),
    )
    assert manifest.decision.words["up"].threshold == 0.7
    assert 0.2 < manifest.decision.words["up"].duration_s < 0.6
    assert manifest.training["data"]["words"]["licence"] == "made by ourselves"
    assert (
        manifest.training["data"]["words"]["n_recordings"] == 4 * 20 + 9
    )  # clips of training speakers, and the noises on their side
    assert manifest.training["settings"]["data"] == ["words"]
    assert len(manifest.training["epochs"]) == 4
    (session,) = manifest.training["sessions"]
    assert set(session) == {"started", "epochs_before", "commit", "versions"}
    assert manifest.clip_accuracy is not None
    assert manifest.clip_accuracy.n_clips > 32


def test_the_network_learned_the_made_up_words(trained, data):
    answer = ask(
        "evaluate", trained[1], "--data", data, "--cache", data.parent / "cache", "--split", "testing", "--json"
    )
    assert answer.returncode == 0, answer.stderr
    report = json.loads(answer.stdout)
    assert report["split"] == "testing"
    assert report["words_alone"]["value"] >= 0.9
    assert np.array(report["confusion"]).sum(axis=1).tolist()[2:] == [8, 8]
    assert report["accuracy"]["low"] < report["accuracy"]["value"] <= report["accuracy"]["high"]


def test_the_trained_model_listens(trained, data, tmp_path):
    stream = tmp_path / "stream.wav"
    composed = ask("compose", "--data", data, "--cache", data.parent / "cache", "--out", stream, "--seed", 1)
    assert composed.returncode == 0, composed.stderr
    truth = json.loads(stream.with_suffix(".json").read_text())
    assert len(truth["words"]) == 32
    assert soundfile.info(stream).duration / 3600 == pytest.approx(truth["hours"])
    answer = ask("evaluate-stream", trained[1], "--recording", stream, "--truth", stream.with_suffix(".json"), "--json")
    assert answer.returncode == 0, answer.stderr
    report = json.loads(answer.stdout)
    assert report["missed"]["n_trials"] == 16
    assert report["missed"]["value"] <= 0.3
    # The command that users run finds the same as the evaluation.
    heard = run("detect", "--json", "--model", trained[1], stream)
    listener = Detector.load(str(trained[1]))
    samples = np.concatenate((soundfile.read(stream, dtype="int16")[0], np.zeros(16000, dtype=np.int16)))
    assert [json.loads(line)["time_s"] for line in heard.stdout.splitlines()] == [
        round(detection.time_s, 6) for detection in listener.feed(samples)
    ]


def test_conditions_comparison_and_spread(trained, data, tmp_path):
    cache = ["--cache", data.parent / "cache"]
    stream = tmp_path / "stream.wav"
    options = ["--n-words", 12, "--without", "up,down", "--validation-speakers", "12"]
    composed = ask("compose", "--data", data, "--speech", data.parent / "speech", *cache, *options, "--out", stream)
    assert composed.returncode == 0, composed.stderr
    recording = ["--recording", stream, "--truth", stream.with_suffix(".json")]
    conditions = ["--condition", "clean", "--condition", "snr-10", "--condition", "lost-1"]
    noise = ["--noise", data / "_background_noise_", *cache]
    table = ask("evaluate-stream", trained[1], *recording, *conditions, *noise)
    assert table.returncode == 0, table.stderr
    assert [line.split()[0] for line in table.stdout.splitlines()] == ["condition", "clean", "snr-10", "lost-1"]
    answer = ask("evaluate-stream", trained[1], *recording, *conditions, *noise, "--json")
    reports = json.loads(answer.stdout)
    assert {name: report["missed"]["n_trials"] for name, report in reports.items()} == {
        "clean": 6,
        "snr-10": 6,
        "lost-1": 6,
    }
    assert_one_line(
        ask("evaluate-stream", trained[1], *recording, "--condition", "wet"), 78, "expected a condition of clean"
    )
    same = ask("compare", trained[1], trained[1], *recording, "--json")
    missed = json.loads(same.stdout)["missed"]
    assert missed["value"] == 0.0
    assert missed["low"] == -missed["high"] < 0.0  # six words exclude little
    assert_one_line(ask("compare", trained[1], "yes-no", *recording), 78, "expected two models of the same words")
    options = ["--split", "testing", "--offsets", 8, "--clips-per-word", 2, "--json"]
    spread = json.loads(ask("evaluate", trained[1], "--data", data, *cache, *options).stdout)
    assert (spread["n_clips"], spread["n_offsets"]) == (4, 8)
    assert 0.0 <= spread["median"] <= spread["p90"] <= 1.0


def test_a_calibrated_model_picks_its_thresholds_from_its_curve(trained, data, tmp_path):
    for suffix in (".json", ".tflite"):
        (tmp_path / f"mine{suffix}").write_bytes(trained[1].with_suffix(suffix).read_bytes())
    mine = tmp_path / "mine.json"
    common = ["calibrate", mine, "--words-data", data, "--speech", data.parent / "speech"]
    common += ["--validation-speakers", "12", "--cache", data.parent / "cache"]
    before = mine.read_bytes()
    dry = ask(*common, "--dry-run", "--json")
    assert dry.returncode == 0, dry.stderr
    assert mine.read_bytes() == before
    calibrated = ask(*common, "--picture", tmp_path / "curve.png")
    assert calibrated.returncode == 0, calibrated.stderr
    assert "warning: 1 false accepts per hour is below what was measured" in calibrated.stderr
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    manifest = json.loads(mine.read_text())
    curve = manifest["operating_curve"]
    assert curve == json.loads(dry.stdout)
    for word in ("up", "down"):
        points = curve["words"][word]
        assert min(point["miss_rate"] for point in points) <= 0.3
        assert points[-1]["miss_rate"] == 1.0
        assert all(point["miss_rate_interval"][0] <= point["miss_rate"] for point in points)
        rates = [point["false_accepts_per_hour"] for point in points]
        (chosen,) = [p for p in points if p["threshold"] == manifest["decision"]["words"][word]["threshold"]]
        assert chosen["false_accepts_per_hour"] == min(rates)
    checked = run("check", "--model", mine, "--false-accepts-per-hour", 1e6, "--json")
    assert checked.returncode == 0, checked.stderr
    assert "up: threshold" in checked.stderr
    assert json.loads(checked.stdout)["words"]["up"] <= manifest["decision"]["words"]["up"]["threshold"]


def test_a_run_that_is_killed_goes_on_where_it_was(trained, data, tmp_path):
    out = tmp_path / "tiny"
    process = subprocess.Popen(
        [*KEYWORD_TRAINER, *map(str, arguments(data, out))],
        env=ENVIRONMENT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    wait_until(lambda: (out / "history.jsonl").exists() or process.poll() is not None, at_most_s=200.0)
    assert process.poll() is None
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(WITHIN_S)
    epochs_before = len((out / "history.jsonl").read_text().splitlines())
    assert epochs_before < 4
    rows_before = (out / "history.jsonl").read_text().splitlines()

    assert_one_line(ask(*arguments(data, out)), 78, "add --resume")
    assert_one_line(ask("train", "--out", out, "--resume", "--epochs", 9), 78, "expected no --epochs with --resume")
    resumed = trainer("train", "--out", out, "--resume", "--cache", data.parent / "cache", "--workers", 1)
    assert resumed.returncode == 0, resumed.stderr
    history = [json.loads(line) for line in (out / "history.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in history] == [1, 2, 3, 4]
    n_done = sum(f"epoch {epoch}/4" not in resumed.stderr for epoch in range(1, 5))
    assert n_done in (epochs_before, epochs_before - 1)  # killed before the checkpoint, an epoch is done again
    assert [json.dumps(row) for row in history[:n_done]] == rows_before[:n_done]
    # The same windows in the same order, varied alike, and the optimiser where it was.
    uninterrupted = [json.loads(line) for line in (trained[0] / "history.jsonl").read_text().splitlines()]
    assert history[-1]["validation_loss"] == pytest.approx(uninterrupted[-1]["validation_loss"], rel=1e-3)


def test_a_finished_run_that_is_resumed_composes_nothing(trained, data, tmp_path):
    copy = tmp_path / "tiny"
    shutil.copytree(trained[0], copy)
    finished = ask("train", "--out", copy, "--resume", "--cache", tmp_path / "cache", "--workers", 1)
    assert finished.returncode == 0, finished.stderr
    assert "has been trained to its end" in finished.stderr
    assert (copy / "model.tflite").read_bytes() == (trained[0] / "model.tflite").read_bytes()
    n_windows = sum(len(np.load(labels)) for labels in (tmp_path / "cache").glob("*-training-*.labels.npy"))
    assert n_windows == 1024  # those that the ranges of int8 are taken from


def test_the_same_seed_gives_the_same_model_in_any_process_and_another_seed_another(data, tmp_path):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(tiny_words.RECIPE + "windows = {n_rooms = 5}\n")
    files = {}
    for name, process, seed in (("first", trainer, 5), ("again", ask, 5), ("other", ask, 6)):
        command = ["train", "--recipe", recipe, "--root", data.parent, "--out", tmp_path / name, "--seed", seed]
        finished = process(*command, "--cache", data.parent / "cache", "--workers", 1)
        assert finished.returncode == 0, finished.stderr
        files[name] = (tmp_path / name / "model.tflite").read_bytes()
    assert files["first"] == files["again"]
    assert files["first"] != files["other"]


def test_a_recipe_is_a_run(data, tmp_path):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        tiny_words.RECIPE
        + """
        speech = ["speech"]
        validation_speakers = ["12"]
        [windows]
        n_rooms = 6
        [decision]
        stride_s = 0.04
        """
    )
    common = ["--cache", data.parent / "cache", "--workers", 1]
    run_of_recipe = ["train", "--recipe", recipe, "--root", data.parent, "--out", tmp_path / "run", *common]
    finished = ask(*run_of_recipe, "--seed", 3)
    assert finished.returncode == 0, finished.stderr
    manifest = json.loads((tmp_path / "run" / "model.json").read_text())
    settings = manifest["training"]["settings"]
    assert (settings["architecture"], settings["seed"], settings["data"]) == ("ts-resnet-tiny", 3, ["words"])
    assert settings["windows"]["n_rooms"] == 6
    assert manifest["stride_s"] == 0.04
    assert manifest["training"]["data"]["words"]["licence"] == "made by ourselves"
    recipe.write_text("wrods = 3\n")
    finished = ask(*replaced(run_of_recipe, "--out", tmp_path / "other"), "--data", data, "--words", "up,down")
    assert_one_line(finished, 78, "wrods")
    recipe.write_text("words = [")
    assert_one_line(ask(*run_of_recipe), 78, "expected a recipe in TOML")
    assert_one_line(ask("train", "--recipe", tmp_path / "none.toml", "--out", tmp_path), 78, "cannot be read")


def test_the_recipes_that_ship_fit(data):
    from training.run.recipe import read_recipe

    recipes = sorted((Path(__file__).parents[2] / "models" / "recipes").glob("*.toml"))
    assert {file.stem for file in recipes} == {"commands", "yes-no", "yes-no-tiny"}
    for file in recipes:
        settings = msgspec.convert(read_recipe(file, data), TrainSettings)
        assert set(settings.licences) == {Path(name).name for name in (*settings.data, *settings.synthetic)} | {
            Path(name).name for name in (*settings.noise, *settings.speech)
        }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--words", "up,nothing"], "expected clips of 'nothing' in the training split"),
        (["--words", "up,up"], "words must differ"),
        (["--words", "silence,up"], "is a label of every model"),
        (["--data", "/nowhere"], "found no folder /nowhere"),
        (["--architecture", "transformer"], "expected an architecture of ds-cnn"),
        (["--precision", "int3"], "expected a precision of auto"),
        (["--epochs", "0"], "epochs"),
        (["--licence", "nothing=CC0"], "found one of 'nothing'"),
        (["--validation-speakers", "99"], "'99'"),
    ],
)
def test_settings_that_do_not_fit_are_78(data, tmp_path, change, message):
    command = arguments(data, tmp_path / "run")
    finished = ask(*([*command, *change] if change[0] == "--data" else replaced(command, *change)))  # one more folder
    assert finished.returncode == 78
    assert finished.stdout == ""
    assert message in finished.stderr.splitlines()[-1]
    assert "Traceback" not in finished.stderr


@pytest.mark.parametrize("file", ["settings.json", "history.jsonl", "provenance.json", "best.keras"])
def test_a_damaged_run_is_told_in_one_line(trained, tmp_path, file):
    run = tmp_path / "run"
    shutil.copytree(trained[0], run)
    content = (run / file).read_bytes()
    (run / file).write_bytes(content[: len(content) // 2])
    finished = ask("train", "--resume", "--out", run, "--cache", tmp_path / "cache")
    assert finished.returncode == 78, finished.stderr
    assert "Traceback" not in finished.stderr
    assert finished.stderr.splitlines()[-1].startswith("keyword-trainer: expected")


def test_a_killed_run_leaves_no_worker_behind(data, tmp_path):
    command = replaced(arguments(data, tmp_path / "tiny"), "--cache", tmp_path / "cache")  # nothing is composed there
    process = subprocess.Popen(
        [*KEYWORD_TRAINER, *map(str, command)],
        env=ENVIRONMENT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    with process:
        wait_until(lambda: process.poll() is not None or _has_worker(process.pid))
        assert process.poll() is None
        process.kill()
        process.wait(WITHIN_S)
        wait_until(lambda: not _session_members(process.pid))


def _has_worker(session):
    return any("spawn_main" in member for member in _session_members(session))


def _session_members(session):
    """Return the command lines of a session's processes that still run."""
    members = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            fields = (process / "stat").read_text(errors="replace").rpartition(")")[2].split()
            command = (process / "cmdline").read_text(errors="replace")  # of anybody
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            members.append(command)
    return members


def test_the_report_of_a_run_shows_its_clips_and_its_mistakes(trained, data):
    run_folder = trained[0]
    finished = ask("report", run_folder, "--cache", data.parent / "cache")
    assert finished.returncode == 0, finished.stderr
    page = (run_folder / "report.html").read_text()
    confusion = json.loads((run_folder / "evaluation.json").read_text())["int8"]["confusion"]
    assert all(f">{count}</td>" in page for counts in confusion for count in counts)
    wrong = sum(sum(row) - row[k] for k, row in enumerate(confusion[1:], start=1))
    assert page.count("<audio") == min(wrong, 24)


def begin(folder):
    """Begin a run of three epochs on recordings that are nowhere."""
    run, settings = Run(folder), TrainSettings(data=("nowhere",), words=("up",), epochs=3)
    run.begin(settings)
    return run, settings


def train_on(run, settings):
    from training.network.train import train

    train(run, settings, cache=run.folder / "cache", n_workers=1)


def test_a_run_is_not_gone_on_with_other_settings(tmp_path):
    run, settings = begin(tmp_path / "run")
    with pytest.raises(
        SettingsError, match=r"^expected a new folder, or a run of the same settings, found another run"
    ):
        train_on(run, msgspec.structs.replace(settings, seed=1))
    assert [file.name for file in run.folder.iterdir()] == ["settings.json"]


def test_a_run_that_was_trained_to_its_end_needs_no_recordings(tmp_path):
    run, settings = begin(tmp_path / "run")
    (run.folder / "checkpoint-0003.keras").touch()
    train_on(run, settings)
    (session,) = run.read_sessions()
    assert session["epochs_before"] == 3


def test_a_run_whose_recordings_are_not_there_has_not_begun(tmp_path):
    run = Run(tmp_path / "run")
    with pytest.raises(SettingsError, match="found no folder nowhere"):
        train_on(run, TrainSettings(data=("nowhere",), words=("up",)))
    assert not run.folder.exists()
