"""Learnt words: numbers on a network's outputs of the latest strides, read from files that anybody may have made."""

import itertools
import json
import math

import msgspec
import numpy as np
import pytest
from heads import make_head, make_manifest, write_pair
from hypothesis import given
from hypothesis import strategies as st

from detector import Detector, load_model
from detector.core.head import Head, HeadSettings, Unit
from detector.core.manifest import read_manifest
from detector.core.model import Model
from detector.core.scorer import Scorer
from detector.errors import ModelFormatError, ModelMismatchError, SettingsError


@pytest.fixture
def learnt(model, flatbuffer):
    return Model(make_manifest(model, "ja-nein", ["ja", "nein"]), flatbuffer)


# ---- numbers


@given(data=st.data(), n_taps=st.integers(1, 6), n_outputs=st.integers(1, 20), zero=st.integers(-128, 127))
def test_a_score_is_the_logistic_function_of_the_weighted_outputs(data, n_taps, n_outputs, zero):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    size = 10.0 ** data.draw(st.integers(-6, 3))
    weights = rng.normal(size=(n_taps, n_outputs)).clip(-9, 9) * size
    outputs = rng.integers(-128, 128, (n_taps, n_outputs)).astype(np.int8)
    word = Unit(bias=0.25, weights=weights.reshape(-1).tolist())
    head = Head(tuple(range(n_taps)), [[word]], scale=0.03, zero_point=zero)
    logit = math.fsum((0.03 * (outputs[::-1].astype(float) - zero) * weights).reshape(-1)) + 0.25
    (found,) = head.score(outputs)
    assert found == pytest.approx(0.5 * (1.0 + math.tanh(logit / 2)), rel=1e-6, abs=1e-12)


def test_scores_beyond_what_a_number_holds_are_0_and_1():
    row = np.full((1, 500), 127, dtype=np.int8)
    heads = [[Unit(bias=0.0, weights=[weight] * 500)] for weight in (1e4, -1e4, 0.0, 5e-324)]
    assert Head((0,), heads, scale=1.0, zero_point=0).score(row) == [1.0, 0.0, 0.5, 0.5]


def test_a_word_scores_the_same_to_the_bit_alone_and_beside_others(rng):
    words = [[Unit(bias=0.1, weights=rng.normal(size=480).tolist()) for _ in range(1 + k % 3)] for k in range(7)]
    outputs = rng.integers(-128, 128, (17, 96)).astype(np.int8)
    taps = (0, 4, 8, 12, 16)
    together = Head(taps, words, scale=0.031, zero_point=-3).score(outputs)
    assert [Head(taps, [word], scale=0.031, zero_point=-3).score(outputs)[0] for word in words] == together


def test_a_word_scores_as_its_highest_unit(rng):
    units = [Unit(bias=float(k), weights=rng.normal(size=40).tolist()) for k in range(3)]
    for _ in range(20):
        outputs = rng.integers(-128, 128, (5, 8)).astype(np.int8)
        alone = Head(range(5), [[unit] for unit in units], scale=0.01, zero_point=2).score(outputs)
        assert Head(range(5), [units], scale=0.01, zero_point=2).score(outputs) == [max(alone)]


def test_a_word_for_some_voices_scores_no_higher_than_the_highest_of_them_and_another_as_ever(rng):
    word, voices, other = ([Unit(bias=0.1 * k, weights=rng.normal(size=40).tolist()) for k in range(2)] for _ in "123")

    def score(*words, voices=()):
        return Head(range(5), words, voices, scale=0.01, zero_point=2).score(outputs)

    for _ in range(20):
        outputs = rng.integers(-128, 128, (5, 8)).astype(np.int8)
        (alone,), (voice,), (beside,) = score(word), score(voices), score(other)
        assert score(word, voices=[voices]) == [min(alone, voice)]
        assert score(other, word, voices=[(), voices]) == [beside, min(alone, voice)]


# ---- streams


