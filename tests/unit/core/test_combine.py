"""Several models as one: each word as its own model has it, and whatever they share is computed once."""

import json

import msgspec
import numpy as np
import pytest
from heads import make_manifest, write_pair

from detector import Detector, load_model
from detector.assembly import describe_stream
from detector.audio.sources import Block
from detector.core import folders
from detector.core.combine import combine, combine_manifests
from detector.core.manifest import DecisionSettings, OperatingCurve, OperatingPoint, WordDecision
from detector.core.model import Model
from detector.core.operating import pick_of_model
from detector.core.scorer import Scorer
from detector.daemon.listen import listen
from detector.daemon.reload import reload
from detector.errors import DetectorError, ModelMismatchError, ModelNotFoundError, SettingsError
from detector.events import Detection, Progress, Scored
from detector.flight.recorder import FlightRecorder
from detector.flight.replay import replay
from detector.process.signals import StopFlag
from detector.settings import RecordSettings, Settings


@pytest.fixture(scope="module")
def learn(model, flatbuffer):
    """Return a function that makes a learnt model on the shipped network."""

    def make(name, words, **changes):
        return Model(make_manifest(model, name, words, **changes), flatbuffer)

    return make


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A folder of models of one's own."""
    monkeypatch.setattr(folders, "FOLDERS", (tmp_path / "models", *folders.SHIPPED_FOLDERS))
    return tmp_path / "models"


def detect_all(model, samples, **settings):
    detector = Detector(model, **settings)
    return detector.feed(samples) + detector.finish()


def words_of(detections, words):
    return [detection for detection in detections if detection.keyword in words]


# ---- what is detected


def test_each_word_is_detected_as_its_own_model_alone_does(model, learn, demo_samples):
    first, second = learn("ja", ["ja"]), learn("nein", ["nein"], decision=_decide("nein", 5, 2.5))
    together = combine([model, first, second])
    found = [[], []]
    for n, samples in enumerate((demo_samples, demo_samples[14000:], np.roll(demo_samples, 5000))):
        for words in (["yes", "no"], ["ja"], ["nein"]):
            alone = next(part for part in (model, first, second) if set(words) <= set(part.manifest.words))
            found[0] += detect_all(alone, samples)
            found[1] += detect_all(together, samples, words=words)
        assert found[1] == found[0]
        assert len(found[0]) >= 4 * (n + 1)


def test_a_word_that_begins_a_stream_starts_where_its_own_model_says(model, learn, demo_samples, demo_truth):
    learnt = learn("ja", ["ja"])
    together = combine([model, learnt])
    for word in demo_truth:
        samples = demo_samples[round(16000 * word["start_s"]) - 1600 :][:40000]
        assert detect_all(together, samples, words="yes,no") == detect_all(model, samples)
        assert detect_all(together, samples, words="ja") == detect_all(learnt, samples)


def test_scores_are_those_of_the_parts_to_the_bit(model, learn, demo_samples):
    parts = [model, learn("ja", ["ja"]), learn("nein", ["nein"])]
    samples = demo_samples[: 5 * 16000]
    together = Scorer(combine(parts)).feed(samples)
    by_end = {scored.end_sample: scored.scores for scored in together}
    for part, place in zip(parts, (slice(0, 4), slice(4, 5), slice(5, 6)), strict=True):
        for scored in Scorer(part).feed(samples):
            assert by_end[scored.end_sample][place] == scored.scores


def test_of_words_due_at_once_the_best_is_reported(model, learn, demo_samples, demo_words):
    together = combine([model, learn("ja-nein", ["ja", "nein"], decision=_decide(["ja", "nein"], 2, 0.7))])
    found = detect_all(together, demo_samples)
    ends = [detection.time_s for detection in found]
    assert len(set(ends)) == len(ends)
    same = {"yes": "yes", "no": "no", "ja": "yes", "nein": "no"}
    assert {(same[d.keyword]) for d in found} == set(demo_words)


