"""The folder of a run: what is saved is what is read, and what cannot be read is one line that says what to do."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from detector.errors import DetectorError, SettingsError
from training.evaluate.clips import ClipReport
from training.evaluate.intervals import proportion
from training.run.run import Evaluation, Run
from training.run.settings import TrainSettings

SETTINGS = TrainSettings(data=("words",), words=("up", "down"), epochs=3, seed=7)


class Network:
    """What keras.Model is to a run that saves it."""

    def __init__(self, content):
        self.content = content

    def save(self, file):
        """Write part of it, then the rest or the error."""
        file.write_bytes(self.content[:2])
        if b"full" in self.content:
            raise OSError(28, "No space left on device")
        file.write_bytes(self.content)


@pytest.fixture
def run(tmp_path):
    """A run that has begun."""
    begun = Run(tmp_path / "runs" / "mine")
    begun.begin(SETTINGS)
    return begun


@pytest.fixture
def evaluation():
    half = proportion(1, 2)
    report = ClipReport("validation", ("silence", "unknown"), half, {"unknown": half}, {}, half, [[0, 0], [1, 1]])
    return Evaluation(int8=report, float32=report)


def test_a_folder_has_begun_with_its_settings(run, tmp_path):
    assert run.is_begun
    assert run.read_settings() == SETTINGS
    assert not Run(tmp_path).is_begun
    assert run.teacher(2).folder == tmp_path / "runs" / "mine" / "teacher-2"


def test_before_the_first_epoch_there_is_no_history(run):
    assert (run.read_sessions(), run.read_history(), run.count_epochs()) == ([], [], 0)


def test_epochs_are_read_as_they_were_saved_the_loss_that_is_none_included(run):
    run.save_epoch([{"epoch": 1, "validation_loss": 0.25}, {"epoch": 2, "validation_loss": math.nan}], Network(b"x"))
    first, second = run.read_history()
    assert json.dumps(first) == '{"epoch": 1, "validation_loss": 0.25}'  # the number of an epoch stays whole
    assert second["epoch"] == 2
    assert math.isnan(second["validation_loss"])


def test_the_best_weights_are_those_of_the_lowest_loss(run):
    for losses, best in (([0.5], b"1"), ([0.5, 0.6], b"1"), ([0.5, 0.6, 0.5], b"3"), ([0.5, 0.6, 0.5, math.nan], b"3")):
        history = [{"epoch": k, "validation_loss": loss} for k, loss in enumerate(losses, start=1)]
        run.save_epoch(history, Network(str(len(losses)).encode()))
        assert (run.folder / "best.keras").read_bytes() == best
        assert len(run.read_history()) == len(losses)


def test_each_start_is_added_to_those_before(run):
    for n_before in (0, 3):
        run.add_session({"epochs_before": n_before, "versions": {"python": "3.11"}})
    assert [session["epochs_before"] for session in run.read_sessions()] == [0, 3]
    assert run.read_sessions()[1]["versions"] == {"python": "3.11"}


def test_a_finished_run_holds_a_pair_and_what_it_is_worth(run, model, evaluation):
    run.save_model(b"int8", model.manifest, evaluation)
    assert run.read_flatbuffer() == b"int8"
    assert run.read_manifest() == model.manifest
    assert run.read_evaluation() == evaluation
    assert sorted(file.name for file in run.folder.iterdir()) == [
        "evaluation.json",
        "model.json",
        "model.tflite",
        "settings.json",
    ]


def test_the_last_checkpoint_counts_by_its_number(run):
    for name in (
        "checkpoint-0009.keras",
        "checkpoint-10000.keras",
        "checkpoint-old.keras",
        "partial-checkpoint-2.keras",
    ):
        (run.folder / name).touch()
    assert run.count_epochs() == 10000


MISSING = {
    "read_settings": "expected a training run in {folder}, found no settings.json there: name its folder",
    "load_best": "expected a trained network in {folder}, found no best.keras: go on with .* --resume",
    "read_flatbuffer": "expected a finished run in {folder}, found no model.tflite: go on with .* --resume",
    "read_manifest": "expected a finished run in {folder}, found no model.json: go on with .* --resume",
    "read_evaluation": "expected a finished run in {folder}, found no evaluation.json: go on with .* --resume",
}


@pytest.mark.parametrize(("read", "message"), MISSING.items(), ids=MISSING)
def test_what_is_missing_is_one_line_that_says_what_to_do(tmp_path, read, message):
    with pytest.raises(SettingsError, match=f"^{message.format(folder=tmp_path)}") as raised:
        getattr(Run(tmp_path), read)()
    assert "\n" not in str(raised.value)


DAMAGED = [
    ("read_settings", "settings.json", b'{"data": ["words"], "words"', "expected the settings of a training run in"),
    ("read_settings", "settings.json", b'{"data": ["words"], "words": ["up"], "colour": 3}', "unknown field `colour`"),
    ("read_settings", "settings.json", b"[" * 10**5, "expected the settings of a training run in"),
    ("read_sessions", "provenance.json", b'[{"started": "2026', "expected the starts of a training in"),
    ("read_sessions", "provenance.json", b"{}", "expected the starts of a training in"),
    ("read_history", "history.jsonl", b'{"epoch": 1}\n{"epo', "expected a line of JSON for each epoch in"),
    ("read_history", "history.jsonl", b"3\n", "expected a line of JSON for each epoch in"),
    ("read_history", "history.jsonl", b'{"epoch": "\xff"}\n', "expected a line of JSON for each epoch in"),
    ("read_manifest", "model.json", b"{", "expected a manifest in"),
    ("read_evaluation", "evaluation.json", b'{"int8": {}}', "expected the evaluation of a run in"),
]


@pytest.mark.parametrize(("read", "file", "content", "message"), DAMAGED)
def test_what_is_damaged_is_one_line_that_names_the_file(run, read, file, content, message):
    (run.folder / file).write_bytes(content)
    with pytest.raises(DetectorError) as raised:
        getattr(run, read)()
    assert message in str(raised.value)
    assert str(run.folder / file) in str(raised.value)
    assert "\n" not in str(raised.value)
    assert raised.value.exit_code == 78


def test_a_folder_in_place_of_a_file_is_no_file(run):
    (run.folder / "history.jsonl").mkdir()
    with pytest.raises(SettingsError, match=r"cannot be read \(Is a directory\)"):
        run.read_history()


def test_a_checkpoint_takes_the_place_of_those_before(run):
    for n_epochs in (1, 2):
        (run.folder / "checkpoint-0001.keras").write_bytes(b"one")  # as if killed before it was removed
        run.save_checkpoint(Network(b"weights"), n_epochs)
        assert run.count_epochs() == n_epochs
    assert [file.name for file in run.folder.glob("*.keras")] == ["checkpoint-0002.keras"]


def test_a_full_disk_leaves_the_weights_that_were_there(run):
    epoch = {"epoch": 1, "validation_loss": 0.5}
    run.save_epoch([epoch], Network(b"weights"))
    with pytest.raises(OSError, match="No space"):
        run.save_epoch([epoch], Network(b"full disk"))
    assert (run.folder / "best.keras").read_bytes() == b"weights"
    assert not list(run.folder.glob("partial-*"))


@pytest.mark.tensorflow
@pytest.mark.filterwarnings("ignore")  # TensorFlow's own
def test_networks_are_loaded_as_they_were_saved(run, rng):
    import keras

    from training.network.architectures import build_model

    keras.utils.set_random_seed(1)
    model = build_model("ts-resnet-tiny", n_frames=49, n_mels=40, n_labels=4)
    model.compile(keras.optimizers.AdamW(1e-3), "categorical_crossentropy", jit_compile=False)
    windows = rng.standard_normal((8, 49, 40, 1)).astype(np.float32)
    model.train_on_batch(windows, np.eye(4, dtype=np.float32)[rng.integers(4, size=8)])
    run.save_epoch([{"epoch": 1, "validation_loss": 0.5}], model)
    run.save_checkpoint(model, 2)
    expected = model.predict(windows, verbose=0)
    best, checkpoint = run.load_best(), run.load_checkpoint()
    for loaded in (best, checkpoint):
        np.testing.assert_array_equal(loaded.predict(windows, verbose=0), expected)
    assert getattr(best, "optimizer", None) is None
    assert int(checkpoint.optimizer.iterations) == 1
    content = (run.folder / "best.keras").read_bytes()
    for damaged in (content[: len(content) // 2], b"", b"PK\x03\x04"):
        (run.folder / "best.keras").write_bytes(damaged)
        with pytest.raises(
            SettingsError, match=r"^expected a network in .*best\.keras, found none .*: train anew|^expected a network"
        ):
            run.load_best()


@pytest.mark.parametrize(
    ("losses", "kept"),
    [
        ([math.nan, 0.5], 2),
        ([math.nan, math.nan, 0.7, 0.8], 3),
        ([0.5, math.nan, 0.4], 3),
        ([0.5, math.nan], 1),
        ([math.nan], None),
    ],
)
def test_an_epoch_whose_loss_is_no_number_is_never_the_best_and_hides_no_other(run, losses, kept):
    history = []
    for number, loss in enumerate(losses, start=1):
        history.append({"epoch": number, "validation_loss": loss})
        run.save_epoch(history, Network(str(number).encode()))
    best = run.folder / "best.keras"
    assert (best.read_bytes() if best.exists() else None) == (None if kept is None else str(kept).encode())
