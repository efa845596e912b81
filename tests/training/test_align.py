"""Words aligned in sentences that a synthesiser spoke word by word, so that it is known where each one is."""

import csv
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from commands import KEYWORD_TRAINER, assert_one_line, call

from detector.errors import SettingsError

pytest.importorskip("tqdm", reason="needs the extra train: pip install 'keyword-detector[train-cpu]'")
pytest.importorskip("pocketsphinx", reason="needs the extra align: pip install 'keyword-detector[align]'")

from detector.learn.voices import Voice, speak
from training.align import aligner as aligners
from training.align import table as tables
from training.align.aligner import Aligner, Skipped
from training.align.pronounce import pronounce
from training.align.table import align, find_utterances
from training.data.decode import find_word
from training.data.layouts import index_words

needs_espeak = pytest.mark.skipif(
    shutil.which("espeak-ng") is None, reason="needs espeak-ng: apt-get install espeak-ng"
)
needs_flite = pytest.mark.skipif(shutil.which("flite") is None, reason="needs flite: apt-get install flite")

VOICE = Voice(name="espeak-en-us", engine="espeak-ng", code="en-us")
RATE_HZ = 16000
SENTENCES = {
    "1-2-0000": "the old man went down to the river",
    "1-2-0001": "seven people came into the house",
    "3-4-0000": "she opened the window and looked at the garden",
}


