import multiprocessing
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
import pytest
import tiny_words

from detector.core.frontend import LogMel, StreamingLogMel
from detector.errors import DetectorError
from training.data.collection import Collection
from training.data.items import Kind, Split
from training.run.recordings import index
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
    return settings, Collection.open(index(settings), cache=folder / "cache", sample_rate_hz=16000)


def compose(made, n, **windows):
    settings, collection = made
    settings = msgspec.structs.replace(settings, windows=WindowSettings(**windows))
    composer, rng = WindowComposer(settings, collection, Split.TRAINING), np.random.default_rng(5)
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


class Asked(Collection):
    """Some of another's recordings; notes which are asked for."""

    def __init__(self, collection, kept):
        positions = [collection.items.index(item) for item in kept]
        super().__init__(kept, [collection[position] for position in positions])
        self.asked = []

    def __getitem__(self, position):
        self.asked.append(self.items[position])
        return super().__getitem__(position)


def test_other_words_are_heard_equally_often_however_many_clips_they_have(made):
    settings, collection = made
    items = collection.items
    few = [item for item in items if item.word != "flat"] + [item for item in items if item.word == "flat"][:2]
    asked = Asked(collection, few)
    settings = msgspec.structs.replace(settings, windows=WindowSettings(**ONLY_OTHER_WORDS))
    composer, rng = WindowComposer(settings, asked, Split.TRAINING), np.random.default_rng(5)
    for _ in range(400):
        composer.draw(rng)
    assert len(asked.asked) == 400
    assert [item.word for item in asked.asked].count("flat") == pytest.approx(200, abs=45)


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_synthetic_words_are_heard_as_often_as_the_settings_say(made, tmp_path, share):
    settings, _ = made
    windows = WindowSettings(**ONLY_OTHER_WORDS, synthetic_word=share)
    settings = msgspec.structs.replace(settings, synthetic=(str(tiny_words.make(tmp_path)),), windows=windows)
    collection = Collection.open(index(settings), cache=tmp_path / "cache", sample_rate_hz=16000)
    asked = Asked(collection, collection.items)
    composer, rng = WindowComposer(settings, asked, Split.TRAINING), np.random.default_rng(5)
    for _ in range(400):
        composer.draw(rng)
    n_synthetic = sum(tmp_path in Path(item.path).parents for item in asked.asked)
    assert n_synthetic == pytest.approx(400 * share, abs=40 if 0 < share < 1 else 0)


@pytest.mark.parametrize(
    ("n_people", "share", "n_drawn"),
    [(2, 0.5, 200), (2, 0.1, 360), (20, 0.7, 143)],  # the last in proportion to the 36 of the synthesiser
)
def test_few_recordings_of_a_keyword_are_drawn_as_often_as_the_settings_say(made, tmp_path, n_people, share, n_drawn):
    settings, _ = made
    only = {**ONLY_OTHER_WORDS, "keyword": 1.0, "other_word": 0.0, "keyword_neighbour": 0.0}
    settings = msgspec.structs.replace(
        settings,
        words=("up",),
        synthetic=(str(tiny_words.make(tmp_path)),),
        windows=WindowSettings(**only, synthetic_keyword=share),
    )
    collection = Collection.open(index(settings), cache=tmp_path / "cache", sample_rate_hz=16000)
    recorded = [k for k in collection.words(Split.TRAINING)["up"] if collection.items[k].folder in settings.data]
    asked = Asked(collection, collection.without(recorded[n_people:], "not needed").items)
    composer, rng = WindowComposer(settings, asked, Split.TRAINING), np.random.default_rng(5)
    for _ in range(400):
        composer.draw(rng)
    assert {item.word for item in asked.asked} == {"up"}
    assert sum(item.folder in settings.data for item in asked.asked) == pytest.approx(n_drawn, abs=30)


def test_other_words_of_a_table_are_heard_as_those_of_a_tree(made, tmp_path):
    settings, collection = made
    words = [item for item in collection.items if item.kind == Kind.WORD]
    rows = "".join(f"{item.path},,,{item.word},{item.speaker}\n" for item in words)
    (tmp_path / "table.csv").write_text(f"file,start,end,word,speaker\n{rows}")
    windows = WindowSettings(**ONLY_OTHER_WORDS)
    settings = msgspec.structs.replace(settings, data=(str(tmp_path / "table.csv"),), windows=windows)
    collection = Collection.open(index(settings), cache=tmp_path / "cache", sample_rate_hz=16000)
    asked = Asked(collection, collection.items)
    composer, rng = WindowComposer(settings, asked, Split.TRAINING), np.random.default_rng(5)
    for _ in range(100):
        composer.draw(rng)
    assert {item.word for item in asked.asked} == {item.word for item in words} - set(settings.words)


