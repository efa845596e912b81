import numpy as np
import pytest

from detector.learn.head import N_TAPS, FittedUnit, Passage, fit_unit


def make_passages(rng, n_passages=12, n_outputs=6):
    """Passages in which the third tap tells the word: noise, but for a bump two steps before each window of it."""
    passages = []
    for _ in range(n_passages):
        embeddings = rng.normal(size=(40, n_outputs)).astype(np.float32)
        targets = (rng.random(40) < 0.2).astype(np.float32)
        targets[:2] = 0.0
        embeddings[np.flatnonzero(targets) - 2, 1] += 6.0
        passages.append(Passage(embeddings, targets, np.ones(40, dtype=np.float32)))
    return passages


def test_a_unit_finds_what_tells_the_word_at_the_tap_where_it_is(rng):
    silence = np.zeros(6, dtype=np.float32)
    unit = fit_unit(make_passages(rng), silence, penalty=1e-3)
    assert np.unravel_index(np.argmax(unit.weights), unit.weights.shape) == (2, 1)
    (passage,) = make_passages(rng, n_passages=1)
    is_word = unit.logits(passage.embeddings, silence) > 0.0
    assert np.mean(is_word == (passage.targets > 0.5)) > 0.9


def test_the_optimum_is_that_of_another_optimiser(rng):
    optimize = pytest.importorskip("scipy.optimize", reason="needs pip install scipy")
    passages, silence = make_passages(rng), rng.normal(size=6).astype(np.float32)
    penalty = 0.02
    unit = fit_unit(passages, silence, penalty=penalty)
    inputs, targets = [], []
    for passage in passages:
        padded = np.concatenate((np.tile(silence, (N_TAPS - 1, 1)), passage.embeddings)).astype(float)
        taps = [padded[N_TAPS - 1 - k : len(padded) - k] for k in range(N_TAPS)]
        inputs.append(np.concatenate(taps, axis=1))
        targets.append(passage.targets)
    x, y = np.concatenate(inputs), np.concatenate(targets)
    weights = np.where(y > 0.5, 0.5 / (y > 0.5).sum(), 0.5 / (y <= 0.5).sum())

    def loss(w):
        signed = np.where(y > 0.5, 1.0, -1.0) * (x @ w[:-1] + w[-1])
        return float(weights @ np.logaddexp(0.0, -signed) + 0.5 * penalty * w[:-1] @ w[:-1])

    ours = np.append(unit.weights.reshape(-1), unit.bias).astype(float)
    best = optimize.minimize(loss, np.zeros(len(ours)), method="L-BFGS-B")
    assert loss(ours) == pytest.approx(best.fun, abs=2e-4)


def test_word_and_no_word_count_the_same_however_many_windows_they_have(rng):
    passages, silence = make_passages(rng), np.zeros(6, dtype=np.float32)
    unit = fit_unit(passages, silence)
    others = [Passage(p.embeddings, p.targets, p.weights * np.where(p.targets > 0.5, 1.0, 7.0)) for p in passages]
    again = fit_unit(others, silence)
    np.testing.assert_allclose(again.weights, unit.weights, atol=1e-3)


def test_windows_without_weight_do_not_matter(rng):
    passages, silence = make_passages(rng), np.zeros(6, dtype=np.float32)
    wild = Passage(rng.normal(size=(9, 6)).astype(np.float32) * 50, np.ones(9, np.float32), np.zeros(9, np.float32))
    fitted, again = fit_unit(passages, silence), fit_unit([*passages, wild], silence)
    np.testing.assert_allclose(again.weights, fitted.weights, atol=1e-3)


def test_silence_precedes_a_stream(rng):
    unit = FittedUnit(rng.normal(size=(N_TAPS, 6)).astype(np.float32), 0.5)
    silence, stream = rng.normal(size=6).astype(np.float32), rng.normal(size=(30, 6)).astype(np.float32)
    padded = np.concatenate((np.tile(silence, (8, 1)), stream))
    expected = [
        sum(float(padded[8 + n - 2 * k] @ unit.weights[k]) for k in range(N_TAPS)) + 0.5 for n in range(len(stream))
    ]
    np.testing.assert_allclose(unit.logits(stream, silence, tap_strides=2), expected, rtol=1e-4, atol=1e-4)
