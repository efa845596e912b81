"""Settings of a run that no model could come of are refused before the training, not after it."""

import json
from pathlib import Path

import msgspec
import pytest

from detector.errors import SettingsError
from detector.types import fields_of
from training.run.settings import (
    DecisionRecipe,
    TeacherSettings,
    TrainSettings,
    TutorialSettings,
    convert_settings,
)
from training.synthesis.settings import SynthesisSettings
from training.windows.settings import VariationSettings, WindowSettings

MODELS = Path(__file__).parents[2] / "models"
KINDS = [
    DecisionRecipe,
    SynthesisSettings,
    TeacherSettings,
    TrainSettings,
    TutorialSettings,
    VariationSettings,
    WindowSettings,
]

BAD = {
    "a stride between two frames": {"decision": {"stride_s": 0.055}},
    "a word that is never armed again": {"decision": {"rearm_ratio": 1.0}},
    "a threshold of nothing": {"decision": {"threshold": 0.0}},
    "a mean of too many windows": {"decision": {"smoothing_windows": 200}},
    "an endless refractory time": {"decision": {"refractory_s": 1000.0}},
    "a learning rate that is none": {"learning_rate": float("inf")},
    "a mask wider than the window": {"variation": {"mask_bands": 60}},
    "a mask longer than the window": {"variation": {"mask_frames": 120}},
    "a teacher's mask wider than the window": {
        "teachers": [{"architecture": "cnn", "epochs": 1, "variation": {"mask_bands": 60}}]
    },
    "a window without a frame": {"window_s": 0.01},
    "a range that falls": {"windows": {"speed_range": [1.2, 0.8]}},
    "a range that has no end": {"windows": {"snr_db": [0.0, float("inf")]}},
    "a variation's range that falls": {"variation": {"warp_range": [1.1, 0.9]}},
    "a room that rings too short": {"windows": {"reverberation_s": [0.01, 0.02]}},
    "shares of more than the whole": {"windows": {"keyword": 0.9, "running_speech": 0.9}},
    "a seed of more than 32 bits": {"seed": 2**32},
    "epochs without end": {"epochs": 10**20},
    "a label for a word": {"words": ["yes", "silence"]},
}


@pytest.mark.parametrize("changes", BAD.values(), ids=BAD)
def test_what_cannot_become_a_model_is_refused_in_one_line(changes):
    fields = {"data": ["somewhere"], "words": ["yes", "no"]}
    convert_settings(TrainSettings, fields)
    with pytest.raises(SettingsError, match=r"^expected settings that fit, found: [^\n]+$"):
        convert_settings(TrainSettings, fields | changes)


@pytest.mark.parametrize("kind", KINDS)
def test_every_setting_says_what_it_means(kind):
    for field in fields_of(kind).values():
        assert field.text, field.name
        assert not field.text.endswith("."), field.name


@pytest.mark.parametrize("name", ["yes-no", "yes-no-tiny"])
def test_settings_of_before_a_number_had_a_name_are_read_with_the_number(name):
    """The shipped models were trained when composing had fewer settings: those are what they were trained with."""
    before = json.loads((MODELS / f"{name}.json").read_text())["training"]["settings"]
    unnamed = set(WindowSettings.__struct_fields__) - set(before["windows"])
    assert {"neighbour_db", "silence_db", "coloured_noise", "noise_pair_db"} <= unnamed
    windows = convert_settings(TrainSettings, before).windows
    assert {field: getattr(windows, field) for field in unnamed} == {
        field: getattr(WindowSettings(), field) for field in unnamed
    }
    assert (windows.neighbour_db, windows.silence_db, windows.noise_pair_db) == ((-8, 8), (-20, 20), (-6, 12))


def train(**changes):
    return convert_settings(TrainSettings, {"data": ["somewhere"], "words": ["yes", "no"]} | changes)