def change_first(items, kind, **changes):
    k = next(k for k, item in enumerate(items) if item.kind == kind and item.split == Split.TRAINING)
    return [*items[:k], msgspec.structs.replace(items[k], **changes), *items[k + 1 :]]


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        (Kind.WORD, {"split": Split.VALIDATION}),
        (Kind.WORD, {"word": "other"}),
        (Kind.WORD, {"folder": "another"}),
        (Kind.SPEECH, {"split": Split.VALIDATION}),
        (Kind.SPEECH, {"transcript": "UP"}),
        (Kind.NOISE, {"split": Split.VALIDATION}),
    ],
)
def test_a_recording_that_changes_sides_or_words_is_not_met_in_windows_of_before(made, kind, change):
    settings, collection = made
    items = collection.items
    before = features._fingerprint(settings, items)
    assert before == features._fingerprint(settings, change_first(items, kind, path="elsewhere"))
    assert before != features._fingerprint(settings, change_first(items, kind, **change))


def test_what_there_are_no_recordings_of_leaves_its_share_to_the_others(made):
    settings, collection = made
    kept = [k for k, item in enumerate(collection.items) if item.word in ("up", "down")]
    silence = np.zeros_like(collection[kept[0]])
    without = Collection([collection.items[k] for k in kept], [silence, *(collection[k] for k in kept[1:])])
    composer, rng = WindowComposer(settings, without, Split.TRAINING), np.random.default_rng(1)
    drawn = [composer.draw(rng) for _ in range(500)]
    shares = WindowSettings()
    rest = 1 - shares.keyword - shares.partial_keyword - shares.other_word - shares.running_speech
    expected = rest / (shares.keyword + shares.partial_keyword + rest)
    assert sum(settings.labels[label] == SILENCE for _, label in drawn) / 500 == pytest.approx(expected, abs=0.06)
    silent = np.stack([samples for samples, label in drawn if settings.labels[label] == SILENCE])
    assert np.abs(silent.astype(float)).mean() > 20  # noise of drawn colours, where no noise was given
    assert 0 not in np.concatenate([clips for groups in composer._clips.values() for clips in groups])


def test_running_speech_with_a_keyword_in_it_is_left_out(made):
    settings, collection = made
    composer = WindowComposer(settings, collection, Split.TRAINING)
    used = [collection.items[position] for position in composer._speech]
    assert len(used) == 2
    assert all(item.speaker == "11" and "UP" not in item.transcript.split() for item in used)


def test_training_and_validation_share_no_speaker_and_no_noise(made):
    settings, collection = made
    used = {}
    for split in (Split.TRAINING, Split.VALIDATION):
        composer = WindowComposer(settings, collection, split)
        positions = [
            *np.concatenate([clips for groups in composer._clips.values() for clips in groups]),
            *composer._speech,
            *composer._acoustics._noises,
        ]
        used[split] = {collection.items[position].speaker for position in positions}
        assert min(len(composer._clips["up"][0]), len(composer._speech), len(composer._acoustics._noises)) > 0
    assert used[Split.TRAINING].isdisjoint(used[Split.VALIDATION])


@pytest.fixture
def few(monkeypatch):
    """Make shards small enough for a test."""
    monkeypatch.setattr(features, "SHARD_WINDOWS", 64)


def test_a_shard_is_a_matter_of_seed_and_number_alone(made, few):
    settings, collection = made
    first, again = (ShardMaker(settings, collection, Split.TRAINING).make(3, 64) for _ in range(2))
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])
    assert not np.array_equal(first[0], ShardMaker(settings, collection, Split.TRAINING).make(4, 64)[0])
    other_seed = msgspec.structs.replace(settings, seed=1)
    assert not np.array_equal(first[0], ShardMaker(other_seed, collection, Split.TRAINING).make(3, 64)[0])


def test_kept_windows_are_the_composed_ones_as_finely_as_int8_holds_them(made, few):
    settings, collection = made
    maker = ShardMaker(settings, collection, Split.TRAINING)
    folder = collection.store.file.parent
    shards = []
    for k in range(3):
        quantized, labels = maker.make(k, 64)
        np.save(folder / f"kept-{k}.npy", quantized)
        np.save(folder / f"kept-{k}.labels.npy", labels)
        shards.append(folder / f"kept-{k}.npy")
    kept = FeatureStore(shards)
    assert len(kept) == 3 * 64
    composer, rng = WindowComposer(settings, collection, Split.TRAINING), np.random.default_rng([0, 0, 1])
    drawn = [composer.draw(rng) for _ in range(64)]
    expected = compute_features(LogMel(settings.frontend), np.stack([samples for samples, _ in drawn]))
    rows = np.array([64 + 5, 64, 127])
    np.testing.assert_allclose(kept.read(rows), np.clip(expected[rows - 64], -1.0, 1.107), atol=0.5 / 121 + 1e-6)
    assert kept.labels[64:128].tolist() == [label for _, label in drawn]