def test_a_gap_and_any_split_change_nothing(model, learn, demo_samples):
    together = combine([model, learn("ja", ["ja"])])
    whole, pieces = Detector(together), Detector(together)
    for first, last in ((0, 40_000), (40_000, 90_000)):
        expected = whole.events(demo_samples[first:last])
        found = [e for k in range(first, last, 777) for e in pieces.events(demo_samples[k : min(k + 777, last)])]
        assert found == expected
        whole.skip(300)
        pieces.skip(300)
    fresh = Detector(together)
    later = [e.scores for e in whole.events(demo_samples[90_000:120_000]) if isinstance(e, Scored)]
    assert later == [e.scores for e in fresh.events(demo_samples[90_000:120_000]) if isinstance(e, Scored)]


def test_a_state_goes_on_to_the_bit_and_that_of_one_part_is_refused(model, learn, demo_samples):
    together = combine([model, learn("ja", ["ja"])])
    first, second = Detector(together), Detector(together)
    first.feed(demo_samples[:50_001])
    second.restore(msgspec.json.decode(msgspec.json.encode(first.snapshot()), type=type(first.snapshot())))
    assert second.events(demo_samples[50_001:]) == first.events(demo_samples[50_001:])
    with pytest.raises(SettingsError, match="of the same model"):
        second.restore(Detector(model).snapshot())


# ---- what it is


def test_a_network_that_several_have_is_run_once(model, learn, monkeypatch):
    together = combine([model, learn("ja", ["ja"]), learn("nein", ["nein"])])
    assert {id(part.network) for part in together.parts} == {id(model.network)}
    assert together.size_bytes == model.size_bytes
    calls = []
    run = model.network.run
    monkeypatch.setattr(model.network, "run", lambda features: calls.append(1) or run(features))
    scorer = Scorer(together)
    calls.clear()
    n_windows = len(scorer.feed(np.zeros(32000, dtype=np.int16)))
    assert len(calls) == n_windows


def test_the_manifest_of_several_names_all_their_words_and_labels(model, learn):
    manifest = combine([model, learn("ja-nein", ["ja", "nein"])]).manifest
    assert (manifest.name, manifest.words) == ("yes-no,ja-nein", ("yes", "no", "ja", "nein"))
    assert manifest.labels == ("silence", "unknown", "yes", "no", "ja", "nein")
    assert manifest.sha256 == f"{model.manifest.sha256},{model.manifest.sha256}"
    assert [manifest.model_of(word) for word in manifest.words] == ["yes-no", "yes-no", "ja-nein", "ja-nein"]
    assert [manifest.decision.smoothing_of(word) for word in manifest.words] == [2, 2, 3, 3]
    assert [manifest.decision.refractory_of(word) for word in manifest.words] == [0.7, 0.7, 1.0, 1.0]


def test_a_label_that_several_have_is_named_after_its_model(model):
    other = _rename(model.manifest, "other", {"yes": "ja", "no": "nein"})
    third = _rename(model.manifest, "third", {"yes": "si", "no": "unknown2", "silence": "yes"})
    assert combine_manifests([model.manifest, other, third]).labels == (
        *("silence", "unknown", "yes", "no"),
        *("other/silence", "other/unknown", "ja", "nein"),
        *("third/yes", "third/unknown", "si", "unknown2"),
    )


def test_one_model_alone_stays_what_it_is(model):
    assert combine([model]) is model
    assert combine_manifests([model.manifest]) is model.manifest


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stride_s": 0.08}, "with the same stride_s, found 0.06 in 'yes-no' and 0.08 in 'ja'"),
        ({"window_s": 0.98}, "with the same window_s, found 1.0 in 'yes-no' and 0.98 in 'ja'"),
        ({"level": None}, "with the same level, found one in 'yes-no' and none in 'ja'"),
        (
            {"level": {"raised_to_db": -20.0}},
            "with the same level.raised_to_db, found -30.0 in 'yes-no' and -20.0 in 'ja'",
        ),
        (
            {"frontend": {"sample_rate_hz": 8000, "high_hz": 3800.0}},
            "with the same frontend.sample_rate_hz, found 16000 in 'yes-no' and 8000 in 'ja'",
        ),
        ({"frontend": {"floor": 1e-7}}, "with the same frontend.floor, found 1e-08 in 'yes-no' and 1e-07 in 'ja'"),
        ({"words": "yes"}, "expected each word in one of the models, found 'yes' in 'yes-no' and 'ja'"),
        ({"name": "yes-no"}, "expected models of different names, found 2 that are called 'yes-no'"),
    ],
)
def test_models_that_cannot_listen_together_are_refused_with_both_names(model, changes, message):
    other = make_manifest(model, "ja", [changes.pop("words", "ja")])
    for part in ("frontend", "level"):
        if isinstance(changes.get(part), dict):
            changes[part] = msgspec.structs.replace(getattr(other, part), **changes[part])
    other = msgspec.structs.replace(other, **changes)
    with pytest.raises(ModelMismatchError) as raised:
        combine_manifests([model.manifest, other])
    assert message in str(raised.value)
    assert raised.value.exit_code == 78


