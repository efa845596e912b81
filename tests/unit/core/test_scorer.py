"""The one scorer: whatever the pieces, the scores are those of whole windows."""

import msgspec
import numpy as np
import pytest

from detector import Detector
from detector.core.frontend import LogMel
from detector.core.level import LevelRule
from detector.core.scorer import FRAMES_AT_ONCE, Scorer
from detector.errors import SettingsError


def test_scores_are_those_of_the_windows_computed_one_by_one(model, demo_samples):
    manifest, log_mel = model.manifest, LogMel(model.manifest.frontend)
    rule = LevelRule(manifest.level, manifest.frontend)
    samples = demo_samples[: 4 * 16000]
    whole = [s for s in Scorer(model).feed(samples) if s.end_sample >= manifest.window_samples]
    assert whole[0].end_sample == manifest.window_samples
    assert len(whole) == 1 + (len(samples) - manifest.window_samples) // manifest.stride_samples
    for scored in whole[::7]:
        window = samples[scored.end_sample - manifest.window_samples : scored.end_sample]
        frames = log_mel(samples[: scored.end_sample])
        gain = rule.gain(rule.levels(frames)[-rule.n_remembered :])
        seen = rule.raise_frames(log_mel(window), gain)
        assert scored.scores == model.score(seen).tolist()


@pytest.mark.parametrize("n_at_once", [1, 319, 320, 960, 7777, FRAMES_AT_ONCE * 320, FRAMES_AT_ONCE * 320 + 1, 10**6])
def test_any_split_gives_the_same_scores(model, demo_samples, n_at_once):
    samples = demo_samples[: (3 if n_at_once == 1 else 6) * 16000]
    expected = Scorer(model).feed(samples)
    scorer = Scorer(model)
    found = [s for k in range(0, len(samples), n_at_once) for s in scorer.feed(samples[k : k + n_at_once])]
    assert found == expected
    assert (scorer.n_samples, scorer.n_windows) == (len(samples), len(expected))


def test_a_wider_stride_and_a_gap_keep_windows_apart(model, demo_samples):
    scorer, stride = Scorer(model), model.manifest.stride_samples
    scorer.stride_factor = 2
    ends = [s.end_sample for s in scorer.feed(demo_samples[: 2 * 16000])]
    assert set(np.diff(ends)) == {2 * stride}
    scorer.skip(100)
    assert scorer.full_at == 2 * 16000 + 100 + 16000
    later = [s.end_sample for s in scorer.feed(demo_samples[: 2 * 16000])]
    n_averaged = model.manifest.decision.smoothing_windows
    assert later[0] == 3 * 16000 + 100 - (n_averaged - 1) * stride


def test_a_snapshot_goes_on_to_the_bit_and_that_of_another_model_is_refused(model, demo_samples):
    first, second = Scorer(model), Scorer(model)
    first.feed(demo_samples[:40_001])
    state = first.snapshot()
    second.restore(state)
    assert second.feed(demo_samples[40_001:90_000]) == first.feed(demo_samples[40_001:90_000])
    for changed in ({"frames": b""}, {"rest": bytes(3)}, {"next_end": 0}):
        with pytest.raises(SettingsError, match="of the same model"):
            second.restore(msgspec.structs.replace(state, **changed))


def test_the_last_word_of_a_stream_is_reported_by_finish(model, demo_samples, demo_truth):
    for word in demo_truth:
        clip = demo_samples[: round(16000 * word["end_s"])]
        detector = Detector(model)
        before = len(detector.feed(clip))
        after = detector.finish()
        assert before + len(after) == demo_truth.index(word) + 1
        assert detector.n_samples == len(clip) + 16000
    assert Detector(model).finish() == []