def test_a_word_is_scored_by_the_outputs_of_its_taps(model, learnt, demo_samples):
    samples = demo_samples[: 4 * 16000]
    scored = Scorer(learnt).feed(samples)
    wide = msgspec.structs.replace(model.manifest, decision=_smoothing(model.manifest.decision, 11))
    by_network = {s.end_sample: s.scores for s in Scorer(_with_manifest(model, wide)).feed(samples)}
    assert [s.end_sample for s in scored][:1] == [16000 - 10 * 960]  # as far back as taps and average reach
    silent = model.score(np.full((49, 40), -1.0, dtype=np.float32)).tolist()
    for one in scored:
        rows = [by_network.get(one.end_sample - tap * 960, silent) for tap in (0, 4, 8)]
        for label, score in zip((2, 3), one.scores, strict=True):
            logit = sum(12.0 * row[label] for row in rows) - 6.0
            assert score == pytest.approx(1.0 / (1.0 + math.exp(-logit)), abs=1e-6)
            assert score == float(np.float32(score))


@pytest.mark.parametrize("n_at_once", [1, 959, 960, 7777, 10**6])
def test_any_split_gives_the_same_scores_and_detections(learnt, demo_samples, n_at_once):
    samples = demo_samples[: (3 if n_at_once == 1 else 10) * 16000]
    expected = Detector(learnt).events(samples)
    detector = Detector(learnt)
    found = [e for k in range(0, len(samples), n_at_once) for e in detector.events(samples[k : k + n_at_once])]
    assert found == expected


def test_learnt_words_are_detected_where_they_are_said(learnt, demo_samples, demo_words):
    detector = Detector(learnt)
    found = [d.keyword for d in detector.feed(demo_samples) + detector.finish()]
    assert found == [{"yes": "ja", "no": "nein"}[word] for word in demo_words]


def test_after_a_gap_silence_precedes(learnt, demo_samples):
    scorer, piece = Scorer(learnt), demo_samples[32000:64000]
    scorer.feed(demo_samples[:32000])
    scorer.skip(500)
    fresh = Scorer(learnt)
    assert [s.scores for s in scorer.feed(piece)] == [s.scores for s in fresh.feed(piece)]


def test_while_windows_are_wider_apart_the_one_before_stands_for_those_left_out(learnt, demo_samples):
    samples = demo_samples[: 5 * 16000]
    dense, wide = Scorer(learnt), Scorer(learnt)
    wide.stride_factor = 4
    rows = {}
    for n in range(0, len(samples), 960):
        for scored in dense.feed(samples[n : n + 960]):
            rows[scored.end_sample] = scored.scores
    found = wide.feed(samples)
    assert {later.end_sample - one.end_sample for one, later in itertools.pairwise(found)} == {4 * 960}
    # Taps of 0, 4 and 8 strides fall on windows that were scored, four apart: nothing is lost.
    for one in found[2:]:
        assert one.scores == rows[one.end_sample]


def test_a_snapshot_goes_on_to_the_bit_and_one_without_outputs_is_refused(learnt, model, demo_samples):
    first, second = Scorer(learnt), Scorer(learnt)
    first.feed(demo_samples[:40_001])
    state = msgspec.json.decode(msgspec.json.encode(first.snapshot()), type=type(first.snapshot()))
    second.restore(state)
    assert second.feed(demo_samples[40_001:90_000]) == first.feed(demo_samples[40_001:90_000])
    assert len(state.outputs) == 9 * 4
    for outputs in (b"", bytes(35), bytes(37)):
        with pytest.raises(SettingsError, match="of the same model"):
            second.restore(msgspec.structs.replace(state, outputs=outputs))
    with pytest.raises(SettingsError, match="of the same model"):
        Scorer(model).restore(state)


def test_a_window_alone_is_scored_as_after_silence(learnt, model, demo_samples):
    features = np.full((49, 40), -1.0, dtype=np.float32)
    assert learnt.score(features).tolist() == Scorer(learnt).feed(np.zeros(16000, dtype=np.int16))[-1].scores
    assert learnt.score(features).shape == (2,)


# ---- files


