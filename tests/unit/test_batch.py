"""One recording in, events out."""

import numpy as np
import soundfile

from detector import batch, detect_file, scores
from detector.audio.gaps import Loss
from detector.audio.sources import Block
from detector.core.scorer import Scorer
from detector.events import Closed, Detection, Gap, GapCause, Opened, Scored


class Source:
    """Hands over prepared blocks."""

    name, is_live, can_wait, is_waiting = "prepared", False, True, False

    def __init__(self, *blocks):
        self.blocks = list(blocks)

    def read(self):
        return self.blocks.pop(0) if self.blocks else None


class Keeper:
    def __init__(self):
        self.heard = []

    def hear(self, event):
        self.heard.append(event)


def test_a_recording_is_opened_scored_and_closed_and_detections_counted(detector, demo_samples, demo_words):
    keeper = Keeper()
    n_detections = batch.detect(Source(Block(demo_samples[:50_000]), Block(demo_samples[50_000:])), detector, keeper)
    assert n_detections == len(demo_words)
    assert [event.keyword for event in keeper.heard if isinstance(event, Detection)] == demo_words
    opened = keeper.heard[0]
    assert isinstance(opened, Opened)
    assert opened.labels == detector.model.manifest.labels
    assert opened.checksums == {"yes-no": detector.model.manifest.sha256}
    assert keeper.heard[-1] == Closed(len(demo_samples) + 16000)
    assert sum(isinstance(event, Scored) for event in keeper.heard) == detector.n_windows
    assert not any(isinstance(event, Gap) for event in keeper.heard)


def test_no_window_spans_a_loss(detector, demo_samples):
    keeper = Keeper()
    cut = round(3.5 * 16000)  # in the middle of the first word
    source = Source(Block(demo_samples[:cut]), Block(demo_samples[cut:80_000], Loss(GapCause.OVERFLOW)))
    batch.detect(source, detector, keeper)
    assert [event.keyword for event in keeper.heard if isinstance(event, Detection)] == ["no"]


def test_no_samples_at_all_are_no_detections(detector):
    keeper = Keeper()
    assert batch.detect(Source(Block(np.empty(0, dtype=np.int16))), detector, keeper) == 0
    assert [type(event) for event in keeper.heard] == [Opened, Closed]


def test_a_file_is_detected_in_by_its_name_alone(demo_file, demo_samples, demo_words, detector):
    found = detect_file(str(demo_file))
    assert [one.keyword for one in found] == demo_words
    assert found == detector.feed(demo_samples) + detector.finish()
    assert {one.keyword for one in detect_file(demo_file, "commands", words="no", thresholds=0.7)} == {"no"}


def test_scores_are_those_that_detections_are_made_of(demo_file, demo_samples, model):
    times_s, values, labels = scores(demo_file)
    assert values.shape == (len(times_s), len(labels))
    assert labels == tuple(model.manifest.labels)
    scored = Scorer(model).feed(demo_samples)
    np.testing.assert_array_equal(values[: len(scored)], np.array([one.scores for one in scored], dtype=np.float32))
    assert times_s[0] == scored[0].end_sample / 16000


def test_no_samples_have_no_scores(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.empty(0, dtype=np.int16), 16000)
    assert [len(part) for part in scores(tmp_path / "a.wav")[:2]] == [0, 0]
    assert detect_file(tmp_path / "a.wav") == []
