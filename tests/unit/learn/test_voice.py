"""Voices, on embeddings of which some numbers are the word's and others whose voice it is."""

from __future__ import annotations

import numpy as np
import pytest

from detector.errors import SettingsError
from detector.learn.examples import MANNERS, RATE_HZ, ExampleMaker
from detector.learn.lesson import from_example
from detector.learn.takes import Take
from detector.learn.voice import learn_voices

N_OUTPUTS, N_VOICES, SEEN = 8, 18, RATE_HZ // 4


class Ear:
    """Embeds a stream by how loud bands of 100 Hz are: made-up voices differ in them, and say nothing else."""

    first_end, stride, tap_strides = RATE_HZ, 960, 4
    silence = np.zeros(N_OUTPUTS, dtype=np.float32)

    def embed(self, samples):
        ends = range(self.first_end, len(samples) + 1, self.stride)
        windows = [np.abs(np.fft.rfft(samples[end - SEEN : end].astype(float))) for end in ends]
        bands = [[window[25 * k : 25 * k + 25].max() for k in range(1, N_OUTPUTS + 1)] for window in windows]
        return np.log10(np.array(bands, dtype=np.float32) + 25e3) - 4.4


def make_take(pitches_hz, k, speaker):
    rng = np.random.default_rng([int(pitches_hz[0]), k])
    time_s = np.arange(8000) / RATE_HZ
    tones = sum(rng.uniform(0.7, 1.3) * np.sin(2 * np.pi * hz * time_s) for hz in pitches_hz)
    word = 3000 * tones + rng.standard_normal(len(time_s)) * 30
    samples = np.pad(word, 4000).astype(np.int16)
    return Take(samples=samples, start=4000, end=12000, source=f"take {k}", speaker=speaker)


ANNA, BEN = (150.0, 420.0), (250.0, 760.0)
OTHERS = [make_take((100.0 + 35 * k, 330.0 + 41 * ((7 * k) % 11)), 0, f"synthetic:{k}") for k in range(N_VOICES)]


MAKER = ExampleMaker(speech=np.empty(0, dtype=np.int16), room=np.empty(0, dtype=np.int16))


def learn(takes):
    rng = np.random.default_rng(0)
    lessons = []
    for manner in MANNERS:
        passages = [[] for _ in takes]
        for example in MAKER.make(takes, manner, rng):
            passages[example.take] += from_example(example, Ear())
        lessons.append(passages)
    return learn_voices(takes, lessons, OTHERS, maker=MAKER, embedder=Ear())


def takes_of(pitches_hz, n, speaker):
    return [make_take(pitches_hz, 10 + k, speaker) for k in range(n)]


def hears(units, pitches_hz):
    """Return whether a further take is let through."""
    samples = np.pad(make_take(pitches_hz, 99, None).samples, RATE_HZ)
    embeddings = Ear().embed(samples)
    return max(float(unit.logits(embeddings, Ear.silence, Ear.tap_strides).max()) for unit in units) >= 0.0


@pytest.fixture(scope="module")
def voice():
    return learn(takes_of(ANNA, 4, "anna"))


def test_a_voice_lets_itself_through_and_others_not(voice):
    units, veto = voice
    assert len(units) == 1
    assert hears(units, ANNA)
    assert not hears(units, BEN)
    assert (veto.misses, veto.refused_synthetic) == (0.0, pytest.approx(1.0, abs=0.2))


def test_what_it_costs_and_refuses_is_counted_on_what_it_was_not_learnt_from(voice):
    _, veto = voice
    assert veto.misses_basis.startswith("0 of 4 of one's own takes refused when the voice was learnt from the others")
    assert f"of {N_VOICES // 3} takes of {N_VOICES // 3} that nothing was learnt from" in veto.refused_synthetic_basis
    assert veto.refused_synthetic_basis.endswith("of people fewer, how many is not known")
    assert veto.misses_interval[1] > 0.4, "four takes tell little"


def test_the_same_takes_give_the_same_voice(voice):
    (unit,), veto = learn(takes_of(ANNA, 4, "anna"))
    ((first,), of_first) = voice
    np.testing.assert_array_equal(unit.weights, first.weights)
    assert (unit.bias, veto) == (first.bias, of_first)


def test_each_of_several_voices_is_let_through():
    units, _ = learn([*takes_of(ANNA, 3, "anna"), *takes_of(BEN, 3, "ben"), *OTHERS[:4]])
    assert len(units) == 2
    assert hears(units, ANNA)
    assert hears(units, BEN)
    assert not hears(units, (520.0, 700.0))


@pytest.mark.parametrize(
    ("takes", "message"),
    [
        (
            takes_of(ANNA, 3, "anna") + takes_of(BEN, 2, "ben"),
            "3 takes or more of each voice for --only-me, found 2 of 'b",
        ),
        (takes_of(ANNA, 2, None), "of each voice for --only-me, found 2 of nobody named: --speaker says whose"),
        (OTHERS[:5], "of a person for --only-me, found none that a person said"),
    ],
)
def test_a_voice_of_too_few_takes_is_refused_in_a_line(takes, message):
    with pytest.raises(SettingsError, match=message) as raised:
        learn_voices(takes, [], OTHERS, maker=MAKER, embedder=Ear())
    assert "\n" not in str(raised.value)
