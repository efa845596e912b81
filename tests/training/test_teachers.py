"""A network that imitates others: what it is trained to, and runs that hold their teachers."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tiny_words
from commands import KEYWORD_TRAINER, assert_one_line, call

from training.run.settings import TeacherSettings, TrainSettings, VariationSettings

pytestmark = [pytest.mark.tensorflow, pytest.mark.filterwarnings("ignore")]  # TensorFlow's own warnings


def test_a_teacher_sees_the_pupils_windows_and_has_no_teachers():
    teacher = TeacherSettings(architecture="cnn", epochs=3, variation=VariationSettings(mixup=0.2))
    pupil = TrainSettings(data=("words",), words=("yes",), seed=4, teachers=(teacher,))
    own = pupil.of_teacher(teacher)
    assert (own.architecture, own.epochs, own.variation.mixup, own.seed) == ("cnn", 3, 0.2, 4)
    assert own.teachers == ()
    assert (own.windows, own.frontend) == (pupil.windows, pupil.frontend)


def test_targets_are_labels_and_the_mean_answer_of_the_teachers(tmp_path, rng):
    import keras

    from training.network.architectures import build_model
    from training.network.batches import make_targets
    from training.run.run import Run
    from training.windows.features import FeatureStore

    features = rng.integers(-100, 100, (50, 49, 40), dtype=np.int8)
    labels = rng.integers(3, size=50, dtype=np.uint8)
    np.save(tmp_path / "shard.npy", features)
    np.save(tmp_path / "shard.labels.npy", labels)
    windows = FeatureStore([tmp_path / "shard.npy"])
    teachers, answers = [], []
    for k in range(2):
        keras.utils.set_random_seed(k)
        model = build_model("ts-resnet-tiny", n_frames=49, n_mels=40, n_labels=3)
        answers.append(model(windows.read(np.arange(50))[..., None], training=False).numpy())
        teachers.append(Run(tmp_path / f"teacher-{k}"))
        teachers[k].folder.mkdir()
        teachers[k].save_epoch([{"epoch": 1, "validation_loss": 0.5}], model)
    settings = TrainSettings(data=("words",), words=("yes",), imitation=0.6)
    targets = make_targets(settings, windows, teachers)
    np.testing.assert_allclose(targets, 0.6 * np.mean(answers, axis=0) + 0.4 * np.eye(3)[labels], atol=1e-5)
    np.testing.assert_array_equal(make_targets(settings, windows, []), np.eye(3)[labels])


def test_a_run_trains_its_teachers_and_goes_on_with_them(tmp_path):
    data = tiny_words.make(tmp_path)
    recipe = tmp_path / "recipe.toml"
    text = (
        tiny_words.RECIPE
        + """
        windows = {n_rooms = 5}
        [[teachers]]
        architecture = "cnn"
        epochs = 2
        [[teachers]]
        architecture = "ts-resnet-tiny"
        epochs = 1
        """
    )
    recipe.write_text(text.replace('"cnn"', '"transformer"'))
    command = ["train", "--recipe", recipe, "--root", data.parent, "--out", tmp_path / "run"]
    command += ["--cache", tmp_path / "cache", "--workers", 1]
    assert_one_line(call(*command, command=KEYWORD_TRAINER), 78, "found 'transformer'")
    assert not (tmp_path / "run").exists()
    recipe.write_text(text)
    finished = call(*command, command=KEYWORD_TRAINER)
    assert finished.returncode == 0, finished.stderr
    assert "teacher 2 of 2: ts-resnet-tiny" in finished.stderr
    epochs = [len((tmp_path / "run" / f"teacher-{k}" / "history.jsonl").read_text().splitlines()) for k in (1, 2)]
    assert epochs == [2, 1]
    manifest = json.loads((tmp_path / "run" / "model.json").read_text())
    assert [teacher["architecture"] for teacher in manifest["training"]["settings"]["teachers"]] == [
        "cnn",
        "ts-resnet-tiny",
    ]

    resume = ["train", "--resume", "--out", tmp_path / "run", "--cache", tmp_path / "cache", "--workers", 1]
    for checkpoint in (tmp_path / "run").glob("checkpoint-*.keras"):
        checkpoint.unlink()  # as if it had been interrupted
    settings_file = tmp_path / "run" / "teacher-2" / "settings.json"
    settings_file.write_text(settings_file.read_text().replace('"epochs": 1', '"epochs": 3'))
    refused = call(*resume, command=KEYWORD_TRAINER)
    assert refused.returncode == 78
    assert "found another run in" in refused.stderr.splitlines()[-1]