def test_workers_compose_what_is_missing_and_nothing_else(made):
    settings, collection = made
    build = partial(FeatureStore.build, settings, collection, Split.VALIDATION, n_windows=9000, n_workers=2)
    kept = build()
    assert len(kept) == 9000
    labels, (first, second) = (
        kept.labels.copy(),
        sorted(collection.store.file.parent.glob("*validation*-000?-*[0-9].npy")),
    )
    assert second.name.endswith("-0001-808.npy")
    before = first.stat().st_mtime_ns
    content = second.read_bytes()
    second.unlink()
    again = build()
    assert first.stat().st_mtime_ns == before
    assert second.read_bytes() == content
    np.testing.assert_array_equal(again.labels, labels)


@pytest.fixture
def alone(made, tmp_path):
    """The recordings of `made`, decoded into a folder that a test may damage."""
    settings, collection = made
    return settings, Collection.open(collection.items, cache=tmp_path / "cache", sample_rate_hz=16000)


def test_a_worker_that_cannot_begin_is_one_error_and_leaves_nothing(alone):
    settings, collection = alone
    kept = collection.store.file
    kept.with_suffix(".offsets.npy").unlink()
    with pytest.raises(DetectorError, match="expected worker processes to compose validation windows, found that one"):
        FeatureStore.build(settings, collection, Split.VALIDATION, n_windows=64, n_workers=2)
    assert sorted(kept.parent.iterdir()) == [kept.with_suffix(".contents.npy"), kept]
    assert multiprocessing.active_children() == []


def test_an_error_of_a_worker_is_that_of_the_training_and_what_is_whole_is_kept(alone):
    settings, collection = alone
    n_before = len(list(collection.store.file.parent.iterdir()))
    nobody = msgspec.structs.replace(settings, words=("up", "nothing"))
    with pytest.raises(ValueError, match="high <= 0"):
        FeatureStore.build(nobody, collection, Split.VALIDATION, n_windows=9000, n_workers=2)
    assert len(list(collection.store.file.parent.iterdir())) == n_before
    assert multiprocessing.active_children() == []


def test_training_sees_the_detectors_features_to_the_bit(made):
    windows, _ = compose(made, 20)
    computed = compute_features(LogMel(made[0].frontend), windows)
    for samples, expected in zip(windows, computed, strict=True):
        streaming = StreamingLogMel(made[0].frontend)
        heard = np.concatenate([streaming.feed(samples[first : first + 777]) for first in range(0, 16000, 777)])
        np.testing.assert_array_equal(heard, expected)


@pytest.mark.parametrize(
    "changed",
    [
        {"neighbour_speech": 0.0},
        {"neighbour_s": (0.1, 0.15)},
        {"neighbour_db": (20.0, 20.0)},
        {"word_margin_s": 0.01},
        {"pause_level": 0.9},
        {"noise_pair_db": (30.0, 30.0)},
        {"coloured_noise": 1.0},
        {"coloured_slope": (0.0, 0.0)},
        {"silence_noise": 0.0},
        {"silence_db": (10.0, 10.0)},
        {"self_noise_rms": 100.0},
        {"telephone": 1.0},
        {"telephone_hz": (1000.0, 1500.0)},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_every_number_of_composing_is_a_setting(made, changed):
    always = {"equalise": 1.0, "telephone": 0.5, "noise_pair": 0.5, "n_rooms": 2, "coloured_noise": 0.3}
    usual, _ = compose(made, 40, **always)
    other, _ = compose(made, 40, **(always | changed))
    assert not np.array_equal(usual, other)


def test_words_are_drawn_without_a_margin_too(made):
    """Less than a sample is none; it once left nothing to draw from."""
    words = {"keyword": 1.0, "partial_keyword": 0.0, "other_word": 0.0, "running_speech": 0.0}
    without, labels = compose(made, 20, word_margin_s=0.0, n_rooms=2, **words)
    assert set(labels) == {"up", "down"}
    np.testing.assert_array_equal(without, compose(made, 20, word_margin_s=1e-6, n_rooms=2, **words)[0])
