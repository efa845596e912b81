"""Learning, on an embedding that stands in for the shipped one: what a network of four numbers hears."""

import dataclasses

import msgspec
import numpy as np
import pytest
from heads import make_manifest

from detector import Detector, Model
from detector.core.head import HeadSettings, Unit
from detector.core.manifest import Manifest, encode_manifest
from detector.errors import SettingsError
from detector.learn.bank import Bank, Entry, Kind
from detector.learn.embedding import Embedding
from detector.learn.examples import RATE_HZ
from detector.learn.head import N_TAPS
from detector.learn.learn import learn
from detector.learn.report import read_report
from detector.learn.resources import Resources
from detector.learn.takes import Take

TAPS = tuple(4 * k for k in range(N_TAPS))


@pytest.fixture(scope="module")
def resources(model, flatbuffer):
    """The shipped network as an embedding, and a bank of noise that counts as many hours."""
    head = HeadSettings(taps=TAPS, words={"word": (Unit(bias=-60.0, weights=[0.0] * 4 * N_TAPS),)})
    stand_in = Model(make_manifest(model, "embedding", ["word"], head=head), flatbuffer)
    embedding = Embedding(stand_in)
    rng = np.random.default_rng(0)
    entries = []
    for k in range(24):
        noise = rng.standard_normal(6 * RATE_HZ) * 10.0 ** rng.uniform(1, 3.5)
        outputs = embedding.outputs(noise.astype(np.int16))[k % 4 :: 4]
        entries.append(Entry((Kind.SPEECH, Kind.WORD)[k % 2], k % 3 == 0, "", outputs))
    return Resources(stand_in, flatbuffer, embedding, Bank(entries, tap_s=60.0), np.empty(0, dtype=np.int16))


