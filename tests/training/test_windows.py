from functools import partial
from pathlib import Path

import msgspec
import numpy as np
import pytest
import tiny_words

from detector.core.frontend import LogMel, StreamingLogMel
from training.data.items import NOISE, SPEECH, TRAINING, VALIDATION, WORD, WaveformStore
from training.data.layouts import index
from training.run.settings import SILENCE, UNKNOWN, TrainSettings, WindowSettings
from training.windows import features
from training.windows.composer import WindowComposer
from training.windows.features import FeatureStore, ShardMaker, compute_features


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    root = tiny_words.make(folder)
    settings = TrainSettings(
        data=(str(root),),
        words=("up", "down"),
        speech=(str(folder / "speech"),),
        validation_speakers=("12",),
        batch_size=64,
        windows=WindowSettings(n_rooms=20),
    )
    items = index(settings)
    return (
        settings,
        items,
        WaveformStore.build(items, folder=folder / "cache", sample_rate_hz=16000),
    )


def compose(made, n, **windows):
    settings, items, store = made
    settings = msgspec.structs.replace(settings, windows=WindowSettings(**windows))
    composer, rng = WindowComposer(settings, items, store, TRAINING), np.random.default_rng(5)
    drawn = [composer.draw(rng) for _ in range(n)]
    return np.stack([samples for samples, _ in drawn]), [settings.labels[label] for _, label in drawn]


def test_windows_come_in_the_shares_that_the_settings_say(made):
    windows, labels = compose(made, 2000)
    shares = WindowSettings()
    assert windows.shape == (2000, 16000)
    assert windows.dtype == np.int16
    for word in ("up", "down"):
        assert labels.count(word) / 2000 == pytest.approx(shares.keyword / 2, abs=0.03)
    silence = 1 - shares.keyword - shares.partial_keyword - shares.other_word - shares.running_speech
    assert labels.count(SILENCE) / 2000 == pytest.approx(silence, abs=0.03)


def test_a_keyword_window_holds_the_whole_word_and_a_cut_one_at_most_half(made):
    quiet = {
        "noise": 0.0,
        "keyword_neighbour": 0.0,
        "other_neighbour": 0.0,
        "speed": 0.0,
        "tilt": 0.0,
        "equalise": 0.0,
        "reverberation": 0.0,
        "gain_db": (0.0, 0.0),
    }
    only = {"other_word": 0.0, "running_speech": 0.0}
    whole, labels = compose(made, 200, keyword=1.0, partial_keyword=0.0, **only, **quiet)
    assert set(labels) == {"up", "down"}
    cut, cut_labels = compose(made, 200, keyword=0.0, partial_keyword=1.0, **only, **quiet)
    assert set(cut_labels) == {UNKNOWN}
    loud_whole = (np.abs(whole) > 500).sum(axis=1)
    loud_cut = (np.abs(cut) > 500).sum(axis=1)
    assert loud_whole.min() > 3000
    # No cut keeps more than half a word of the longest; on average a third of a word is left.
    assert loud_cut.max() <= 0.55 * loud_whole.max()
    assert loud_cut.mean() < 0.4 * loud_whole.mean()


ONLY_OTHER_WORDS = {
    "keyword": 0.0,
    "partial_keyword": 0.0,
    "other_word": 1.0,
    "running_speech": 0.0,
    "other_neighbour": 0.0,
    "noise": 0.0,
    "reverberation": 0.0,
}


class Heard:
    """A store of some of another's recordings, that notes which are asked for."""

    def __init__(self, store, items, kept):
        self.items, self._store = kept, store
        self._positions = [items.index(item) for item in kept]
        self.asked = []

    def is_audible(self, position):
        return self._store.is_audible(self._positions[position])

    def __getitem__(self, position):
        self.asked.append(self.items[position])
        return self._store[self._positions[position]]


