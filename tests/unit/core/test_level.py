"""Quiet sound is raised to where the network was trained, and ordinary sound is left alone, to the bit."""

import msgspec
import numpy as np
import pytest

from detector import Detector
from detector.core.frontend import FrontendSettings, LogMel
from detector.core.level import LevelRule, LevelSettings
from detector.core.scorer import Scorer

FRONTEND = FrontendSettings()
RULE = LevelRule(LevelSettings(), FRONTEND)


def quieter(samples, by_db):
    return np.round(samples * 10.0 ** (-by_db / 20.0)).astype(np.int16)


@pytest.fixture
def unraised(model):
    """The shipped model as it was before there was a level rule."""
    manifest, model.manifest = model.manifest, msgspec.structs.replace(model.manifest, level=None)
    yield model
    model.manifest = manifest


def test_raised_features_are_those_of_louder_sound(rng):
    sound = rng.standard_normal(16000) * 3000.0
    loud, quiet = sound.astype(np.int16), (sound / 8.0)
    # In 16 bits the quiet one has noise of its own: compared are bands far above it.
    raised = RULE.raise_frames(LogMel(FRONTEND)(np.round(quiet).astype(np.int16)), 64.0)
    assert np.abs(raised - LogMel(FRONTEND)(loud)).max() < 0.01


def test_no_gain_returns_the_frames_themselves(rng):
    frames = LogMel(FRONTEND)((rng.standard_normal(16000) * 3000.0).astype(np.int16))
    assert RULE.raise_frames(frames, 1.0) is frames


def test_digital_silence_stays_digital_silence_under_every_gain():
    silence = np.full((49, 40), -1.0, dtype=np.float32)
    np.testing.assert_array_equal(RULE.raise_frames(silence, 1e4), silence)


def test_the_gain_brings_the_loudest_sustained_band_to_its_level_and_no_further_than_the_most():
    log_gain = -2.0 / np.log(FRONTEND.floor)

    def feature(band_db):
        return 1.0 + log_gain * np.log(10.0 ** (band_db / 10.0) + FRONTEND.floor)

    def gain_db(band_db, n_loud=5):
        levels = np.array([feature(-75.0)] * 50 + [feature(band_db)] * n_loud, dtype=np.float32)
        return 10.0 * np.log10(RULE.gain(levels))

    assert gain_db(-50.0) == pytest.approx(20.0, abs=0.01)
    assert gain_db(-30.0) == pytest.approx(0.0, abs=1e-4)
    assert gain_db(-10.0) == 0.0
    assert gain_db(-74.0) == pytest.approx(40.0)
    assert gain_db(-20.0, n_loud=4) == pytest.approx(40.0)  # a click
    assert RULE.gain(np.array([-1.0] * 4, dtype=np.float32)) == 1.0  # too little is known


def test_hum_does_not_count_as_level():
    time_s = np.arange(16000) / 16000
    hum = (8000.0 * np.sin(2.0 * np.pi * 50.0 * time_s) + 4000.0 * np.sin(2.0 * np.pi * 100.0 * time_s)).astype(
        np.int16
    )
    frames = LogMel(FRONTEND)(hum)
    assert RULE.levels(frames).max() < frames.max() - 0.5


def test_ordinary_sound_has_the_scores_it_had_to_the_bit(model, unraised, demo_samples):
    before = Scorer(unraised).feed(demo_samples)
    unraised.manifest = msgspec.structs.replace(unraised.manifest, level=LevelSettings())
    after = Scorer(unraised).feed(demo_samples)
    spoken = 4 * 16000  # the first words are loud; what precedes them is a quiet room
    assert [one for one in after if one.end_sample > spoken] == [one for one in before if one.end_sample > spoken]


@pytest.mark.parametrize("by_db", [0, 20, 30, 40])
def test_the_demo_is_heard_whole_however_quiet_it_is(model, demo_samples, demo_words, by_db):
    detector = Detector(model)
    heard = detector.feed(quieter(demo_samples, by_db)) + detector.finish()
    assert [one.keyword for one in heard] == demo_words


def test_without_the_rule_a_quiet_demo_is_lost(unraised, demo_samples, demo_words):
    heard = Detector(unraised).feed(quieter(demo_samples, 40))
    assert len(heard) < len(demo_words) / 2


@pytest.mark.parametrize("length", [320, 961, 20000])
def test_any_split_of_quiet_sound_gives_the_same_scores(model, demo_samples, length):
    quiet = quieter(demo_samples[: 15 * 16000], 35)
    scorer = Scorer(model)
    found = [one for first in range(0, len(quiet), length) for one in scorer.feed(quiet[first : first + length])]
    assert found == Scorer(model).feed(quiet)


def test_a_state_holds_the_levels_and_one_from_before_the_rule_is_valid(model, demo_samples):
    quiet = quieter(demo_samples, 35)
    scorer = Scorer(model)
    scorer.feed(quiet[:160000])
    state = scorer.snapshot()
    rest = scorer.feed(quiet[160000:])
    other = Scorer(model)
    other.restore(state)
    assert other.feed(quiet[160000:]) == rest
    other.restore(msgspec.structs.replace(state, levels=b""))
    assert len(other.feed(quiet[160000:])) == len(rest)


def test_a_gap_forgets_the_level_of_before(model, demo_samples):
    scorer = Scorer(model)
    scorer.feed(demo_samples[: 5 * 16000])
    scorer.skip(0)
    assert scorer.snapshot().levels == b""
