import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.core.frontend import FrontendSettings, LogMel, StreamingLogMel, hz_to_mel, mel_runs, mel_to_hz

GOLDEN = Path(__file__).parents[2] / "golden" / "frontend.npz"


def noise(n, level=3000):
    return (np.random.default_rng(1).standard_normal(n) * level).astype(np.int16)


def test_mel_scale_has_its_known_values():
    assert hz_to_mel(1000.0) == pytest.approx(999.9855, abs=1e-3)
    assert hz_to_mel(500.0) == pytest.approx(607.4459, abs=1e-3)
    assert mel_to_hz(hz_to_mel(4321.0)) == pytest.approx(4321.0)


def test_frontend_agrees_with_an_independent_reference():
    with np.load(GOLDEN) as golden:
        features = LogMel(FrontendSettings())(golden["samples"])
        np.testing.assert_allclose(features, golden["features"], atol=1e-5)


def test_silence_is_minus_one_and_full_scale_is_about_plus_one():
    log_mel = LogMel(FrontendSettings())
    assert (log_mel(np.zeros(16000, dtype=np.int16)) == -1.0).all()
    tone = (32767 * np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000)).astype(np.int16)
    assert 0.8 < log_mel(tone).max() < 1.01


def test_a_tone_is_loudest_in_the_band_around_it():
    settings_ = FrontendSettings()
    edges_hz = mel_to_hz(np.linspace(hz_to_mel(60.0), hz_to_mel(7600.0), 42))
    for frequency_hz in (300.0, 1000.0, 5000.0):
        tone = (8000 * np.sin(2 * np.pi * frequency_hz * np.arange(4000) / 16000)).astype(np.int16)
        band = int(LogMel(settings_)(tone)[3].argmax())
        assert edges_hz[band] < frequency_hz < edges_hz[band + 2]


def test_one_second_has_49_frames_of_40_bands():
    assert LogMel(FrontendSettings())(noise(16000)).shape == (49, 40)
    assert LogMel(FrontendSettings())(noise(479)).shape == (0, 40)
    assert LogMel(FrontendSettings())(np.stack([noise(16000)] * 3)).shape == (3, 49, 40)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 5000), max_size=12))
def test_streaming_gives_the_same_bits_as_the_whole_for_any_split(lengths):
    samples = noise(16000)
    whole = LogMel(FrontendSettings())(samples)
    streaming, bounds = StreamingLogMel(FrontendSettings()), [0, *itertools.accumulate(lengths)]
    pieces = [streaming.feed(samples[first:last]) for first, last in itertools.pairwise([*bounds, 16000])]
    np.testing.assert_array_equal(np.concatenate(pieces), whole)


def test_a_frame_has_the_same_bits_however_many_are_computed_with_it():
    samples = noise(16000)
    log_mel = LogMel(FrontendSettings())
    whole = log_mel(samples)
    batch = log_mel(np.stack([samples, samples[::-1].copy()]))
    np.testing.assert_array_equal(batch[0], whole)
    for frame in range(49):
        np.testing.assert_array_equal(log_mel(samples[320 * frame : 320 * frame + 480])[0], whole[frame])


def test_reset_makes_the_next_sample_the_first():
    samples, streaming = noise(2000), StreamingLogMel(FrontendSettings())
    first = streaming.feed(samples)
    streaming.feed(noise(123))
    streaming.reset()
    np.testing.assert_array_equal(streaming.feed(samples), first)


def test_every_bin_between_the_limits_belongs_to_a_run():
    run, rise = mel_runs(FrontendSettings())
    inside = (run >= 0) & (run <= 40)
    assert set(run[inside]) == set(range(41))
    assert ((rise[inside] >= 0) & (rise[inside] < 1)).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_mels": 128}, "bands are too narrow"),
        ({"fft_samples": 256}, "at least the frame's 480, found 256"),
        ({"high_hz": 9000.0}, "low_hz < high_hz <= 8000 Hz"),
        ({"low_hz": 7700.0}, "low_hz < high_hz"),
        ({"hop_s": 0.05}, "hop_s must lie between"),
        ({"floor": 2.0}, "floor must be below 1"),
    ],
)
def test_contradictory_settings_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        FrontendSettings(**changes)