def test_other_words_are_heard_equally_often_however_many_clips_they_have(made):
    settings, items, store = made
    few = [item for item in items if item.word != "flat"] + [item for item in items if item.word == "flat"][:2]
    heard = Heard(store, items, few)
    settings = msgspec.structs.replace(settings, windows=WindowSettings(**ONLY_OTHER_WORDS))
    composer, rng = WindowComposer(settings, few, heard, TRAINING), np.random.default_rng(5)
    for _ in range(400):
        composer.draw(rng)
    assert len(heard.asked) == 400
    assert [item.word for item in heard.asked].count("flat") == pytest.approx(200, abs=45)


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_synthetic_words_are_heard_as_often_as_the_settings_say(made, tmp_path, share):
    settings, _, _ = made
    windows = WindowSettings(**ONLY_OTHER_WORDS, synthetic_word=share)
    settings = msgspec.structs.replace(settings, synthetic=(str(tiny_words.make(tmp_path)),), windows=windows)
    items = index(settings)
    store = WaveformStore.build(items, folder=tmp_path / "cache", sample_rate_hz=16000)
    heard = Heard(store, items, items)
    composer, rng = WindowComposer(settings, items, heard, TRAINING), np.random.default_rng(5)
    for _ in range(400):
        composer.draw(rng)
    n_synthetic = sum(tmp_path in Path(item.path).parents for item in heard.asked)
    assert n_synthetic == pytest.approx(400 * share, abs=40 if 0 < share < 1 else 0)


def test_other_words_of_a_table_are_heard_as_those_of_a_tree(made, tmp_path):
    settings, items, _ = made
    words = [item for item in items if item.kind == WORD]
    rows = "".join(f"{item.path},,,{item.word},{item.speaker}\n" for item in words)
    (tmp_path / "table.csv").write_text(f"file,start,end,word,speaker\n{rows}")
    windows = WindowSettings(**ONLY_OTHER_WORDS)
    settings = msgspec.structs.replace(settings, data=(str(tmp_path / "table.csv"),), windows=windows)
    found = index(settings)
    store = WaveformStore.build(found, folder=tmp_path / "cache", sample_rate_hz=16000)
    heard = Heard(store, found, found)
    composer, rng = WindowComposer(settings, found, heard, TRAINING), np.random.default_rng(5)
    for _ in range(100):
        composer.draw(rng)
    assert {item.word for item in heard.asked} == {item.word for item in words} - set(settings.words)


def change_first(items, kind, **changes):
    k = next(k for k, item in enumerate(items) if item.kind == kind and item.split == TRAINING)
    return [*items[:k], msgspec.structs.replace(items[k], **changes), *items[k + 1 :]]


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        (WORD, {"split": VALIDATION}),
        (WORD, {"word": "other"}),
        (WORD, {"folder": "another"}),
        (SPEECH, {"split": VALIDATION}),
        (SPEECH, {"transcript": "UP"}),
        (NOISE, {"split": VALIDATION}),
    ],
)
def test_a_recording_that_changes_sides_or_words_is_not_met_in_windows_of_before(made, kind, change):
    settings, items, _ = made
    before = features._fingerprint(settings, items)
    assert before == features._fingerprint(settings, change_first(items, kind, path="elsewhere"))
    assert before != features._fingerprint(settings, change_first(items, kind, **change))


def test_what_there_are_no_recordings_of_leaves_its_share_to_the_others(made):
    settings, items, store = made
    without = [item for item in items if item.kind == WORD and item.word in ("up", "down")]
    positions = [items.index(item) for item in without]

    class Subset:
        def __getitem__(self, position):
            return store[positions[position]]

        def is_audible(self, position):
            return position != 0

    composer, rng = WindowComposer(settings, without, Subset(), TRAINING), np.random.default_rng(1)
    drawn = [composer.draw(rng) for _ in range(500)]
    shares = WindowSettings()
    rest = 1 - shares.keyword - shares.partial_keyword - shares.other_word - shares.running_speech
    expected = rest / (shares.keyword + shares.partial_keyword + rest)
    assert sum(settings.labels[label] == SILENCE for _, label in drawn) / 500 == pytest.approx(expected, abs=0.06)
    silent = np.stack([samples for samples, label in drawn if settings.labels[label] == SILENCE])
    assert np.abs(silent.astype(float)).mean() > 20  # noise of drawn colours, where no noise was given
    assert 0 not in np.concatenate(list(composer._clips.values()))