REFUSED = {
    "no keyword": (TrainSettings, {"data": ["a"], "words": []}, "length >= 1"),
    "no data": (TrainSettings, {"words": ["yes"]}, "missing required field `data`"),
    "a word that is two lines": (
        TrainSettings,
        {"data": ["a"], "words": ["yes\nno"]},
        r"words must hold no control characters, found 'yes\nno'",
    ),
    "a word twice": (TrainSettings, {"data": ["a"], "words": ["yes", "yes"]}, "words must differ, found yes, yes"),
    "the label of silence": (
        TrainSettings,
        {"data": ["a"], "words": ["silence"]},
        "'silence' is a label of every model",
    ),
    "the label of the rest": (
        TrainSettings,
        {"data": ["a"], "words": ["unknown"]},
        "'unknown' is a label of every model",
    ),
    "a field of nothing": (TrainSettings, {"data": ["a"], "words": ["yes"], "epoch": 3}, "unknown field `epoch`"),
    "half an epoch": (TrainSettings, {"data": ["a"], "words": ["yes"], "epochs": 0.5}, "at `$.epochs`"),
    "a batch of none": (TrainSettings, {"data": ["a"], "words": ["yes"], "batch_size": 0}, "at `$.batch_size`"),
    "a temperature of zero": (
        TrainSettings,
        {"data": ["a"], "words": ["yes"], "temperature": 0.0},
        "at `$.temperature`",
    ),
    "a share above one": (TrainSettings, {"data": ["a"], "words": ["yes"], "imitation": 1.5}, "at `$.imitation`"),
    "a seed below zero": (TrainSettings, {"data": ["a"], "words": ["yes"], "seed": -1}, "at `$.seed`"),
    "a teacher without epochs": (
        TrainSettings,
        {"data": ["a"], "words": ["yes"], "teachers": [{"architecture": "cnn"}]},
        "missing required field `epochs`",
    ),
    "one word to distinguish": (TutorialSettings, {"data": ["a"], "words": ["yes"]}, "length >= 2"),
    "a tutorial's word twice": (TutorialSettings, {"data": ["a"], "words": ["no", "no"]}, "words must differ"),
    "a tutorial on nothing": (TutorialSettings, {"data": [], "words": ["yes", "no"]}, "length >= 1"),
    "a division by luck": (TutorialSettings, {"data": ["a"], "words": ["yes", "no"], "split_by": "luck"}, "'luck'"),
    "nothing to say": (SynthesisSettings, {"words": []}, "length >= 1"),
    "clips of none": (SynthesisSettings, {"words": ["yes"], "clips_per_word": 0}, "at `$.clips_per_word`"),
    "a probability of two": (VariationSettings, {"mask": 2.0}, "at `$.mask`"),
    "an endless shift": (VariationSettings, {"warp_bands": float("inf")}, "warp_bands must be finite"),
    "a stretch that falls": (VariationSettings, {"warp_range": [1.2, 1.0]}, "warp_range must be a range"),
    "shares of too much": (WindowSettings, {"keyword": 0.6, "running_speech": 0.6}, "found a sum of 1.46"),
    "a curve of nothing": (WindowSettings, {"equalise_db": 0.0}, "at `$.equalise_db`"),
}


@pytest.mark.parametrize(("kind", "fields", "message"), REFUSED.values(), ids=REFUSED)
def test_each_refusal_names_what_does_not_fit(kind, fields, message):
    with pytest.raises(SettingsError) as raised:
        convert_settings(kind, fields)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)
    assert raised.value.exit_code == 78


def test_silence_and_unknown_come_before_the_keywords():
    assert train().labels == ("silence", "unknown", "yes", "no")
    assert train(words=["up"]).labels == ("silence", "unknown", "up")


@pytest.mark.parametrize(
    ("window_s", "rate_hz", "n_samples"), [(1.0, 16000, 16000), (0.8, 16000, 12800), (1.2, 8000, 9600)]
)
def test_a_window_has_samples_by_its_length_and_rate(window_s, rate_hz, n_samples):
    frontend = {"sample_rate_hz": rate_hz, "high_hz": 3800.0}
    assert train(window_s=window_s, frontend=frontend).window_samples == n_samples


def test_a_teacher_is_trained_as_the_run_is_but_for_its_own_settings():
    wanted = {"architecture": "cnn", "epochs": 7, "weight_decay": 0.1, "variation": {"mask": 0.25}}
    settings = train(teachers=[wanted], epochs=3, seed=5, learning_rate=0.01)
    (teacher,) = settings.teachers
    own = settings.of_teacher(teacher)
    assert (own.architecture, own.epochs, own.weight_decay, own.variation.mask) == ("cnn", 7, 0.1, 0.25)
    assert own.teachers == ()  # it has none itself
    assert (own.seed, own.learning_rate, own.words, own.windows) == (5, 0.01, settings.words, settings.windows)


def test_a_decision_gives_every_word_its_own_length_and_all_one_threshold():
    recipe = DecisionRecipe(threshold=0.5, rearm_ratio=0.25, smoothing_windows=3, refractory_s=0.4)
    decision = recipe.decide({"yes": 0.5, "no": 0.3})
    assert (decision.smoothing_windows, decision.refractory_s) == (3, 0.4)
    assert {word: limits.duration_s for word, limits in decision.words.items()} == {"yes": 0.5, "no": 0.3}
    assert {(limits.threshold, limits.rearm) for limits in decision.words.values()} == {(0.5, 0.125)}
    with pytest.raises(ValueError, match=r"^the decision does not fit: "):
        recipe.decide({"yes": -0.5})


def test_settings_are_what_they_were_after_they_were_written():
    settings = train(teachers=[{"architecture": "cnn", "epochs": 7}], windows={"snr_db": [-5.0, 5.0]}, noise=["hum"])
    assert msgspec.json.decode(msgspec.json.encode(settings), type=TrainSettings) == settings
    assert convert_settings(TrainSettings, msgspec.to_builtins(settings)) == settings