def test_a_learnt_pair_is_read_as_it_was_written(learnt, flatbuffer, tmp_path):
    file = write_pair(tmp_path, learnt.manifest, flatbuffer)
    assert read_manifest(file) == learnt.manifest
    assert load_model(str(file)).manifest == learnt.manifest
    assert "level" in json.loads(file.read_text())
    assert not {"operating_curve", "clip_accuracy", "training"} & set(json.loads(file.read_text()))


def _damage(manifest, **changes):
    return json.dumps(msgspec.to_builtins(manifest) | changes)


def _head(**changes):
    return msgspec.to_builtins(make_head(["ja", "nein"])) | changes


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"head": _head(taps=[])}, r"taps of a head must begin with 0 and ascend, found \[\]"),
        ({"head": _head(taps=[4, 8, 12])}, r"must begin with 0 and ascend, found \[4, 8, 12\]"),
        ({"head": _head(taps=[0, 8, 4])}, "must begin with 0 and ascend"),
        ({"head": _head(taps=[0, 4, 4])}, "must begin with 0 and ascend"),
        ({"head": _head(taps=[0, 4, 51])}, r"`int` <= 50 - at `\$.head.taps\[2\]`"),
        ({"head": _head(taps=[0, -4, 8])}, r"`int` >= 0"),
        ({"head": _head(taps=[0, 4.5, 8])}, "Expected `int`, got `float`"),
        ({"head": _head(words={})}, "head.words must name exactly the words"),
        ({"head": _head(words={"ja": [{"bias": 0.0, "weights": [0.0] * 12}]})}, "head.words must name exactly"),
        (
            {"head": _head(voices={"oui": [{"bias": 0.0, "weights": [0.0] * 12}]})},
            "voices of a head must be of its words",
        ),
        ({"head": _head(voices={"ja": []})}, r"of length >= 1 - at `\$.head.voices"),
        ({"head": _head(voices={"ja": [{"bias": 0.0, "weights": [0.0] * 13}]})}, "for each of 3 taps, found 13"),
        ({"head": _head(code="import os")}, "unknown field `code`"),
        ({"head": []}, "Expected `object"),
        ({"labels": ["silence", "unknown", "ja", "nein"]}, "the labels must be the words, found silence, unknown"),
        ({"labels": ["nein", "ja"]}, "the labels must be the words"),
        ({"format_version": 2}, "format_version must be 1"),
    ],
)
def test_a_head_that_contradicts_itself_or_its_manifest_is_refused(learnt, tmp_path, changes, message):
    file = tmp_path / "m.json"
    file.write_text(_damage(learnt.manifest, **changes))
    with pytest.raises(ModelFormatError, match=message) as raised:
        read_manifest(file)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ('{"bias": 0, "weights": []}', "as many weights for each of 3 taps, found 0 in all"),
        ('{"bias": 0, "weights": [1, 2, 3, 4]}', "as many weights for each of 3 taps, found 4 in all"),
        ('{"bias": NaN, "weights": [1, 2, 3]}', "malformed"),
        ('{"bias": 0, "weights": [1, Infinity, 3]}', "malformed"),
        ('{"bias": 0, "weights": [1, -1e999, 3]}', "out of range"),
        ('{"bias": 1e5, "weights": [1, 2, 3]}', r"`float` <= 10000"),
        ('{"bias": 0, "weights": [1, -1e9, 3]}', r"`float` >= -10000"),
        ('{"bias": 0, "weights": ["1", 2, 3]}', "Expected `float`, got `str`"),
        ('{"bias": 0, "weights": [null, 2, 3]}', "Expected `float`, got `null`"),
        ('{"bias": 0, "weights": {"0": 1}}', "Expected `array`"),
        ('{"weights": [1, 2, 3]}', "missing required field `bias`"),
        ('{"bias": 0, "weights": [1, 2, 3], "x": "__import__"}', "unknown field `x`"),
        ('{"bias": 0, "weights": [' + "1," * 50 + "]}", "malformed"),
    ],
)
def test_numbers_of_a_head_that_are_none_are_refused_in_one_line(learnt, tmp_path, word, message):
    text = _damage(learnt.manifest, head=_head(words={"ja": ["HERE"], "nein": ["HERE"]})).replace('"HERE"', word)
    file = tmp_path / "m.json"
    file.write_text(text)
    with pytest.raises(ModelFormatError, match=message) as raised:
        read_manifest(file)
    assert "\n" not in str(raised.value)


