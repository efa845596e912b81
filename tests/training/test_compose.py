"""Recordings composed from pieces: what is said stands where the truth says."""

import itertools
import logging
from collections import Counter
from pathlib import Path

import msgspec
import numpy as np
import pytest
import tiny_words

from detector import Detection
from detector.errors import AudioFileError, SettingsError
from training.data.collection import Collection
from training.data.items import Kind, Split
from training.data.layouts import index_folders
from training.evaluate.judge import judge
from training.evaluate.streams import (
    SPEECH_GAP_S,
    Truth,
    TruthWord,
    compose,
    read_truth,
    speech_pieces,
    untrained_noises,
    word_pieces,
    write_stream,
)


def test_a_truth_file_is_read_and_others_are_refused(tmp_path):
    file = tmp_path / "a.json"
    file.write_text('{"words": [{"word": "yes", "start_s": 1, "end_s": 1.5}], "hours": 0.1}')
    assert read_truth(file, 360.0) == Truth([TruthWord("yes", 1.0, 1.5)], 0.1)
    file.write_text('{"words": 3}')
    with pytest.raises(SettingsError, match="expected"):
        read_truth(file, 360.0)
    file.write_text('{"words": [], "hours": -0.1}')
    with pytest.raises(SettingsError, match="hours"):
        read_truth(file, 360.0)
    with pytest.raises(AudioFileError):
        read_truth(tmp_path / "b.json", 360.0)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The tiny data set."""
    folder = tmp_path_factory.mktemp("tiny")
    items = index_folders(
        data=[str(tiny_words.make(folder))], noise=[], speech=[str(folder / "speech")], validation_speakers=["12"]
    )
    return Collection.open(items, cache=folder / "cache", sample_rate_hz=16000)


def words(made, *, n_words=None, snr_db=None, only=(), seed=3):
    rng = np.random.default_rng(seed)
    pieces = word_pieces(made, split=Split.VALIDATION, n_words=n_words, sample_rate_hz=16000, rng=rng, only=only)
    noises = untrained_noises(made) if snr_db is not None else ()
    return compose(pieces, gap_s=(0.4, 2.0), sample_rate_hz=16000, rng=rng, noises=noises, snr_db=snr_db)


def speech(made, **changes):
    pieces = speech_pieces(made, split=Split.VALIDATION, **({"without": []} | changes))
    return compose(pieces, gap_s=SPEECH_GAP_S, sample_rate_hz=16000, rng=np.random.default_rng(3))


def test_composed_words_stand_where_the_truth_says(made):
    samples, truth = words(made)
    assert len(samples) == round(truth.hours * 3600 * 16000)
    loud = np.abs(samples.astype(float)) > 500
    inside = np.zeros(len(samples), dtype=bool)
    for word in truth.words:
        first, last = round(word.start_s * 16000), round(word.end_s * 16000)
        inside[first:last] = True
        assert loud[first:last].mean() > 0.5
    assert loud[~inside].mean() < 0.01
    gaps_s = [b.start_s - a.end_s for a, b in itertools.pairwise(truth.words)]
    assert min(gaps_s) >= 0.4 - 1e-3
    assert max(gaps_s) <= 2.0 + 1e-3
    assert Counter(word.word for word in truth.words) == dict.fromkeys(tiny_words.WORDS, 8)


def test_composed_noise_lies_as_far_below_the_words_as_asked_for(made):
    clean, _ = words(made)
    noisy, truth = words(made, snr_db=10.0)
    noise_rms = np.sqrt(np.mean((noisy.astype(float) - clean) ** 2))
    spans = [clean[round(w.start_s * 16000) : round(w.end_s * 16000)].astype(float) for w in truth.words]
    words_rms = np.mean([np.sqrt(np.mean(span**2)) for span in spans])
    assert 20 * np.log10(words_rms / noise_rms) == pytest.approx(10.0, abs=0.2)


def test_only_some_words_are_composed_when_asked_for(made):
    _, truth = words(made, n_words=6, only=["up"])
    assert {word.word for word in truth.words} == {"up"}
    assert len({word.word for word in words(made, n_words=3)[1].words}) == 3


def test_equal_seeds_compose_equal_recordings(made):
    first, again, other = words(made, seed=5), words(made, seed=5), words(made, seed=6)
    np.testing.assert_array_equal(first[0], again[0])
    assert first[1] == again[1]
    assert first[1] != other[1]


def test_composed_speech_leaves_out_utterances_with_a_keyword(made):
    every, _ = speech(made, only=["flat"])
    without, truth = speech(made, without=["up"])
    only, _ = speech(made, only=["up"])
    assert (truth.words, truth.confusable) == ([], [])
    assert len(without) == round(truth.hours * 3600 * 16000)
    # Each begins with one second of silence and ends with two; between two utterances lies half a second.
    assert len(every) == len(without) + len(only) - 3 * 16000 + 8000
    with pytest.raises(SettingsError, match="found none that fit"):
        speech(made, without=["flat"])


def test_confusable_utterances_are_marked_and_their_time_does_not_count(made):
    samples, truth = speech(made, confusable=["up"])
    assert {utterance.word for utterance in truth.confusable} == {"up"}
    marked_s = sum(utterance.end_s + 0.75 - utterance.start_s for utterance in truth.confusable)
    assert truth.hours * 3600 == pytest.approx(len(samples) / 16000 - marked_s)
    for utterance in truth.confusable:
        assert np.abs(samples[round(utterance.start_s * 16000) : round(utterance.end_s * 16000)]).max() > 1000


def test_time_between_two_confusable_utterances_is_exempt_once(made):
    """Half a second apart, the second begins before the first's three quarters of a second are over."""
    pieces = 3 * speech_pieces(made, split=Split.VALIDATION, without=[], only=["up"], confusable=["up"])
    samples, truth = compose(pieces, gap_s=SPEECH_GAP_S, sample_rate_hz=16000, rng=np.random.default_rng(3))
    assert len(truth.confusable) == 3
    first, last = truth.confusable[0].start_s, truth.confusable[-1].end_s + 0.75
    assert truth.hours * 3600 == pytest.approx(len(samples) / 16000 - (last - first))


