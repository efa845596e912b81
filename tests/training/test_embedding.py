"""The distillation of the embedding: on made-up sounds, with a stand-in for the teacher where none is installed."""

import importlib.util
from pathlib import Path

import msgspec
import numpy as np
import pytest

from detector.core.frontend import FrontendSettings, LogMel
from detector.errors import SettingsError
from training.embedding.pool import Shard, embed_sound, fingerprint
from training.embedding.settings import STEP_FRAMES, WINDOW_FRAMES, EmbeddingSettings, read_embedding_recipe
from training.embedding.sounds import read_texts
from training.embedding.teacher import HOP_SAMPLES, N_OUTPUTS, SPAN_SAMPLES, Teacher

pytestmark = [pytest.mark.tensorflow, pytest.mark.filterwarnings("ignore")]  # TensorFlow's own warnings

RECIPE = Path(__file__).parents[2] / "models" / "learn" / "embedding.toml"
CHANNELS = (4, 4, 4, 4, 4)


class Counting:
    """A teacher that gives the sum of each span of samples that it would hear."""

    def embed(self, samples):
        n = (len(samples) - SPAN_SAMPLES) // HOP_SAMPLES + 1
        ends = SPAN_SAMPLES + HOP_SAMPLES * np.arange(n)
        loudest = [np.flatnonzero(samples[:end]).max(initial=0) for end in ends]
        return np.tile(np.array(loudest, dtype=np.float32)[:, None] / 1000, (1, N_OUTPUTS))


def test_a_long_sound_gives_what_its_windows_give_one_by_one(rng):
    import keras

    from training.embedding.student import build_student

    keras.utils.set_random_seed(0)
    long, one = build_student(CHANNELS, 40, 6, n_frames=None), build_student(CHANNELS, 40, 6)
    one.set_weights(long.get_weights())
    features = rng.normal(size=(1, 113, 40, 1)).astype(np.float32)
    together = np.asarray(long(features, training=False))[0]
    starts = range(0, 113 - WINDOW_FRAMES + 1, STEP_FRAMES)
    windows = np.stack([features[0, start : start + WINDOW_FRAMES] for start in starts])
    np.testing.assert_allclose(np.asarray(one(windows, training=False)), together, atol=1e-5)


def test_a_target_is_of_the_sound_up_to_where_its_window_ends():
    samples = np.zeros(64000, dtype=np.int16)
    samples[::160] = 1000
    frontend = FrontendSettings()
    features, targets = embed_sound(samples, LogMel(frontend), Counting())
    assert len(targets) == (len(features) - WINDOW_FRAMES) // STEP_FRAMES + 1
    for step, target in enumerate(targets[:, 0].astype(float)):
        end = (step * STEP_FRAMES + WINDOW_FRAMES - 1) * frontend.hop_samples + frontend.frame_samples
        # What the teacher is given begins a little later than the sound does, and so do its positions.
        offset = (15840 - SPAN_SAMPLES) % HOP_SAMPLES
        assert end - 330 <= 1000 * target + offset <= end


@pytest.mark.skipif(importlib.util.find_spec("pyopen_wakeword") is None, reason="needs pip install pyopen-wakeword")
def test_the_teacher_hears_nothing_after_the_end_of_its_span(rng):
    teacher = Teacher()
    samples = (rng.standard_normal(48000) * 500).astype(np.int16)
    whole = teacher.embed(samples)
    for k in (0, 7):
        end = SPAN_SAMPLES + k * HOP_SAMPLES
        changed = samples.copy()
        changed[end:] = 0
        np.testing.assert_allclose(teacher.embed(changed)[k], whole[k], atol=1e-3)
        changed[end - 400 :] = 0
        assert np.abs(teacher.embed(changed)[k] - whole[k]).max() > 0.1


def test_without_its_teacher_a_distillation_says_what_to_install(tmp_path):
    with pytest.raises(SettingsError, match="pip install 'pyopen-wakeword"):
        Teacher(tmp_path)


def test_the_shipped_recipe_is_read_and_its_folders_lie_below_the_root(tmp_path):
    settings = read_embedding_recipe(RECIPE, tmp_path)
    assert settings.data == (str(tmp_path / "speech_commands"),)
    assert {"computer", "jarvis"} <= set(settings.left_out)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("data = 3", "Expected `array`"),
        ('data = []\nx = "y"', "unknown field `x`"),
        ("data = [", "expected a recipe in"),
    ],
)
def test_a_recipe_that_is_none_is_refused_in_one_line(tmp_path, text, message):
    (tmp_path / "r.toml").write_text(text)
    with pytest.raises(SettingsError, match=message) as raised:
        read_embedding_recipe(tmp_path / "r.toml", tmp_path)
    assert "\n" not in str(raised.value)


def test_words_that_are_left_out_are_spoken_nowhere(tmp_path):
    (tmp_path / "1-2.trans.txt").write_text("1-2-0 THE COMPUTERS OF JARVIS GO HOME\n")
    (tmp_path / "words.dict").write_text(
        "computer K AH\ncommute K AH\ngo(2) G OW\ngone G AO N\nmute M\n'tis T IH Z\na AH\n"
    )
    settings = EmbeddingSettings(
        data=(), texts=(str(tmp_path),), dictionary=str(tmp_path / "words.dict"), left_out=("computer", "jarvis", "go")
    )
    assert read_texts(settings) == (["the", "of", "home"], ["commute", "mute"])


