"""How much scores depend on where windows fall."""

import numpy as np
import pytest
import tiny_words

from detector.errors import SettingsError
from training.dataset import VALIDATION, WaveformStore
from training.layouts import index_folders
from training.settings import SILENCE
from training.spread import measure_spread


class Listener:
    """A model whose score is the level of one frame: it changes with every shift, or never."""

    def __init__(self, manifest, *, is_constant):
        self.manifest = manifest
        self._is_constant = is_constant

    def score(self, features):
        level = 0.25 if self._is_constant else float(np.clip(features[20, 20] + 1.0, 0.0, 1.0))
        return np.array([0.0, 0.0, level, level])


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    items = index_folders(data=[str(tiny_words.make(folder))], noise=[], speech=[], validation_speakers=[])
    return items, WaveformStore.build(items, folder=folder, sample_rate_hz=16000, show_progress=False)


def spread(model, made, manifest, *, is_constant, n_clips=3):
    import msgspec

    words = ("up", "down")
    limits = manifest.decision.words["yes"]
    renamed = msgspec.structs.replace(
        manifest,
        words=words,
        labels=(SILENCE, "unknown", *words),
        decision=msgspec.structs.replace(manifest.decision, words=dict.fromkeys(words, limits)),
    )
    listener = Listener(renamed, is_constant=is_constant)
    return measure_spread(listener, *made, split=VALIDATION, n_offsets=40, n_clips_per_word=n_clips, seed=0)


def test_a_score_that_never_changes_has_no_spread(model, made):
    report = spread(model, made, model.manifest, is_constant=True)
    assert (report.median, report.p90, report.n_clips, report.n_offsets) == (0.0, 0.0, 6, 40)


def test_a_score_that_follows_the_samples_has_one(model, made):
    report = spread(model, made, model.manifest, is_constant=False)
    assert 0.0 < report.median <= report.p90
    assert report == spread(model, made, model.manifest, is_constant=False)
    assert "40 sample offsets" in report.lines()[0]


def test_a_split_without_the_keywords_is_refused(model, made):
    with pytest.raises(SettingsError, match="expected clips of yes, no"):
        measure_spread(model, *made, split=VALIDATION, n_offsets=4, n_clips_per_word=2, seed=0)