def test_words_and_speech_can_be_mixed(made):
    pieces = word_pieces(made, split=Split.VALIDATION, n_words=5, sample_rate_hz=16000, rng=np.random.default_rng(1))
    pieces = [pieces[0], *speech_pieces(made, split=Split.VALIDATION, without=[]), *pieces[1:]]
    samples, truth = compose(pieces, gap_s=(1.0, 1.0), sample_rate_hz=16000, rng=np.random.default_rng(1))
    assert len(truth.words) == 5
    starts = [word.start_s for word in truth.words]
    assert starts == sorted(starts)
    said_s = sum((piece.last - piece.first) / 16000 for piece in pieces)
    assert len(samples) / 16000 == pytest.approx(1.0 + said_s + (len(pieces) - 1) * 1.0 + 2.0)


def test_no_clip_is_heard_twice_and_words_are_said_equally_often(made):
    draw = {"split": Split.VALIDATION, "sample_rate_hz": 16000}
    pieces = word_pieces(made, rng=np.random.default_rng(1), **draw)
    assert len({piece.sound.tobytes() for piece in pieces}) == len(pieces) == 32
    some = word_pieces(made, rng=np.random.default_rng(1), n_words=12, **draw)
    assert Counter(piece.word for piece in some) == dict.fromkeys(tiny_words.WORDS, 3)
    assert [piece.word for piece in some] != sorted(piece.word for piece in some)
    with pytest.raises(SettingsError, match="expected 33 word clips in the validation split, found 32"):
        word_pieces(made, rng=np.random.default_rng(1), n_words=33, **draw)


