"""The manifest of a finished run: golden vectors, lengths of words, the decision of its settings."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import soundfile

from detector.core.folders import find_model
from detector.core.manifest import encode_manifest, read_manifest
from detector.core.model import Model
from training.data.collection import Collection
from training.data.items import Item, Kind, Split
from training.data.layouts import index_folders
from training.evaluate.clips import ClipReport
from training.evaluate.intervals import proportion
from training.run.run import Run
from training.run.settings import DecisionRecipe, TrainSettings

pytestmark = pytest.mark.tensorflow

LENGTHS_S = {"yes": (0.3, 0.4, 0.8), "no": (0.2, 0.25, 0.3)}


@pytest.fixture
def words(tmp_path):
    """Words of known lengths in faint noise, by people of the training side: two by each."""
    rng = np.random.default_rng(0)
    for word, lengths_s in LENGTHS_S.items():
        (tmp_path / "words" / word).mkdir(parents=True)
        for k, length_s in enumerate(lengths_s):
            clip = rng.standard_normal(16000)
            n = round(16000 * length_s)
            clip[2400 : 2400 + n] += 8000 * np.sin(np.arange(n) * 0.4)
            soundfile.write(tmp_path / "words" / word / f"person-{k}.wav", np.rint(clip).astype(np.int16), 16000)
    return tmp_path / "words"


@pytest.fixture
def manifest(words, tmp_path):
    from training.export.finish import describe

    run = Run(tmp_path / "mine")
    decision = DecisionRecipe(stride_s=0.04, smoothing_windows=3, threshold=0.6, refractory_s=0.5, rearm_ratio=0.25)
    settings = TrainSettings(data=(str(words),), words=("yes", "no"), decision=decision, seed=11)
    run.begin(settings)
    items = index_folders(data=settings.data, noise=(), speech=(), validation_speakers=())
    items = [type(item)(path=item.path, kind=item.kind, word=item.word, split="training") for item in items]
    collection = Collection.open(items, cache=tmp_path / "cache", sample_rate_hz=16000)
    return describe(run, settings, collection, flatbuffer())


def flatbuffer():
    return find_model("yes-no").with_suffix(".tflite").read_bytes()


def test_a_manifest_and_the_network_that_it_describes_are_a_pair(manifest, tmp_path):
    (tmp_path / "written.json").write_bytes(encode_manifest(manifest))
    model = Model(read_manifest(tmp_path / "written.json"), flatbuffer())  # golden vectors and all
    assert model.manifest.sha256 == hashlib.sha256(flatbuffer()).hexdigest()
    assert (manifest.name, manifest.words, manifest.labels) == (
        "mine",
        ("yes", "no"),
        ("silence", "unknown", "yes", "no"),
    )
    assert manifest.clip_accuracy is None  # still to be measured
    assert manifest.operating_curve is None


def test_the_decision_is_that_of_the_settings(manifest):
    assert manifest.stride_s == 0.04
    assert (manifest.decision.smoothing_windows, manifest.decision.refractory_s) == (3, 0.5)
    assert {(word.threshold, word.rearm) for word in manifest.decision.words.values()} == {(0.6, 0.15)}


def test_a_words_length_is_the_median_of_its_clips(manifest):
    lengths_s = {word: decided.duration_s for word, decided in manifest.decision.words.items()}
    assert lengths_s == {"yes": pytest.approx(0.4, abs=0.011), "no": pytest.approx(0.25, abs=0.011)}


def test_the_golden_vectors_are_a_second_like_a_word_and_silence(manifest):
    word, silence = (vector.decode_samples() for vector in manifest.golden)
    assert (word.shape, word.dtype) == ((16000,), np.int16)
    assert not silence.any()
    assert 3000 < np.abs(word.astype(int)).max() < 32767  # nothing clips
    assert [vector.label for vector in manifest.golden] == ["yes", "silence"]


@pytest.mark.parametrize("name", ["yes-no", "commands", "yes-no-tiny"])
def test_the_golden_waveform_is_that_of_the_models_that_ship(name):
    from training.export.finish import golden_waveform

    shipped = read_manifest(find_model(name)).golden[0].decode_samples()
    difference = golden_waveform(16000, 16000).astype(int) - shipped
    assert np.abs(difference).max() <= 1  # sines of another machine may round otherwise


@pytest.mark.parametrize(
    ("speakers", "ending"),
    [
        (("anna", "ben"), "mean of the recalls of unknown, yes"),
        (("espeak-en-us", "flite-slt"), None),  # nobody knows what people would come to
        (
            ("anna", "anna"),
            "; yes on other recordings of a speaker it was trained on: how often others are missed is not known",
        ),
    ],
)
def test_the_accuracy_of_a_manifest_says_what_it_rests_on(speakers, ending):
    from training.export.finish import _describe_accuracy

    items = [
        Item(f"yes/{k}.wav", Kind.WORD, split, word="yes", speaker=speaker)
        for k, (split, speaker) in enumerate(zip((Split.TRAINING, Split.VALIDATION), speakers, strict=True))
    ]
    rates = {label: proportion(7, 8) for label in ("silence", "unknown", "yes")}
    confusion = [[0, 0, 0], [0, 8, 1], [0, 1, 7]]
    report = ClipReport(Split.VALIDATION, tuple(rates), proportion(7, 8), rates, rates, proportion(7, 8), confusion)
    accuracy = _describe_accuracy(report, ("yes",), Collection(items, [np.ones(8, dtype=np.int16)] * 2))
    assert (accuracy and accuracy.measured_on.endswith(ending)) == (True if ending else None)
