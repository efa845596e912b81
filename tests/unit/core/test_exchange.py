"""Another model in the middle of a stream: no sample is lost, and what was known goes on."""

import msgspec
import numpy as np
import pytest
from heads import make_manifest, write_pair

from detector import Detector
from detector.core import folders
from detector.core.combine import combine
from detector.core.model import Model
from detector.daemon.reload import reload
from detector.errors import ModelMismatchError, SettingsError
from detector.events import Detection, Scored
from detector.settings import Settings


@pytest.fixture(scope="module")
def learn(model, flatbuffer):
    def make(name, words, **changes):
        return Model(make_manifest(model, name, words, **changes), flatbuffer)

    return make


def scores_of(events, place=slice(None)):
    return {event.end_sample: event.scores[place] for event in events if isinstance(event, Scored)}


@pytest.mark.parametrize("cut", [1, 15_999, 16_000, 50_123, 98_765])
def test_a_word_learnt_again_goes_on_from_what_was_heard_of_it(learn, demo_samples, cut):
    first, again = learn("ja", ["ja"]), learn("ja", ["ja"], training={"learnt": 2})
    expected = Detector(first).events(demo_samples)
    detector = Detector(first)
    found = detector.events(demo_samples[:cut])
    detector.reconfigure(again)
    assert detector.model is again
    found += detector.events(demo_samples[cut:])
    assert found == expected
    assert detector.n_samples == len(demo_samples)


def test_a_word_that_is_added_leaves_those_that_listen_as_they_were(model, learn, demo_samples):
    expected = Detector(model).events(demo_samples)
    detector = Detector(model)
    found = detector.events(demo_samples[:70_001])
    detector.reconfigure(combine([model, learn("ja", ["ja"])]), words="yes,no")
    found += detector.events(demo_samples[70_001:])
    assert scores_of(found, slice(0, 4)) == scores_of(expected)
    assert [e for e in found if isinstance(e, Detection)] == [e for e in expected if isinstance(e, Detection)]


def test_a_word_whose_network_is_new_is_not_reported_while_it_looks_back_to_silence(
    model, learn, demo_samples, demo_truth
):
    (word, *_) = [word for word in demo_truth if word["word"] == "yes"]
    end = round(16000 * word["end_s"])
    longest = learn("ja", ["ja"])
    n_back = longest.readout.n_strides * 960
    for cut, is_reported in ((end - 3200, False), (end + 1600 - n_back - 16000, True)):
        detector = Detector(model)
        detector.feed(demo_samples[:cut])
        detector.reconfigure(combine([model, longest]), words="ja")
        found = detector.feed(demo_samples[cut : end + 1600])
        assert bool(found) is is_reported
        later = scores_of(detector.events(demo_samples[end + 1600 :]), slice(4, 5))
        whole = scores_of(Detector(longest).events(demo_samples))
        assert all(score == whole[place] for place, score in later.items() if place >= cut + n_back)


def test_a_word_reported_just_now_is_not_reported_again(learn, demo_samples):
    first, again = learn("ja", ["ja"]), learn("ja", ["ja"], training={"learnt": 2})
    detector = Detector(first)
    for k in range(0, len(demo_samples), 960):
        if detector.feed(demo_samples[k : k + 960]):
            break
    detector.reconfigure(again)
    assert detector.feed(demo_samples[k + 960 : k + 960 + 8000]) == []


def test_a_model_that_is_left_out_takes_its_words_along(model, learn, demo_samples):
    detector = Detector(combine([learn("ja", ["ja"]), model]))
    detector.feed(demo_samples[:40_000])
    detector.stride_factor = 2
    detector.reconfigure(model)
    assert (detector.words, detector.stride_factor) == (("yes", "no"), 2)
    detector.stride_factor = 1
    expected = scores_of(Detector(model).events(demo_samples))
    found = scores_of(detector.events(demo_samples[40_000:]))
    assert found
    assert all(expected[end] == scores for end, scores in found.items() if end in expected)


def test_a_model_or_words_that_do_not_fit_change_nothing(model, learn, demo_samples):
    detector = Detector(model)
    detector.feed(demo_samples[:20_000])
    before = detector.snapshot()
    manifest = msgspec.structs.replace(model.manifest, stride_s=0.08, name="wide")
    with pytest.raises(ModelMismatchError, match=r"the same stride_s, found 0\.06 in 'yes-no' and 0\.08 in 'wide'"):
        detector.reconfigure(Model.of_parts(manifest, model.parts, size_bytes=1))
    with pytest.raises(SettingsError, match="found 'no'"):
        detector.reconfigure(learn("ja", ["ja"]), words="no")
    assert detector.model is model
    assert detector.snapshot() == before


def test_settings_read_anew_bring_another_model_or_the_same_with_other_files(
    model, learn, flatbuffer, demo_samples, tmp_path, monkeypatch, caplog
):
    monkeypatch.setattr(folders, "FOLDERS", (tmp_path, *folders.SHIPPED_FOLDERS))
    detector, old = Detector(model), Settings()
    detector.feed(demo_samples[:30_000])
    new = Settings(model="yes-no,mine")
    assert reload(old, lambda: new, detector) is None
    assert "settings stay as they were: expected the name of a model" in caplog.text
    file = write_pair(tmp_path, learn("mine", ["ja"]).manifest, flatbuffer)
    assert reload(old, lambda: new, detector) is new
    assert detector.words == ("yes", "no", "ja")

    unchanged = detector.model
    assert reload(new, lambda: new, detector) is new
    assert detector.model is unchanged
    write_pair(tmp_path, learn("mine", ["ja", "nein"]).manifest, flatbuffer)
    assert reload(new, lambda: new, detector) is new
    assert detector.words == ("yes", "no", "ja", "nein")
    file.write_bytes(file.read_bytes()[:-100])
    assert reload(new, lambda: new, detector) is None
    assert detector.words == ("yes", "no", "ja", "nein")
    assert detector.n_samples == 30_000
    assert np.isfinite(next(iter(scores_of(detector.events(demo_samples[30_000:32_000])).values()))).all()
