"""The batches of a training: functions of the seed and their number alone, each pass in an order of its own."""

from __future__ import annotations

import numpy as np
import pytest

from training.run.settings import TrainSettings, VariationSettings
from training.windows.features import FeatureStore

pytestmark = pytest.mark.tensorflow

N_WINDOWS = 10
UNVARIED = VariationSettings(mask=0.0, warp=0.0)


@pytest.fixture
def windows(tmp_path):
    """Windows whose features all are the number of the window."""
    features = np.zeros((N_WINDOWS, 49, 40), dtype=np.int8)
    features += np.arange(N_WINDOWS, dtype=np.int8)[:, None, None]
    np.save(tmp_path / "shard.npy", features)
    np.save(tmp_path / "shard.labels.npy", np.arange(N_WINDOWS, dtype=np.uint8) % 3)
    return FeatureStore([tmp_path / "shard.npy"])


@pytest.fixture
def make(windows):
    from training.network.batches import Batches

    def make_batches(epoch=0, **changes):
        fields = {"steps_per_epoch": 5, "batch_size": 4, "variation": UNVARIED} | changes
        settings = TrainSettings(data=("words",), words=("yes",), **fields)
        return Batches(settings, windows, np.eye(3, dtype=np.float32)[windows.labels], epoch)

    return make_batches


def rows_of(batches, windows):
    """Return which windows the batches hold, in order."""
    values = windows.read(np.arange(N_WINDOWS))[:, 0, 0]
    seen = np.concatenate([batches[step][0][:, 0, 0, 0] for step in range(len(batches))])
    return [int(np.abs(values - value).argmin()) for value in seen]


def test_a_batch_is_features_and_what_they_shall_give(make):
    features, targets = make()[0]
    assert (features.shape, features.dtype) == ((4, 49, 40, 1), np.float32)
    assert (targets.shape, targets.dtype) == ((4, 3), np.float32)
    assert len(make()) == 5


def test_every_window_is_seen_once_before_any_is_seen_again(make, windows):
    rows = rows_of(make(0), windows) + rows_of(make(1), windows)  # the passes do not end where the epochs do
    passes = [rows[first : first + N_WINDOWS] for first in range(0, len(rows), N_WINDOWS)]
    assert [sorted(one) for one in passes] == [list(range(N_WINDOWS))] * 4
    assert len({tuple(one) for one in passes}) == 4


def test_features_and_labels_of_a_window_stay_together(make, windows):
    batches = make()
    targets = np.concatenate([batches[step][1] for step in range(len(batches))])
    assert targets.argmax(axis=1).tolist() == [row % 3 for row in rows_of(batches, windows)]


def test_a_batch_does_not_depend_on_those_before_it(make):
    varied = VariationSettings(mask=0.7, warp=0.7, mixup=0.4)
    in_order, alone = make(2, variation=varied), make(2, variation=varied)
    expected = [in_order[step] for step in range(5)]
    for step in (4, 0, 3):
        for ours, theirs in zip(alone[step], expected[step], strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_another_seed_is_another_order(make, windows):
    assert rows_of(make(), windows) == rows_of(make(), windows)
    assert rows_of(make(), windows) != rows_of(make(seed=1), windows)


def test_windows_are_varied_anew_each_time_they_are_seen(tmp_path, rng):
    from training.network.batches import Batches

    np.save(tmp_path / "shard.npy", rng.integers(-100, 100, (1, 49, 40), dtype=np.int8))
    np.save(tmp_path / "shard.labels.npy", np.zeros(1, dtype=np.uint8))
    windows = FeatureStore([tmp_path / "shard.npy"])
    composed = windows.read(np.array([0]))[0]
    masked = VariationSettings(mask=1.0, warp=0.0)
    settings = TrainSettings(
        data=("words",), words=("yes",), steps_per_epoch=1, batch_size=4, variation=masked, distinct_windows=1
    )
    targets = np.eye(3, dtype=np.float32)[:1]
    seen = np.concatenate([Batches(settings, windows, targets, epoch)[0][0][..., 0] for epoch in range(2)])
    changed = seen != composed
    assert 0 < changed.mean() < 0.5
    assert len({one.tobytes() for one in changed}) == 8
    np.testing.assert_array_equal(windows.read(np.array([0]))[0], composed)


def test_mixed_windows_have_mixed_labels(make):
    _, targets = make(variation=VariationSettings(mask=0.0, warp=0.0, mixup=1.0))[0]
    np.testing.assert_allclose(targets.sum(axis=1), 1.0, atol=1e-6)
    assert ((targets > 0.01) & (targets < 0.99)).any()


class Teacher:
    """A run whose network answers every window with the same probabilities, and counts what it is asked."""

    def __init__(self, *answer):
        self.answer, self.asked, self.is_training = np.array(answer, dtype=np.float32), [], []

    def load_best(self):
        return self

    def __call__(self, windows, *, training):
        self.asked.append(windows.shape)
        self.is_training.append(training)
        return np.tile(self.answer, (len(windows), 1))


def targets_of(windows, *teachers, imitation=0.7):
    from training.network.batches import make_targets

    settings = TrainSettings(data=("words",), words=("yes",), imitation=imitation)
    return make_targets(settings, windows, teachers)


def test_without_teachers_a_window_is_trained_to_its_label(windows):
    np.testing.assert_array_equal(targets_of(windows), np.eye(3)[np.arange(N_WINDOWS) % 3])


@pytest.mark.parametrize("imitation", [0.0, 0.7, 1.0])
def test_teachers_answers_are_averaged_and_mixed_with_the_label(windows, imitation):
    teachers = Teacher(0.5, 0.5, 0.0), Teacher(0.1, 0.2, 0.7)
    targets = targets_of(windows, *teachers, imitation=imitation)
    expected = imitation * np.array([0.3, 0.35, 0.35]) + (1 - imitation) * np.eye(3)[np.arange(N_WINDOWS) % 3]
    np.testing.assert_allclose(targets, expected, atol=1e-6)
    assert targets.dtype == np.float32


def test_a_teacher_is_asked_for_each_window_once_and_not_to_train(windows, monkeypatch):
    from training.network import batches

    monkeypatch.setattr(batches, "ASKED_AT_ONCE", 4)
    teacher = Teacher(0.2, 0.3, 0.5)
    targets_of(windows, teacher)
    assert teacher.asked == [(4, 49, 40, 1), (4, 49, 40, 1), (2, 49, 40, 1)]
    assert teacher.is_training == [False] * 3
