import numpy as np
import pytest

from detector.learn.examples import AFTER_S, BEFORE_S, MANNERS, RATE_HZ, ExampleMaker, Manner
from detector.learn.takes import Take


def make_take(rng, length_s=0.5):
    word = (rng.standard_normal(round(length_s * RATE_HZ)) * 3000).astype(np.int16)
    room = np.zeros(RATE_HZ // 2, dtype=np.int16)
    samples = np.concatenate((room, word, room))
    return Take(samples=samples, start=len(room), end=len(room) + len(word), source="take")


def level(samples):
    return np.sqrt(np.mean(samples.astype(float) ** 2))


@pytest.fixture
def maker(rng):
    speech = (rng.standard_normal(20 * RATE_HZ) * 2000).astype(np.int16)
    return ExampleMaker(speech=speech, room=np.empty(0, dtype=np.int16))


def test_each_take_is_met_as_often_and_the_end_is_where_the_word_ends(maker, rng):
    takes = [make_take(rng, length_s) for length_s in (0.4, 0.6, 0.8)]
    examples = maker.make(takes, Manner("alone", 9), rng)
    assert [example.take for example in examples] == [0, 1, 2] * 3
    for example in examples:
        length_s = (0.4, 0.6, 0.8)[example.take]
        assert example.end == pytest.approx((BEFORE_S + length_s + 0.03) * RATE_HZ, abs=2)
        word = example.samples[example.end - round(length_s * RATE_HZ) : example.end]
        assert level(word) > 30 * level(example.samples[:RATE_HZ])


def test_at_least_three_are_made_of_each_take(maker, rng):
    examples = maker.make([make_take(rng) for _ in range(5)], Manner("alone", 2), rng)
    assert len(examples) == 15


def test_inside_speech_sound_surrounds_the_word_at_about_its_level(maker, rng):
    for example in maker.make([make_take(rng)], Manner("inside", 5, is_inside_speech=True), rng):
        word = level(example.samples[example.end - RATE_HZ // 2 : example.end])
        before = level(example.samples[: round((BEFORE_S - 0.3) * RATE_HZ)])
        after = level(example.samples[-round((AFTER_S - 0.3) * RATE_HZ) :])
        assert 0.5 < before / word < 2.0
        assert 0.5 < after / word < 2.0


def test_noise_is_as_far_below_the_word_as_asked_for(maker, rng):
    for example in maker.make([make_take(rng)], Manner("noisy", 5, snr_db=(12.0, 12.0)), rng):
        word = level(example.samples[example.end - RATE_HZ // 2 : example.end])
        assert 20 * np.log10(word / level(example.samples[:RATE_HZ])) == pytest.approx(12.0, abs=2.5)


def test_the_room_is_what_noise_is_drawn_from(rng):
    room = np.full(2 * RATE_HZ, 1000, dtype=np.int16)
    maker = ExampleMaker(speech=np.empty(0, dtype=np.int16), room=room)
    examples = maker.make([make_take(rng)], Manner("noisy", 20, snr_db=(0.0, 0.0)), rng)
    is_room = [abs(example.samples[:RATE_HZ].mean()) > 5 * example.samples[:RATE_HZ].std() for example in examples]
    assert 0 < sum(is_room) < 20


def test_the_same_seed_makes_the_same_examples(maker, rng):
    take = make_take(rng)
    one, other = (maker.make([take], MANNERS[1], np.random.default_rng(3)) for _ in range(2))
    assert all((a.samples == b.samples).all() for a, b in zip(one, other, strict=True))