def test_clips_fade_in_and_out(made):
    draw = {"split": Split.VALIDATION, "sample_rate_hz": 16000}
    for piece in word_pieces(made, rng=np.random.default_rng(1), **draw):
        assert piece.sound[0] == piece.sound[-1] == 0


def test_utterances_without_a_transcript_are_left_out_and_counted(made, caplog):
    items = made.items
    unknown = [msgspec.structs.replace(item, transcript="") if item.kind == Kind.SPEECH else item for item in items]
    n_unknown = sum(item.kind == Kind.SPEECH and item.split == Split.VALIDATION for item in items)
    with pytest.raises(SettingsError, match="found none that fit"), caplog.at_level(logging.INFO):
        speech(Collection(unknown, made.store), without=["up"])
    assert f"{n_unknown} utterances have no transcript" in caplog.text


@pytest.mark.parametrize(
    ("words_", "hours", "said"),
    [
        ([], 1.0, "expected hours of the recording's 10.0 s"),
        ([], 0.02, "found 0.02 h"),
        ([TruthWord("up", 2.0, 12.0)], 0.001, "found 'up' from 2 to 12 s"),
        ([TruthWord("up", 2.0, 1.0)], 0.001, "found 'up' from 2 to 1 s"),
        ([TruthWord("up", -1.0, 1.0)], 0.001, "found 'up' from -1 to 1 s"),
        ([TruthWord("up", 1e308, 1.1e308)], 0.001, "found 'up' from 1e"),
    ],
)
def test_a_truth_of_another_recording_is_refused(tmp_path, words_, hours, said):
    file = tmp_path / "truth.json"
    file.write_bytes(msgspec.json.encode(Truth(words_, hours)))
    with pytest.raises(SettingsError, match=said):
        read_truth(file, 10.0)


def test_a_truth_may_be_written_by_hand(tmp_path):
    """With a byte-order mark, spaces around words, nobody's name, and hours that were rounded up."""
    file = tmp_path / "truth.json"
    word = '{"word": " YES ", "start_s": 1, "end_s": 2, "speaker": null}'
    file.write_text(f'{{"words": [{word}], "hours": 0.01}}', encoding="utf-8-sig")
    truth = read_truth(file, 10.0)
    assert judge([Detection("yes", 0.9, 2.1, 1.0)], truth, ("yes",)).missed.n_events == 0


def test_noises_of_the_training_split_are_left_out_unless_all_are_asked_for(made, caplog):
    items = made.items
    with caplog.at_level(logging.INFO):
        assert len(untrained_noises(made)) < sum(item.kind == Kind.NOISE for item in items)
    assert "are of the training split and left out" in caplog.text
    of_training = [msgspec.structs.replace(item, split=Split.TRAINING) for item in items]
    with pytest.raises(SettingsError, match="--split all takes them"):
        untrained_noises(Collection(of_training, made.store))


def test_what_cannot_be_written_leaves_what_was_there(made, tmp_path, monkeypatch):
    samples, truth = words(made)
    write_stream(samples, truth, tmp_path / "a.wav", 16000)
    before = [(file.name, file.read_bytes()) for file in sorted(tmp_path.iterdir())]
    with pytest.raises(SettingsError, match="a file with a header"):
        write_stream(samples, truth, tmp_path / "a.raw", 16000)
    write_bytes = Path.write_bytes

    def refuse(file, content):
        if file.suffix == ".json":
            raise OSError(28, "No space left on device")
        write_bytes(file, content)

    monkeypatch.setattr(Path, "write_bytes", refuse)
    with pytest.raises(OSError, match="No space left"):
        write_stream(samples[:100], truth, tmp_path / "a.wav", 16000)
    assert [(file.name, file.read_bytes()) for file in sorted(tmp_path.iterdir())] == before


def test_the_truth_knows_who_speaks(made):
    items = made.items
    speakers = {item.speaker for item in items if item.split == Split.VALIDATION}
    assert {word.speaker for word in words(made)[1].words} <= speakers - {""}