def test_running_speech_with_a_keyword_in_it_is_left_out(made):
    settings, items, store = made
    composer = WindowComposer(settings, items, store, TRAINING)
    used = [items[position] for position in composer._speech]
    assert len(used) == 2
    assert all(item.speaker == "11" and "UP" not in item.transcript.split() for item in used)


def test_training_and_validation_share_no_speaker_and_no_noise(made):
    settings, items, store = made
    used = {}
    for split in (TRAINING, VALIDATION):
        composer = WindowComposer(settings, items, store, split)
        positions = [*np.concatenate(list(composer._clips.values())), *composer._speech, *composer._noise]
        used[split] = {items[position].speaker for position in positions}
        assert min(len(composer._clips["up"]), len(composer._speech), len(composer._noise)) > 0
    assert used[TRAINING].isdisjoint(used[VALIDATION])


@pytest.fixture
def few(monkeypatch):
    """Make shards small enough for a test."""
    monkeypatch.setattr(features, "SHARD_WINDOWS", 64)


def test_a_shard_is_a_matter_of_seed_and_number_alone(made, few):
    settings, items, store = made
    first, again = (ShardMaker(settings, items, store, TRAINING).make(3, 64) for _ in range(2))
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])
    assert not np.array_equal(first[0], ShardMaker(settings, items, store, TRAINING).make(4, 64)[0])
    other_seed = msgspec.structs.replace(settings, seed=1)
    assert not np.array_equal(first[0], ShardMaker(other_seed, items, store, TRAINING).make(3, 64)[0])


def test_kept_windows_are_the_composed_ones_as_finely_as_int8_holds_them(made, few):
    settings, items, store = made
    maker = ShardMaker(settings, items, store, TRAINING)
    folder = store.file.parent
    shards = []
    for k in range(3):
        quantized, labels = maker.make(k, 64)
        np.save(folder / f"kept-{k}.npy", quantized)
        np.save(folder / f"kept-{k}.labels.npy", labels)
        shards.append(folder / f"kept-{k}.npy")
    kept = FeatureStore(shards)
    assert len(kept) == 3 * 64
    composer, rng = WindowComposer(settings, items, store, TRAINING), np.random.default_rng([0, 0, 1])
    drawn = [composer.draw(rng) for _ in range(64)]
    expected = compute_features(LogMel(settings.frontend), np.stack([samples for samples, _ in drawn]))
    rows = np.array([64 + 5, 64, 127])
    np.testing.assert_allclose(kept.read(rows), np.clip(expected[rows - 64], -1.0, 1.107), atol=0.5 / 121 + 1e-6)
    assert kept.labels[64:128].tolist() == [label for _, label in drawn]


def test_workers_compose_what_is_missing_and_nothing_else(made):
    settings, items, store = made
    build = partial(FeatureStore.build, settings, items, store, VALIDATION, n_windows=9000, n_workers=2)
    kept = build()
    assert len(kept) == 9000
    labels, (first, second) = kept.labels.copy(), sorted(store.file.parent.glob("*validation*-000?-*[0-9].npy"))
    assert second.name.endswith("-0001-808.npy")
    before = first.stat().st_mtime_ns
    content = second.read_bytes()
    second.unlink()
    again = build()
    assert first.stat().st_mtime_ns == before
    assert second.read_bytes() == content
    np.testing.assert_array_equal(again.labels, labels)


def test_training_sees_the_detectors_features_to_the_bit(made):
    windows, _ = compose(made, 20)
    computed = compute_features(LogMel(made[0].frontend), windows)
    for samples, expected in zip(windows, computed, strict=True):
        streaming = StreamingLogMel(made[0].frontend)
        heard = np.concatenate([streaming.feed(samples[first : first + 777]) for first in range(0, 16000, 777)])
        np.testing.assert_array_equal(heard, expected)