def say(text):
    """Return a sentence, word after word with pauses, and where each of them is, in seconds."""
    pieces, bounds, position = [np.zeros(RATE_HZ // 3, np.int16)], [], RATE_HZ // 3
    for word in text.split():
        spoken = speak(VOICE, word, pace=0.5, pitch=0.5)
        spoken = spoken[slice(*find_word(spoken, RATE_HZ))]
        bounds.append((position / RATE_HZ, (position + len(spoken)) / RATE_HZ))
        pieces += [spoken, np.zeros(RATE_HZ // 10, np.int16)]
        position += len(spoken) + RATE_HZ // 10
    noise = np.random.default_rng(0).normal(0.0, 10.0, position + RATE_HZ // 3)
    pieces.append(np.zeros(RATE_HZ // 3, np.int16))
    return (np.concatenate(pieces) + noise).astype(np.int16), bounds


@pytest.fixture(scope="module")
def sentences():
    return {name: say(text) for name, text in SENTENCES.items()}


@pytest.fixture
def speech(tmp_path, sentences):
    """LibriSpeech's layout: two speakers."""
    root = tmp_path / "speech"
    for name, (samples, _) in sentences.items():
        speaker, chapter, _number = name.split("-")
        folder = root / speaker / chapter
        folder.mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / f"{name}.flac", samples, RATE_HZ)
        with open(folder / f"{speaker}-{chapter}.trans.txt", "a", encoding="utf-8") as file:
            file.write(f"{name} {SENTENCES[name].upper()}\n")
    return root


def read(table):
    with open(table, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@needs_espeak
def test_words_are_found_where_they_were_put(tmp_path, speech, sentences):
    lines = align([str(speech)], tmp_path / "words.csv", n_workers=1)
    assert "23 words in 3 of 3 utterances" in lines[0]
    assert "2 speakers" in lines[0]
    rows = read(tmp_path / "words.csv")
    assert list(rows[0]) == ["file", "word", "start_s", "end_s", "speaker"]
    assert [row["word"] for row in rows] == " ".join(SENTENCES.values()).split()
    known = [bound for _, bounds in sentences.values() for bound in bounds]
    off_s = [
        abs(float(row[column]) - truth_s)
        for row, bounds in zip(rows, known, strict=True)
        for column, truth_s in zip(("start_s", "end_s"), bounds, strict=True)
    ]
    assert np.mean(np.array(off_s) <= 0.1) >= 0.85
    assert np.mean(np.array(off_s) <= 0.05) >= 0.6
    assert {row["speaker"] for row in rows if "3-4" in row["file"]} == {"3"}


@needs_espeak
def test_the_table_of_words_is_data_to_train_on(tmp_path, speech):
    align([str(speech)], tmp_path / "words.csv", n_workers=1)
    items = list(index_words(str(tmp_path / "words.csv")))
    rows = read(tmp_path / "words.csv")
    assert rows[0]["file"] == "speech/1/2/1-2-0000.flac"
    assert [(item.word, item.speaker) for item in items] == [(row["word"], row["speaker"]) for row in rows]
    assert items[0].span_s == (float(rows[0]["start_s"]), float(rows[0]["end_s"]))


@needs_espeak
def test_lj_speech_is_one_speaker_and_its_last_column_is_what_is_said(tmp_path, sentences):
    folder = tmp_path / "lj"
    folder.mkdir()
    soundfile.write(folder / "LJ1.wav", sentences["1-2-0001"][0], RATE_HZ)
    (folder / "metadata.csv").write_text("LJ1|7 people came|Seven people came into the house.\n")
    align([str(folder)], tmp_path / "words.csv", n_workers=1)
    rows = read(tmp_path / "words.csv")
    assert [row["word"] for row in rows] == SENTENCES["1-2-0001"].split()
    assert {row["speaker"] for row in rows} == {"lj"}


@needs_espeak
def test_what_cannot_be_aligned_is_left_out_and_counted_by_reason(tmp_path, speech, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))  # without flite, in the workers too
    samples, _ = soundfile.read(speech / "1/2/1-2-0000.flac", dtype="int16")
    texts = {
        "1-5-0000": "IN 1984 HE LEFT",
        "1-5-0001": "THE QWORTZELFLAP LEFT",
        "1-5-0002": "AND " * 60,
        "1-5-0004": "THE END",
    }
    (speech / "1/5").mkdir()
    for name in (*texts, "1-5-0003"):
        soundfile.write(speech / f"1/5/{name}.flac", samples[:32000], RATE_HZ)
    (speech / "1/5/1-5-0004.flac").write_bytes(b"fLaC and then nothing")
    (speech / "1/5/1-5.trans.txt").write_text("".join(f"{name} {text}\n" for name, text in texts.items()))
    lines = align([str(speech)], tmp_path / "words.csv", n_workers=1)
    assert "23 words in 3 of 8 utterances" in lines[0]
    for reason in Skipped:
        assert sum(line.startswith(f"left out: 1 utterances {reason}") for line in lines) == 1
    (unknown,) = [line for line in lines if line.startswith("words whose pronunciation is not known: qwortzelflap")]
    assert "apt-get install flite" in unknown
    assert len(read(tmp_path / "words.csv")) == 23


@needs_espeak
def test_an_interrupted_table_goes_on_with_what_is_done(tmp_path, speech, monkeypatch):
    align([str(speech)], tmp_path / "whole.csv", n_workers=2)
    all_of_it = tables._align_all

    def interrupted(utterances, n_workers):
        yield from list(all_of_it(utterances[:2], n_workers))
        raise KeyboardInterrupt

    table = tmp_path / "words.csv"
    monkeypatch.setattr(tables, "_align_all", interrupted)
    with pytest.raises(KeyboardInterrupt):
        align([str(speech)], table, n_workers=1)
    assert not table.exists()
    with open(tmp_path / "words.csv.partial", "ab") as partial:
        partial.write(b'{"utterance": {"pa')  # as a kill in the middle of a line leaves it
    handed = []

    def remembered(utterances, n_workers):
        handed.extend(Path(utterance.path).stem for utterance in utterances)
        return all_of_it(utterances, n_workers)

    monkeypatch.setattr(tables, "_align_all", remembered)
    align([str(speech)], table, n_workers=1)
    assert handed == ["3-4-0000"]
    assert table.read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert sorted(path.name for path in tmp_path.glob("words*")) == ["words.csv"]


@needs_espeak
def test_what_another_version_aligned_is_done_anew(tmp_path, speech):
    (tmp_path / "words.csv.partial").write_text('{"aligner": "0.1", "has_flite": false}\nrest\n')
    lines = align([str(speech)], tmp_path / "words.csv", n_workers=1)
    assert "23 words in 3 of 3 utterances" in lines[0]


@needs_espeak
def test_an_utterance_is_aligned_alike_whatever_came_before_it(sentences):
    samples, _ = sentences["1-2-0000"]
    words = SENTENCES["1-2-0000"].split()
    # Cut in the middle of words: what the aligner last heard is then not silence.
    rest = [(samples[: len(samples) // parts], words[: len(words) // parts]) for parts in (2, 3)]
    rest += [(other[: len(other) // 2], SENTENCES[name].split()[:3]) for name, (other, _) in sentences.items()]
    fresh = Aligner().align(samples, words)
    used = Aligner()
    for other, text in rest:
        used.align(other, text)
        assert used.align(samples, words) == fresh


@needs_flite
def test_flite_pronounces_a_word_that_the_dictionary_lacks():
    assert pronounce("cat") == "K AE T"
    assert pronounce("about") == "AH B AW T"
    assert pronounce("fulness") == "F UH L N AH S"
    assert pronounce("\u00e9lan") is None
    aligner = Aligner()
    assert aligner.find_unknown(["fulness", "cat", "\u00e9lan"]) == ["\u00e9lan"]


def test_folders_that_overlap_hold_each_recording_once(tmp_path):
    (tmp_path / "a").mkdir()
    soundfile.write(tmp_path / "a/1-2-0.wav", np.ones(160, np.int16), RATE_HZ)
    (tmp_path / "a/1-2.trans.txt").write_text("1-2-0 IT\u2019S WELL-KNOWN\n")
    (utterance,) = find_utterances([str(tmp_path), str(tmp_path / "a")])
    assert utterance.words == ("it's", "well", "known")
    assert utterance.is_spelt


def test_without_the_aligner_a_line_says_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pocketsphinx", None)
    with pytest.raises(SettingsError, match="pip install 'keyword-detector\\[align\\]'"):
        aligners.check_aligner()
    finished = call("align", tmp_path, "--out", tmp_path / "words.csv", command=KEYWORD_TRAINER)
    assert_one_line(finished, 78, "pocketsphinx")
