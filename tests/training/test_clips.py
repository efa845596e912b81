"""Accuracy on clips: which are chosen, how they are cut, how answers are counted."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.errors import SettingsError
from training.data.collection import Collection
from training.data.items import Item, Kind, Split
from training.evaluate.clips import choose_clips, cut_silence, evaluate_clips, fit_window, fit_word, gather_clips
from training.run.settings import TrainSettings

WINDOW = 16000
LABELS = ("silence", "unknown", "yes", "no")


def clip(value, n_samples=WINDOW):
    return np.full(n_samples, value, dtype=np.int16)


def collect(**counts):
    """Return a collection of validation clips, so many of each word; clip k of a word is of value k + 1."""
    items, sounds = [], []
    for word, n_clips in counts.items():
        kind = Kind.NOISE if word == "hum" else Kind.WORD
        for k in range(n_clips):
            items.append(Item(f"{word}/{k}.wav", kind, Split.VALIDATION, word="" if word == "hum" else word))
            sounds.append(clip(k + 1, 3 * WINDOW if word == "hum" else WINDOW))
    return Collection(items, sounds)


@given(n_samples=st.integers(0, 300), n_window=st.integers(1, 200))
def test_a_window_is_the_middle_of_a_clip_or_has_the_clip_in_its_middle(n_samples, n_window):
    samples = np.arange(1, n_samples + 1, dtype=np.int16)
    window = fit_window(samples, n_window)
    assert window.shape == (n_window,)
    kept = window[window > 0]
    assert len(kept) == min(n_samples, n_window)
    if n_samples >= n_window:
        before = (n_samples - n_window) // 2
        np.testing.assert_array_equal(window, samples[before : before + n_window])
    else:
        before = (n_window - n_samples) // 2
        np.testing.assert_array_equal(window[before : before + n_samples], samples)


def test_all_clips_of_keywords_are_chosen_and_as_many_of_each_other_word():
    collection = collect(yes=5, no=3, cat=7, dog=2, house=4)
    chosen = choose_clips(collection, ["yes", "no"], Split.VALIDATION, np.random.default_rng(0))
    words = [collection.items[position].word for position, _ in chosen]
    assert {word: words.count(word) for word in set(words)} == {"yes": 5, "no": 3, "cat": 2, "dog": 2, "house": 2}
    assert len({position for position, _ in chosen}) == len(chosen), "no clip twice"
    for (_, label), word in zip(chosen, words, strict=True):
        assert label == (word if word in ("yes", "no") else "unknown")


def test_which_clips_of_other_words_are_chosen_is_a_matter_of_the_seed():
    collection = collect(yes=1, cat=40, dog=5)
    chosen = [choose_clips(collection, ["yes"], Split.VALIDATION, np.random.default_rng(seed)) for seed in (0, 0, 1)]
    assert chosen[0] == chosen[1] != chosen[2]


def test_a_split_without_the_keywords_is_refused():
    with pytest.raises(SettingsError, match="expected clips of yes, no in the validation split, found none"):
        choose_clips(collect(cat=3), ["yes", "no"], Split.VALIDATION, np.random.default_rng(0))


def test_silence_is_cut_out_of_the_noises_in_turn_and_of_none_that_was_trained_on():
    collection = collect(hum=3)
    windows = cut_silence(collection, 7, WINDOW, np.random.default_rng(0))
    assert [int(window[0]) for window in windows] == [1, 2, 3, 1, 2, 3, 1]
    assert {window.shape for window in windows} == {(WINDOW,)}
    trained = Collection([Item("a.wav", Kind.NOISE, Split.TRAINING)], [clip(1)])
    assert cut_silence(trained, 7, WINDOW, np.random.default_rng(0)) == []


def test_a_noise_that_is_shorter_than_a_window_is_filled_up():
    short = Collection([Item("a.wav", Kind.NOISE, Split.VALIDATION)], [clip(9, 100)])
    (window,) = cut_silence(short, 1, WINDOW, np.random.default_rng(0))
    assert (window.shape, np.count_nonzero(window)) == ((WINDOW,), 100)


def test_there_is_as_much_silence_as_there_are_clips_of_a_keyword():
    settings = TrainSettings(data=("words",), words=("yes", "no"))
    features, truths = gather_clips(collect(yes=6, no=4, cat=3, hum=2), settings)
    assert {label: truths.count(label) for label in LABELS} == {"silence": 5, "unknown": 3, "yes": 6, "no": 4}
    assert features.shape == (18, 49, 40)


def test_a_model_without_silence_and_unknown_cannot_be_measured_on_clips():
    class Bare:
        labels, words = ("yes", "no"), ("yes", "no")

    with pytest.raises(SettingsError, match="expected a model with the labels silence and unknown"):
        gather_clips(collect(yes=1, no=1), Bare())


class Manifest:
    labels, words = LABELS, ("yes", "no")


def answers(*labels):
    """Return a scoring function that answers with these labels in turn."""
    rows = iter([0.1 + 0.9 * np.eye(len(LABELS))[LABELS.index(label)] for label in labels])
    return lambda _features: next(rows)


def evaluate(truths, given_answers):
    features = np.zeros((len(truths), 1, 1), dtype=np.float32)
    return evaluate_clips(answers(*given_answers), features, truths, Manifest(), split=Split.VALIDATION)


def test_answers_are_counted_by_truth_and_answer():
    truths = ["yes", "yes", "yes", "no", "unknown", "unknown", "silence"]
    report = evaluate(truths, ["yes", "no", "unknown", "no", "unknown", "yes", "silence"])
    assert report.confusion == [[1, 0, 0, 0], [0, 1, 1, 0], [0, 1, 1, 1], [0, 0, 0, 1]]
    assert {label: rate.value for label, rate in report.recall.items()} == pytest.approx(
        {"silence": 1.0, "unknown": 0.5, "yes": 1 / 3, "no": 1.0}
    )
    assert {label: rate.value for label, rate in report.precision.items()} == pytest.approx(
        {"silence": 1.0, "unknown": 0.5, "yes": 0.5, "no": 0.5}
    )
    assert report.accuracy.value == pytest.approx((1.0 + 0.5 + 1 / 3 + 1.0) / 4)


def test_labels_without_clips_count_in_no_mean():
    report = evaluate(["yes", "no"], ["yes", "yes"])
    assert report.accuracy.value == pytest.approx(0.5)
    assert report.present() == ["yes", "no"]


def test_keywords_are_compared_among_themselves_whatever_else_scores_higher():
    class Sure:
        """Thinks everything unknown, and of the keywords the first."""

        def __call__(self, _features):
            return np.array([0.1, 0.9, 0.5, 0.4])

    features = np.zeros((4, 1, 1), dtype=np.float32)
    report = evaluate_clips(Sure(), features, ["yes", "yes", "no", "silence"], Manifest(), split=Split.VALIDATION)
    assert (report.words_alone.n_events, report.words_alone.n_trials) == (2, 3)
    assert report.recall["yes"].value == 0.0


def test_the_report_names_the_split_and_draws_the_table():
    lines = evaluate(["yes", "no", "unknown", "silence"], ["yes", "no", "unknown", "silence"]).lines()
    assert lines[0].startswith("clip accuracy, validation speakers, mean recall of silence, unknown, yes, no: 100")
    table = lines[lines.index("confusion (rows: spoken, columns: answered)") + 1 :]
    assert table[0].split() == list(LABELS)
    assert [row.split()[0] for row in table[1:]] == list(LABELS)
    assert [[int(n) for n in row.split()[1:]] for row in table[1:]] == np.eye(4, dtype=int).tolist()


def test_of_a_longer_clip_the_window_holds_the_word_wherever_it_is():
    for first in (0, 100, 20_000, 39_000):
        samples = np.zeros(48_000, dtype=np.int16)
        samples[first : first + 8000] = 500
        window = fit_word(samples, 16_000, 16_000)
        assert (len(window), np.count_nonzero(window)) == (16_000, 8000)
    short = np.ones(900, dtype=np.int16)
    np.testing.assert_array_equal(fit_word(short, 16_000, 16_000), fit_window(short, 16_000))
