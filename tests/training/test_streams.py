"""Recordings that are laid out of pieces: each sound in its place, noise of the level it claims."""

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from detector.errors import SettingsError
from training.evaluate.streams import (
    SELF_NOISE,
    Piece,
    Truth,
    TruthWord,
    compose,
    lay_out,
    noise_bed,
    read_truth,
    write_stream,
)

RATE_HZ = 1000


def piece(n_before, n_spoken, n_after, **what):
    """Return a sound of ones around a spoken part of hundreds."""
    sound = np.ones(n_before + n_spoken + n_after, dtype=np.int16)
    sound[n_before : n_before + n_spoken] = 100
    return Piece(sound, n_before, n_before + n_spoken, **what)


PIECES = st.lists(
    st.builds(
        piece,
        st.integers(0, 300),
        st.integers(1, 500),
        st.integers(0, 300),
        word=st.sampled_from(["", "yes"]),
        confusable=st.sampled_from(["", "know"]),
    ),
    min_size=1,
    max_size=6,
)


@given(pieces=PIECES, gap_s=st.floats(0.0, 2.0))
def test_words_stand_a_gap_apart_whatever_surrounds_them(pieces, gap_s):
    stream, truth = lay_out(pieces, gap_s=(gap_s, gap_s), sample_rate_hz=RATE_HZ, rng=np.random.default_rng(0))
    n_spoken = sum(one.last - one.first for one in pieces)
    assert len(stream) == RATE_HZ + n_spoken + (len(pieces) - 1) * round(gap_s * RATE_HZ) + 2 * RATE_HZ
    assert [word.word for word in truth.words] == [one.word for one in pieces if one.word]
    assert [word.word for word in truth.confusable] == [one.confusable for one in pieces if one.confusable]
    for word in (*truth.words, *truth.confusable):
        assert (stream[round(word.start_s * RATE_HZ) : round(word.end_s * RATE_HZ)] >= 100).all()
    assert 0.0 <= truth.hours * 3600 <= len(stream) / RATE_HZ + 1e-9


@given(pieces=PIECES)
def test_time_counts_but_for_confusable_utterances_and_a_moment_after_each(pieces):
    stream, truth = lay_out(pieces, gap_s=(0.1, 1.5), sample_rate_hz=RATE_HZ, rng=np.random.default_rng(1))
    counts = np.ones(len(stream), dtype=bool)
    for utterance in truth.confusable:
        counts[round(utterance.start_s * RATE_HZ) : round((utterance.end_s + 0.75) * RATE_HZ)] = False
    assert truth.hours * 3600 == pytest.approx(counts.sum() / RATE_HZ, abs=1e-6)


def test_who_speaks_is_known_of_those_who_are_named():
    _, truth = lay_out(
        [piece(0, 9, 0, word="yes", speaker="anna"), piece(0, 9, 0, word="no")],
        gap_s=(1.0, 1.0),
        sample_rate_hz=RATE_HZ,
        rng=np.random.default_rng(0),
    )
    assert [word.speaker for word in truth.words] == ["anna", None]


@given(n_samples=st.integers(1, 400000), level=st.integers(2, 8000))
def test_a_bed_of_noise_is_as_long_as_asked_for_and_of_the_level_one(n_samples, level):
    tone = np.where(np.arange(5000) % 2, level, -level).astype(np.int16)
    bed = noise_bed([tone, tone[:700]], n_samples, np.random.default_rng(0))
    assert bed.shape == (n_samples,)
    np.testing.assert_allclose(np.abs(bed), 1.0, rtol=1e-4)  # where two pieces meet, too


def test_digital_silence_is_not_raised_to_noise():
    assert not noise_bed([np.zeros(100, dtype=np.int16)], 1000, np.random.default_rng(0)).any()


def test_a_long_bed_is_of_several_noises_each_for_ten_seconds():
    noises = [np.full(400, level, dtype=np.int16) for level in (50, -50)]
    parts = noise_bed(noises, 12 * 160000, np.random.default_rng(0)).reshape(12, 160000)
    assert {float(part[0]) for part in parts} == {1.0, -1.0}
    assert (parts == parts[:, :1]).all()


def test_where_nothing_is_laid_a_microphone_is_not_silent():
    samples, _ = compose([piece(0, 100, 0)], gap_s=(1.0, 1.0), sample_rate_hz=RATE_HZ, rng=np.random.default_rng(0))
    assert samples.dtype == np.int16
    assert np.std(samples[1200:].astype(float)) == pytest.approx(SELF_NOISE, rel=0.1)


def test_overlapping_surroundings_that_exceed_full_scale_clip():
    loud = Piece(np.full(400, 30000, dtype=np.int16), 150, 250)
    samples, _ = compose([loud, loud], gap_s=(0.05, 0.05), sample_rate_hz=RATE_HZ, rng=np.random.default_rng(0))
    assert samples.max() == 32767
    assert samples[1000:1250].min() > 29000  # an overflow would be negative


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "A.WAV"])
def test_a_recording_and_its_truth_are_written_beside_each_other(tmp_path, name):
    samples = np.arange(-500, 500, dtype=np.int16)
    truth = Truth([TruthWord("yes", 0.1, 0.5, "anna"), TruthWord("no", 0.6, 0.9)], hours=1 / 3600)
    write_stream(samples, truth, tmp_path / "new" / name, RATE_HZ)
    read, rate_hz = soundfile.read(tmp_path / "new" / name, dtype="int16")
    np.testing.assert_array_equal(read, samples)
    assert rate_hz == RATE_HZ
    assert read_truth((tmp_path / "new" / name).with_suffix(".json"), 1.0) == truth


@pytest.mark.parametrize("name", ["a.tune", "a", "a.mp3.txt"])
def test_a_kind_of_file_that_there_is_not_is_refused_before_anything_is_made(tmp_path, name):
    with pytest.raises(SettingsError, match=r"^expected to write a recording such as stream\.wav, found "):
        write_stream(np.zeros(10, dtype=np.int16), Truth([], 0.0), tmp_path / "new" / name, RATE_HZ)
    assert not (tmp_path / "new").exists()
