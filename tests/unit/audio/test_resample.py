import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.audio.resample import open_resampler, resample
from detector.errors import SettingsError


def tone(frequency_hz, rate_hz, seconds=1.0):
    return np.sin(2 * np.pi * frequency_hz * np.arange(round(rate_hz * seconds)) / rate_hz).astype(np.float32)


@pytest.mark.parametrize("rate_hz", [8000, 44100, 48000, 96000])
def test_a_tone_keeps_its_frequency_and_level(rate_hz):
    converted = resample(tone(1000, rate_hz), rate_hz, 16000)
    assert len(converted) == pytest.approx(16000, abs=1)
    middle = slice(4000, 12000)
    np.testing.assert_allclose(converted[middle], tone(1000, 16000)[middle], atol=2e-3)


def test_what_lies_above_the_new_limit_is_removed_not_mirrored():
    assert np.abs(resample(tone(11000, 48000), 48000, 16000)[1000:-1000]).max() < 1e-3


@settings(deadline=None, max_examples=50)
@given(
    rate_hz=st.sampled_from([8000, 11025, 44100, 48000, 192000]),
    cuts=st.lists(st.integers(0, 8000), max_size=20),
    seed=st.integers(0, 1000),
)
def test_any_split_gives_the_same_samples(rate_hz, cuts, seed):
    sound = np.random.default_rng(seed).uniform(-1.0, 1.0, 8000).astype(np.float32)
    resampler = open_resampler(rate_hz, 16000)
    pieces = [resampler.convert(piece) for piece in np.split(sound, sorted(cuts))]
    pieces.append(resampler.convert(sound[:0], is_last=True))
    np.testing.assert_array_equal(np.concatenate(pieces), resample(sound, rate_hz, 16000))


@pytest.mark.parametrize("block", [1, 441])
def test_so_do_equal_blocks(block):
    sound = tone(440, 44100, 0.2)
    resampler = open_resampler(44100, 16000)
    pieces = [resampler.convert(sound[first : first + block]) for first in range(0, len(sound), block)]
    pieces.append(resampler.convert(sound[:0], is_last=True))
    np.testing.assert_array_equal(np.concatenate(pieces), resample(sound, 44100, 16000))


def test_equal_rates_pass_unchanged_without_soxr(monkeypatch):
    monkeypatch.setitem(sys.modules, "soxr", None)
    sound = tone(440, 16000)
    np.testing.assert_array_equal(resample(sound, 16000, 16000), sound)


def test_another_rate_without_soxr_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "soxr", None)
    with pytest.raises(
        SettingsError, match=r"expected audio at 16000 Hz, found 48000 Hz and no soxr .*pip install soxr"
    ):
        open_resampler(48000, 16000)