# ---- operating curves


def test_false_accepts_an_hour_are_those_of_all_words_together(model, learn):
    curve = OperatingCurve(
        measured_on="a bank",
        hours=2.0,
        words={"ja": [_point(0.5, 3.0, 0.0), _point(0.7, 0.5, 0.1), _point(0.9, 0.0, 0.5)]},
    )
    together = combine([model, learn("ja", ["ja"], operating_curve=curve)]).manifest
    points = pick_of_model(together, together.words, 2.0)
    assert set(points) == {"yes", "no", "ja"}
    assert sum(point.false_accepts_per_hour for point in points.values()) <= 2.0 + 1e-6
    assert points["ja"].threshold == 0.7
    assert together.operating_curve.hours == min(2.0, model.manifest.operating_curve.hours)
    assert "ja: a bank" in together.operating_curve.measured_on


def test_without_a_curve_the_part_is_named_unless_its_words_are_left_out(model, learn):
    together = combine([model, learn("mine", ["ja"])])
    with pytest.raises(SettingsError, match="for --false-accepts-per-hour, found none in 'mine': set a --threshold"):
        pick_of_model(together.manifest, together.manifest.words, 1.0)
    assert pick_of_model(together.manifest, ["yes", "no"], 1.0) == pick_of_model(model.manifest, ["yes", "no"], 1.0)


# ---- names


def test_several_are_loaded_by_names_with_commas_or_as_a_list(model, learn, own, flatbuffer, demo_samples):
    learnt = learn("ja-nein", ["ja", "nein"])
    file = write_pair(own, learnt.manifest, flatbuffer)
    expected = detect_all(combine([model, learnt]), demo_samples)
    for names in ("yes-no,ja-nein", " yes-no , ja-nein", ["yes-no", "ja-nein"], ["yes-no", str(file)]):
        detector = Detector.load(names)
        assert detector.feed(demo_samples) + detector.finish() == expected
    with pytest.raises(ModelNotFoundError, match=r"expected the name of a model \(.*ja-nein.*\) or a path, found ''"):
        load_model("yes-no,")
    with pytest.raises(ModelNotFoundError, match="found none"):
        load_model([])


def test_a_path_that_holds_a_comma_is_one_model(learn, own, flatbuffer, tmp_path):
    file = write_pair(tmp_path / "a,b", learn("ja", ["ja"]).manifest, flatbuffer)
    for path in (file, file.with_suffix(".tflite"), file.with_suffix("")):
        assert load_model(str(path)).manifest.name == "ja"


def test_a_detection_names_the_model_of_its_word(model, learn):
    detector = Detector(combine([model, learn("mine", ["ja"])]))
    stream = describe_stream(detector, "a.wav", is_live=False)
    by_word = {word: json.loads(Detection(word, 0.9, 1.0, 0.5).encode(stream))["model"] for word in ("yes", "no", "ja")}
    assert by_word == {"yes": "yes-no", "no": "yes-no", "ja": "mine"}
    assert json.loads(Scored(16000, [0.0]).encode(stream))["model"] == "yes-no,mine"
    assert describe_stream(Detector(model), "a.wav", is_live=False).models == {}


# ---- replay


