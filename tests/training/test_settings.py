"""Settings of a run that no model could come of are refused before the training, not after it."""

import json
from pathlib import Path

import pytest

from detector.errors import SettingsError
from detector.types import fields_of
from training.run.settings import (
    DecisionRecipe,
    SynthesisSettings,
    TeacherSettings,
    TrainSettings,
    TutorialSettings,
    convert_settings,
)
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
