"""The shipped model on people it was not trained on: every keyword fires itself and nothing else, the rest nothing."""

from __future__ import annotations

import numpy as np
import pytest

from training.data.decode import read_recording
from training.data.folders import find_recordings
from training.data.items import Split
from training.data.layouts import index_noise, index_words

pytestmark = pytest.mark.recordings

N_CLIPS = 60


def heard_in(detector, path):
    """Return what is heard in a recording and the second of silence after it."""
    detector.reset()
    samples = read_recording(str(path), 16000)
    return [d.keyword for d in detector.feed(np.concatenate((samples, np.zeros(16000, dtype=np.int16))))]


@pytest.fixture(scope="module")
def clips(data_folder):
    """Some clips of validation speakers, by word."""
    by_word = {}
    for item in index_words(str(data_folder / "speech_commands")):
        if item.split == Split.VALIDATION:
            by_word.setdefault(item.word, []).append(item.path)
    return {word: paths[:N_CLIPS] for word, paths in by_word.items()}


@pytest.mark.parametrize("word", ["yes", "no"])
def test_a_keyword_fires_itself_once_and_no_other(lenient_detector, clips, word):
    heard = [heard_in(lenient_detector, path) for path in clips[word]]
    assert sum(words == [word] for words in heard) >= 0.85 * N_CLIPS
    assert sum(len(words) > 1 for words in heard) <= 1
    assert sum(bool(words) and words != [word] for words in heard) <= 2


def test_other_words_fire_next_to_nothing(detector, clips):
    others = [path for word, paths in clips.items() if word not in ("yes", "no") for path in paths[:12]]
    fired = [path for path in others if heard_in(detector, path)]
    assert len(others) > 100
    assert len(fired) <= 0.04 * len(others)


def test_noise_fires_next_to_nothing(detector, data_folder):
    items = [item for item in index_noise(str(data_folder / "noise")) if item.split == Split.VALIDATION]
    fired = [item.path for item in items if heard_in(detector, item.path)]
    assert len(items) > 20
    assert len(fired) <= 1


def test_somebody_elses_wake_words_fire_next_to_nothing(detector, data_folder):
    paths = find_recordings(data_folder / "wake_words")[::10]
    fired = [path for path in paths if heard_in(detector, path)]
    assert len(paths) > 50
    assert len(fired) <= 0.05 * len(paths)