def test_what_several_detected_is_replayed_to_the_bit_whatever_was_learnt_since(
    model, learn, own, flatbuffer, demo_samples, tmp_path
):
    learnt = learn("ja-nein", ["ja", "nein"])
    write_pair(own, learnt.manifest, flatbuffer)
    detector = Detector.load("yes-no,ja-nein", thresholds={"ja": 0.8})
    samples = demo_samples[: 8 * 16000]
    with FlightRecorder(detector, RecordSettings(folder=str(tmp_path / "kept"), before_s=60.0)) as recorder:
        for first in range(0, len(samples), 960):
            part = samples[first : first + 960]
            for event in detector.events(part):
                recorder.hear(event)
            recorder.hear(Progress(part, detector.n_samples, 0, 0))
    (file, *_) = sorted((tmp_path / "kept").glob("*.flac"))
    described = json.loads(file.with_suffix(".json").read_text())
    assert described["model"] == "yes-no,ja-nein"
    assert set(described["heads"]) == {"ja-nein"}
    again, detections = replay(file, None)
    assert [detection.keyword for detection in detections] == [d["keyword"] for d in described["detections"]]
    assert again.thresholds["ja"] == 0.8

    heads = learnt.manifest.head.words
    silent = {word: (msgspec.structs.replace(unit, bias=-100.0),) for word, (unit,) in heads.items()}
    changed = msgspec.structs.replace(learnt.manifest.head, words=silent)
    write_pair(own, msgspec.structs.replace(learnt.manifest, head=changed), flatbuffer)
    assert replay(file, None)[1] == detections
    assert {d.keyword for d in replay(file, "yes-no,ja-nein")[1]} <= {"yes", "no"}

    head = described["heads"]["ja-nein"]
    for heads, message in (
        ({}, "one output for each of 2 labels"),
        ({"ja-nein": head | {"words": {}}}, "expected heads of the words of 'yes-no,ja-nein', found: head.words must"),
        ({"ja-nein": head | {"taps": [0]}}, "expected 4 weights for 'ja' of ja-nein"),
        ({"ja-nein": head | {"taps": [4]}}, "taps of a head must begin with 0"),
    ):
        file.with_suffix(".json").write_text(json.dumps(described | {"heads": heads}))
        with pytest.raises(DetectorError, match=message):
            replay(file, None)


class Source:
    """Hands over samples as fast as they are taken."""

    name, is_live, can_wait, is_waiting = "prepared", False, True, False

    def __init__(self, samples):
        self.samples = samples

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def read(self):
        part, self.samples = self.samples[:640], self.samples[640:]
        return Block(part) if len(part) else None


class Keeper:
    def __init__(self):
        self.detections = []

    def hear(self, event):
        if isinstance(event, Detection):
            self.detections.append(event)


def test_what_listens_detects_what_detects_in_the_recording(model, learn, demo_samples):
    together, keeper = combine([model, learn("ja", ["ja"])]), Keeper()
    listen(Source(demo_samples), Detector(together), keeper, stop=StopFlag())
    assert keeper.detections == detect_all(together, demo_samples)


def test_words_and_thresholds_of_several_models_change_while_they_listen(model, learn, own, flatbuffer, demo_samples):
    write_pair(own, learn("mine", ["ja", "nein"]).manifest, flatbuffer)
    detector = Detector.load("yes-no,mine")
    before = detector.model
    detector.feed(demo_samples[:50_000])
    old = Settings(model=("yes-no", "mine"))
    new = reload(old, lambda: msgspec.structs.replace(old, words=("no", "ja"), threshold={"ja": 0.8}), detector)
    assert new is not None
    assert detector.thresholds == {"no": model.manifest.decision.words["no"].threshold, "ja": 0.8}
    assert detector.model is before


def _decide(words, smoothing_windows, refractory_s):
    words = [words] if isinstance(words, str) else words
    limits = WordDecision(threshold=0.9, rearm=0.45, duration_s=0.4)
    return DecisionSettings(
        smoothing_windows=smoothing_windows, refractory_s=refractory_s, words=dict.fromkeys(words, limits)
    )


def _rename(manifest, name, labels):
    """Return a manifest with another name and other labels, words among them."""
    words = tuple(labels.get(word, word) for word in manifest.words)
    limits = dict(zip(words, manifest.decision.words.values(), strict=True))
    return msgspec.structs.replace(
        manifest,
        name=name,
        words=words,
        labels=tuple(labels.get(label, label) for label in manifest.labels),
        decision=msgspec.structs.replace(manifest.decision, words=limits),
        operating_curve=None,
    )


def _point(threshold, rate, misses):
    return OperatingPoint(
        threshold=threshold,
        false_accepts_per_hour=rate,
        false_accepts_per_hour_interval=(0.0, rate + 1.0),
        miss_rate=misses,
        miss_rate_interval=(0.0, 1.0),
    )