def test_what_shards_do_not_depend_on_does_not_rename_them():
    settings = EmbeddingSettings(data=("a",))
    assert fingerprint(settings) == fingerprint(msgspec.structs.replace(settings, epochs=3, channels=CHANNELS))
    assert fingerprint(settings) != fingerprint(msgspec.structs.replace(settings, seed=1))


@pytest.fixture
def made(tmp_path, rng):
    """Shards in which the targets are a linear matter of the features."""
    settings = EmbeddingSettings(
        data=(), n_shards=2, sounds_per_shard=6, channels=CHANNELS, epochs=2, decay_epochs=1, batch_size=4
    )
    folder = tmp_path / "shards" / fingerprint(settings)
    folder.mkdir(parents=True)
    for number in (-1, 0, 1):
        features = rng.normal(size=(6, 113, 40)).astype(np.float16)
        steps = [features[:, k * 4 : k * 4 + 49].mean(axis=(1, 2)) for k in range(17)]
        targets = np.repeat(np.stack(steps, axis=1)[..., None], N_OUTPUTS, axis=2) * 50
        Shard(folder, number).write(features, targets.astype(np.float16))
    return settings, tmp_path / "shards"


def run(folder, settings, shards):
    """Distil into a folder; return what each epoch came to."""
    from training.embedding.distil import distil, read_history

    distil(folder, settings, shards=shards, cache=folder, teacher=folder, n_workers=1)
    return read_history(folder)


def test_a_distillation_that_was_interrupted_goes_on_where_its_checkpoint_is(made, tmp_path):
    settings, shards = made
    whole = run(tmp_path / "whole", settings, shards)
    assert [line["epoch"] for line in run(tmp_path / "parts", settings, shards)] == [1, 2]
    # As if an epoch had been written down, and its checkpoint had not.
    file = tmp_path / "parts" / "history.jsonl"
    lines = file.read_text().splitlines()
    longer = msgspec.structs.replace(settings, epochs=3)
    (tmp_path / "parts" / "settings.json").write_bytes(msgspec.json.encode(longer))
    file.write_text("\n".join([*lines, lines[-1].replace('"epoch": 2', '"epoch": 3')]) + "\n")
    history = run(tmp_path / "parts", longer, shards)
    assert [line["epoch"] for line in history] == [1, 2, 3]
    assert history[:2] == whole
    assert history[2]["loss"] != history[1]["loss"]


def test_another_distillation_is_not_written_over(made, tmp_path):
    settings, shards = made
    run(tmp_path / "run", msgspec.structs.replace(settings, epochs=1), shards)
    with pytest.raises(SettingsError, match="found another run"):
        run(tmp_path / "run", msgspec.structs.replace(settings, epochs=1, seed=4), shards)


def test_batches_hold_every_sound_once_in_an_order_of_the_epochs_own(made):
    from training.embedding.distil import SoundBatches

    settings, shards = made
    folder = shards / fingerprint(settings)
    scaling = np.zeros(N_OUTPUTS, np.float32), np.ones(N_OUTPUTS, np.float32)
    all_shards = [Shard(folder, 0), Shard(folder, 1)]
    epochs = []
    for epoch in (0, 1, 0):
        batches = SoundBatches(all_shards, scaling, settings, epoch)
        epochs.append(np.concatenate([batches[k][0][:, 0, 0, 0] for k in range(len(batches))]))
    assert len(set(epochs[0].tolist())) == 12
    np.testing.assert_array_equal(epochs[0], epochs[2])
    assert epochs[0].tolist() != epochs[1].tolist()
    assert sorted(epochs[0]) == sorted(epochs[1])


def test_a_student_that_gives_the_mean_explains_nothing(made):
    from training.embedding.distil import measure
    from training.embedding.student import build_student

    settings, shards = made
    features, targets = Shard(shards / fingerprint(settings), -1).open()
    student = build_student(CHANNELS, 40, N_OUTPUTS, n_frames=None)
    student.set_weights([np.zeros_like(weights) for weights in student.get_weights()])
    mean = np.asarray(targets, dtype=np.float32).mean(axis=(0, 1))
    scaling = mean, np.ones(N_OUTPUTS, dtype=np.float32)
    assert measure(student, features, targets, scaling) == pytest.approx(0.0, abs=1e-3)


def test_the_learning_rate_rises_stays_and_falls_to_nothing():
    from training.embedding.distil import rate_factor

    settings = EmbeddingSettings(data=(), epochs=10, decay_epochs=4)
    factors = np.array([rate_factor(step, 500, settings) for step in range(5000)])
    assert factors[0] == pytest.approx(1 / 200)
    assert (np.diff(factors[:200]) > 0).all()
    assert (factors[199:3001] == 1.0).all()
    np.testing.assert_allclose(factors[3000:], np.linspace(1.0, 1 / 2000, 2000), atol=1e-9)


def test_a_speaker_of_words_is_on_one_side_and_about_half_are_on_each():
    from training.embedding.bank import is_held

    speakers = [f"{k:08x}" for k in range(1000)]
    held = [speaker for speaker in speakers if is_held(speaker)]
    assert 440 <= len(held) <= 560
    assert held == [speaker for speaker in speakers if is_held(speaker)]
