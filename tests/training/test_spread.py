"""How much scores depend on where windows fall."""

import itertools

import numpy as np
import pytest
import tiny_words

from detector.errors import SettingsError
from training.data.collection import Collection
from training.data.items import Split
from training.data.layouts import index_folders
from training.evaluate.shifts import measure_spread
from training.run.settings import SILENCE


class Listener:
    """A model whose score is the level of one frame, or comes from a list: it changes with every shift, or as known."""

    def __init__(self, manifest, levels=()):
        self.manifest = manifest
        self._levels = itertools.cycle(levels) if levels else None

    def score(self, features):
        level = next(self._levels) if self._levels else float(np.clip(features[20, 20] + 1.0, 0.0, 1.0))
        return np.array([0.0, 0.0, level, level])


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    items = index_folders(data=[str(tiny_words.make(folder))], noise=[], speech=[], validation_speakers=[])
    return Collection.open(items, cache=folder, sample_rate_hz=16000)


def spread(model, made, manifest, *, levels=(), n_clips=3):
    import msgspec

    words = ("up", "down")
    limits = manifest.decision.words["yes"]
    renamed = msgspec.structs.replace(
        manifest,
        words=words,
        labels=(SILENCE, "unknown", *words),
        decision=msgspec.structs.replace(manifest.decision, words=dict.fromkeys(words, limits)),
    )
    listener = Listener(renamed, levels)
    return measure_spread(listener, made, split=Split.VALIDATION, n_offsets=40, n_clips_per_word=n_clips, seed=0)


def test_a_score_that_never_changes_has_no_spread(model, made):
    report = spread(model, made, model.manifest, levels=[0.25])
    assert (report.median, report.p90, report.n_clips, report.n_offsets) == (0.0, 0.0, 6, 40)


def test_the_spread_is_from_the_lowest_to_the_highest_score(model, made):
    report = spread(model, made, model.manifest, levels=[0.5] * 17 + [0.2] + [0.5] * 21 + [0.9])  # 40 shifts
    assert (report.median, report.p90) == (pytest.approx(0.7), pytest.approx(0.7))


def test_a_score_that_follows_the_samples_has_one(model, made):
    report = spread(model, made, model.manifest)
    assert 0.0 < report.median <= report.p90
    assert report == spread(model, made, model.manifest)
    assert "40 sample offsets" in report.lines()[0]


def test_a_split_without_the_keywords_is_refused(model, made):
    with pytest.raises(SettingsError, match="expected clips of yes, no"):
        measure_spread(model, made, split=Split.VALIDATION, n_offsets=4, n_clips_per_word=2, seed=0)


def test_more_offsets_than_a_window_has_samples_are_refused(model, made):
    with pytest.raises(SettingsError, match="expected at most 16000 offsets"):
        measure_spread(model, made, split=Split.VALIDATION, n_offsets=16001, n_clips_per_word=2, seed=0)