@pytest.fixture(scope="module")
def takes(demo_samples, demo_truth):
    """The word "yes" of the demo, as it is said there several times."""
    taken = []
    for word in demo_truth:
        if word["word"] == "yes":
            start, end = round(word["start_s"] * RATE_HZ), round(word["end_s"] * RATE_HZ)
            first = max(0, start - RATE_HZ // 2)
            samples = demo_samples[first : end + RATE_HZ // 2]
            taken.append(Take(samples=samples, start=start - first, end=end - first, source=f"take {len(taken) + 1}"))
    return taken


@pytest.fixture(scope="module")
def lesson(resources, takes):
    return learn("ja", takes, resources=resources, false_accepts_per_hour=4.0)


def test_an_embedding_is_what_the_scorer_of_a_learnt_word_hears(resources, demo_samples):
    samples = demo_samples[: 5 * RATE_HZ]
    embeddings = resources.embedding.embed(samples)
    assert embeddings.shape[1] == 4
    rng = np.random.default_rng(1)
    unit = Unit(bias=-0.5, weights=rng.normal(size=4 * N_TAPS).tolist())
    head = HeadSettings(taps=TAPS, words={"word": (unit,)})
    with_head = resources.model.with_heads({"embedding": head})
    scores = [event.scores[0] for event in Detector(with_head).events(samples)]
    padded = np.concatenate((np.tile(resources.embedding.silence, (TAPS[-1], 1)), embeddings))
    weights = np.array(unit.weights).reshape(N_TAPS, 4)
    logits = [
        sum(float(padded[TAPS[-1] + n - tap] @ row) for tap, row in zip(TAPS, weights, strict=True)) - 0.5
        for n in range(len(embeddings))
    ]
    np.testing.assert_allclose(scores, 1.0 / (1.0 + np.exp(-np.array(logits))), atol=1e-5)


def test_what_is_learnt_is_a_pair_that_detects_the_word_and_no_other(lesson, demo_samples, demo_truth):
    assert lesson.manifest.words == lesson.manifest.labels == ("ja",)
    detector = Detector(Model(lesson.manifest, lesson.flatbuffer), thresholds=0.3)
    found = [*detector.feed(demo_samples), *detector.finish()]
    assert found
    spans = [(word["start_s"], word["end_s"] + 0.5) for word in demo_truth if word["word"] == "yes"]
    for detection in found:
        assert detection.keyword == "ja"
        assert any(start_s < detection.time_s < end_s for start_s, end_s in spans)


def test_the_same_takes_give_the_same_model(lesson, resources, takes):
    assert learn("ja", takes, resources=resources, false_accepts_per_hour=4.0).manifest == lesson.manifest


def test_the_report_says_what_figures_rest_on(lesson, takes):
    report = lesson.report
    assert (report.word, report.n_takes) == ("ja", len(takes))
    low, high = report.misses_interval
    assert 0.0 <= low <= report.misses <= high <= 1.0
    assert high - low > 0.3, "a few takes tell little"
    assert "takes missed when it was learnt from the others" in report.misses_basis
    assert report.false_accepts_per_hour_interval[1] > report.false_accepts_per_hour
    assert msgspec.json.decode(msgspec.json.encode(report), type=type(report)) == report


def test_a_stricter_rate_gives_a_higher_threshold(lesson):
    points = lesson.manifest.operating_curve.words["ja"]
    rates = [point.false_accepts_per_hour for point in points]
    assert rates == sorted(rates)
    assert [point.threshold for point in points] == sorted((point.threshold for point in points), reverse=True)
    assert 0.5 in [point.threshold for point in points]


def test_a_false_alarm_scores_lower_once_it_is_learnt_from(resources, takes, lesson):
    rng = np.random.default_rng(5)
    take = takes[0]
    alarm = (take.samples + rng.standard_normal(len(take.samples)) * 30).astype(np.int16)
    sound = np.concatenate((np.zeros(RATE_HZ, dtype=np.int16), alarm, np.zeros(RATE_HZ, dtype=np.int16)))
    again = learn("ja", takes, resources=resources, false_alarms=[sound], false_accepts_per_hour=4.0)

    def highest(manifest):
        model = Model(manifest, lesson.flatbuffer)
        return max(event.scores[0] for event in Detector(model).events(sound) if hasattr(event, "scores"))

    assert highest(again.manifest) < highest(lesson.manifest)


def test_fewer_than_three_takes_are_too_few(resources, takes):
    with pytest.raises(SettingsError, match="expected 3 takes of 'ja' or more, found 2"):
        learn("ja", takes[:2], resources=resources)


def test_of_what_synthesisers_alone_have_said_misses_are_not_known(resources, takes):
    said = [dataclasses.replace(take, speaker=f"synthetic:{k}") for k, take in enumerate(takes)]
    report = learn("ja", said, resources=resources, false_accepts_per_hour=4.0).report
    assert (report.misses, report.misses_interval) == (None, None)
    assert report.misses_basis == "not known: nobody but synthesisers has said it"


def test_speakers_are_left_out_whole_and_it_is_said_so(resources, takes):
    said = [dataclasses.replace(take, speaker=name) for take, name in zip(takes, "aabb", strict=True)]
    report = learn("ja", said, resources=resources, false_accepts_per_hour=4.0).report
    assert report.n_speakers == 2
    assert report.misses_basis.endswith(
        "of 4 takes missed when it was learnt from other speakers, as they were recorded"
    )


@pytest.mark.parametrize(
    ("speakers", "end"),
    [
        ([None] * 4, "who says them is not known, and of other speakers nothing"),
        (["anna"] * 4, "of other speakers nothing is known"),
        (["anna", "ben", None, None], "those of nobody named count as one speaker's"),
    ],
)
def test_what_is_not_known_of_speakers_is_said(resources, takes, speakers, end):
    said = [dataclasses.replace(take, speaker=name) for take, name in zip(takes, speakers, strict=True)]
    basis = learn("ja", said, resources=resources, false_accepts_per_hour=4.0).report.misses_basis
    assert basis.endswith(f"as they were recorded; {end}")


def test_a_word_for_its_own_voice_alone_is_the_same_word_with_a_veto(resources, takes, lesson):
    rng = np.random.default_rng(6)
    others = [
        dataclasses.replace(
            take,
            samples=(take.samples * 0.5 + rng.standard_normal(len(take.samples)) * 300).astype(np.int16),
            speaker=f"synthetic:{k}",
        )
        for k in range(2)
        for take in takes
    ]
    only = learn("ja", takes, resources=resources, others=others, false_accepts_per_hour=4.0)
    head = only.manifest.head
    assert head.words == lesson.manifest.head.words
    assert [len(unit.weights) for unit in head.voices["ja"]] == [4 * N_TAPS]
    assert msgspec.json.decode(encode_manifest(only.manifest), type=Manifest).head == head
    assert (lesson.manifest.head.voices, lesson.report.veto) == ({}, None)
    assert read_report(only.manifest.training) == only.report
    veto = only.report.veto
    assert veto.misses_basis.endswith("as they were recorded")
    assert "takes of 1 that nothing was learnt from" in veto.refused_synthetic_basis
    Model(only.manifest, only.flatbuffer)