def test_numbers_that_are_none_are_refused_where_a_head_is_made():
    for number in (math.nan, math.inf):
        with pytest.raises(ValueError, match="the head of 'ja' must have finite numbers"):
            HeadSettings(taps=(0,), words={"ja": (Unit(bias=0.0, weights=[0.0, number]),)})


def test_a_head_for_another_network_is_refused_with_both_counts(learnt, flatbuffer):
    words = {word: (Unit(bias=0.0, weights=[0.0] * 15),) for word in ("ja", "nein")}
    manifest = msgspec.structs.replace(learnt.manifest, head=HeadSettings(taps=(0, 4, 8), words=words))
    with pytest.raises(
        ModelMismatchError,
        match="expected 12 weights for 'ja' of ja-nein, 3 taps of a network with 4 outputs, found 15",
    ):
        Model(manifest, flatbuffer)


def test_voices_for_another_network_are_refused_with_both_counts(learnt, flatbuffer):
    voices = {"nein": (Unit(bias=0.0, weights=[0.0] * 15),)}
    head = msgspec.structs.replace(learnt.manifest.head, voices=voices)
    with pytest.raises(ModelMismatchError, match=r"expected 12 weights for 'nein' of ja-nein, .* found 15"):
        Model(msgspec.structs.replace(learnt.manifest, head=head), flatbuffer)


def test_a_word_is_vetoed_where_a_voice_scores_low_alone_and_beside_others(learnt, flatbuffer, demo_samples):
    never = {"ja": (Unit(bias=-50.0, weights=[0.0] * 12),)}
    head = msgspec.structs.replace(learnt.manifest.head, voices=never)
    vetoed = Model(msgspec.structs.replace(learnt.manifest, head=head), flatbuffer)
    detector = Detector(vetoed)
    found = [d.keyword for d in detector.feed(demo_samples) + detector.finish()]
    assert set(found) == {"nein"}


def test_a_head_for_all_voices_is_written_as_before(learnt):
    assert set(msgspec.to_builtins(learnt.manifest.head)) == {"taps", "words"}


def test_without_its_head_a_learnt_word_is_refused(learnt, flatbuffer):
    with pytest.raises(ModelMismatchError, match="one output for each of 2 labels"):
        Model(msgspec.structs.replace(learnt.manifest, head=None), flatbuffer)


def test_golden_outputs_of_an_embedding_need_no_label_and_may_differ_by_four_steps(learnt, flatbuffer):
    (vector, *_) = learnt.manifest.golden
    close = msgspec.structs.replace(vector, scores=[score + (4 if score < 0 else -4) for score in vector.scores])
    assert Model(msgspec.structs.replace(learnt.manifest, golden=(close,)), flatbuffer).size_bytes == len(flatbuffer)
    for scores in ([score + (5 if score < 0 else -5) for score in vector.scores], vector.scores[:3], []):
        far = msgspec.structs.replace(vector, scores=scores)
        with pytest.raises(ModelMismatchError, match="expected the 4 golden outputs within 4 steps, found others"):
            Model(msgspec.structs.replace(learnt.manifest, golden=(far,)), flatbuffer)
    with pytest.raises(ValueError, match="golden vectors are of an embedding and have no label"):
        msgspec.structs.replace(learnt.manifest, golden=(msgspec.structs.replace(vector, label="ja"),))


def _smoothing(decision, n):
    return msgspec.structs.replace(decision, smoothing_windows=n)


def _with_manifest(model, manifest):
    return Model.of_parts(manifest, model.parts, size_bytes=model.size_bytes)
