"""A word of one's own, in full: from its spelling and recordings to a model, in one command."""

from __future__ import annotations

import csv
import json
import logging
import shutil

import numpy as np
import pytest
import soundfile
import spoken
from commands import KEYWORD_TRAINER, assert_one_line, call

from detector.errors import SettingsError
from training.run.recipe import new_settings
from training.run.run import Run
from training.run.settings import TrainSettings, convert_settings
from training.word import plan as planning
from training.word.plan import choose_window, plan_word, to_toml
from training.word.recordings import write_table
from training.word.settings import WordSettings

needs_espeak = spoken.needs_espeak


def write(file, samples, rate_hz=spoken.RATE_HZ):
    file.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(file, samples, rate_hz)
    return file


def read(table):
    with open(table, newline="", encoding="utf-8") as opened:
        return list(csv.DictReader(opened))


@pytest.fixture
def few(monkeypatch):
    """Let two voices speak a little, which takes less time than all of them."""
    from training.synthesis import synthesize as synthesis

    found = synthesis.find_voices
    monkeypatch.setattr(synthesis, "find_voices", lambda *given, **how: found(*given, **how)[:12])
    monkeypatch.setattr(planning, "N_WORDS", 8)
    monkeypatch.setattr(planning, "N_MADE_UP", 4)
    monkeypatch.setattr(
        planning,
        "TRAINING",
        planning.TRAINING
        | {"steps_per_epoch": 10, "distinct_windows": 500, "batch_size": 64}
        | {"windows": planning.TRAINING["windows"] | {"n_rooms": 5}},
    )


def test_the_table_says_where_the_word_is_and_who_says_it(tmp_path):
    word = spoken.buzz()
    take = spoken.record(word, before_s=1.5)
    write(tmp_path / "in" / "anna-1.wav", take)
    write(tmp_path / "in" / "bert" / "take 1.wav", take)
    write(tmp_path / "in" / "bert" / "fine.flac", np.repeat(take, 2), 2 * spoken.RATE_HZ)
    (length_s, *others) = write_table(
        str(tmp_path / "in"), "hey computer", tmp_path / "t.csv", speaker=None, channel="auto"
    )
    rows = read(tmp_path / "t.csv")
    assert [row["speaker"] for row in rows] == ["", "bert", "bert"]
    assert {row["word"] for row in rows} == {"hey computer"}
    assert length_s == pytest.approx(0.6, abs=0.1)
    assert len(others) == 2
    for row in rows:
        assert float(row["start"]) == pytest.approx(1.4, abs=0.1)
        assert float(row["end"]) == pytest.approx(2.2, abs=0.1)


def test_recordings_without_the_word_are_left_out_and_counted(tmp_path, caplog):
    write(tmp_path / "in" / "good.wav", spoken.record(spoken.buzz()))
    write(tmp_path / "in" / "quiet.wav", spoken.record(spoken.buzz(peak=1e-6)))
    write(tmp_path / "in" / "twice.wav", spoken.record(spoken.buzz(), spoken.buzz()))
    (tmp_path / "in" / "damaged.wav").write_bytes(b"RIFF")
    write_table(str(tmp_path / "in"), "up", tmp_path / "t.csv", speaker="anna", channel="auto")
    (row,) = read(tmp_path / "t.csv")
    assert (row["file"], row["speaker"]) == (str(tmp_path / "in" / "good.wav"), "anna")
    assert "left out: 3 of 4 recordings, the first: " in caplog.text
    (tmp_path / "in" / "good.wav").unlink()
    with pytest.raises(SettingsError, match=r"expected recordings of 'up' below .*, found none to use: "):
        write_table(str(tmp_path / "in"), "up", tmp_path / "t.csv", speaker=None, channel="auto")


@pytest.mark.parametrize(
    ("lengths_s", "window_s"),
    [([0.5] * 19 + [3.0], 1.0), ([0.59], 1.0), ([0.61], 1.25), ([1.1], 1.5), ([1.59], 2.0)],
)
def test_the_window_holds_nearly_all_of_the_word(lengths_s, window_s):
    assert choose_window("word", lengths_s) == window_s


def test_a_word_too_long_for_any_window_is_refused():
    with pytest.raises(SettingsError, match=r"expected a word of at most 1.6 s, found that 'a b c' takes 2.4 s"):
        choose_window("a b c", [2.4])


def test_a_recipe_is_read_as_it_was_written(tmp_path):
    fields = {
        "words": ['say "hé\\computer"'],
        "data": ["/a b"],
        "epochs": 3,
        "window_s": 1.25,
        "windows": {"snr_db": [-2.0, 25.0]},
        "licences": {"a b": "ours"},
    }
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(to_toml(fields))
    assert new_settings({"recipe": recipe}, tmp_path) == convert_settings(TrainSettings, fields)


@needs_espeak
def test_from_its_spelling_alone_voices_are_measured_on(tmp_path, few, caplog):
    with caplog.at_level(logging.INFO):
        planned = plan_word(WordSettings(word="computer", clips=6), tmp_path / "run")
    voices = str(tmp_path / "run" / "voices")
    assert (planned.words, planned.data, planned.synthetic) == (("computer",), (voices,), ())
    assert planned.architecture == "embedding"
    assert "keyword-trainer download librispeech-train-clean-5" in caplog.text
    assert "without which false accepts are not known" in caplog.text
    # Its words are those of the bank that ships, and spellings that sound nearly like the word.
    summary = json.loads((tmp_path / "run" / "voices" / "synthesis.json").read_text())
    assert summary["settings"]["vocabulary"] == ["vocabulary.txt"]
    assert len(summary["made_up"]) == 4
    assert summary["n_words"] >= 1 + 4 + 8
    assert plan_word(WordSettings(word="computer", clips=6), tmp_path / "run") == planned


@needs_espeak
def test_with_recordings_people_are_measured_on(tmp_path, few, data):
    for name in ("anna", "bert", "carl"):
        for k in range(3):
            write(tmp_path / "mine" / f"{name}-{k}.wav", spoken.record(spoken.buzz(100.0 + 20 * k, length_s=0.5)))
    settings = WordSettings(word="up", recordings=str(tmp_path / "mine"), data=(str(data),), noise=(), clips=6)
    planned = plan_word(settings, tmp_path / "run")
    table, voices = str(tmp_path / "run" / "recordings.csv"), str(tmp_path / "run" / "voices")
    assert (planned.data, planned.synthetic) == ((table, str(data)), (voices,))
    assert planned.window_s == 1.0
    # People say "up" among the other words, too.
    assert plan_word(WordSettings(word="up", data=(str(data),), clips=6), tmp_path / "b").synthetic != ()


@needs_espeak
def test_a_word_of_another_language_has_its_voices(tmp_path, few):
    plan_word(WordSettings(word="чайник", clips=4), tmp_path / "run")
    summary = json.loads((tmp_path / "run" / "voices" / "synthesis.json").read_text())
    assert {name.split("-")[1] for name in summary["voices"]} == {"ru"}
    assert summary["settings"]["vocabulary"] == []


@needs_espeak
@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("c3po/", "expected a word of letters"),
        ("unknown", "'unknown' is a label of every model"),
        ("noise", "the name of a folder without words"),
    ],
)
def test_what_cannot_be_a_keyword_is_refused_before_voices_speak(tmp_path, word, message):
    with pytest.raises(SettingsError, match=message):
        plan_word(WordSettings(word=word), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@needs_espeak
@pytest.mark.tensorflow
@pytest.mark.filterwarnings("ignore")  # TensorFlow's own
def test_one_command_makes_a_model_and_goes_on_and_its_recipe_repeats_it(tmp_path, few, data):
    for k in range(6):
        write(tmp_path / "mine" / f"take {k}.wav", spoken.record(spoken.buzz(90.0 + 10 * k)))
    out, cache = tmp_path / "run", tmp_path / "cache"
    command = ["word", "computer", "--out", out, "--recordings", tmp_path / "mine", "--speaker", "anna"]
    command += [
        "--speech",
        data.parent / "speech",
        "--validation-speakers",
        "12",
        "--noise",
        data / "_background_noise_",
    ]
    command += ["--clips", 12, "--epochs", 1, "--cache", cache, "--workers", 1]
    finished = call(*command, command=KEYWORD_TRAINER)
    assert finished.returncode == 0, finished.stderr
    manifest = json.loads((out / "model.json").read_text())
    assert manifest["words"] == ["computer"]
    assert manifest["operating_curve"]["words"]["computer"]
    (caution,) = [line for line in manifest["training"]["cautions"] if line.startswith("computer is measured on")]
    assert caution.endswith("other recordings of a speaker it was trained on: how often others are missed is not known")
    assert caution in finished.stdout
    assert (out / "report.html").is_file()
    assert "mine" not in json.dumps(manifest["training"]["settings"])
    model = (out / "model.tflite").read_bytes()

    (out / "model.tflite").unlink()  # as if it had been interrupted there
    again = call(*command, command=KEYWORD_TRAINER)
    assert again.returncode == 0, again.stderr
    assert "has been trained to its end" in again.stderr
    assert (out / "model.tflite").read_bytes() == model
    assert Run(out).count_epochs() == 1

    options = ["--recipe", out / "recipe.toml", "--out", tmp_path / "repeated", "--cache", cache, "--workers", 1]
    repeated = call("train", *options, command=KEYWORD_TRAINER)
    assert repeated.returncode == 0, repeated.stderr
    assert (tmp_path / "repeated" / "model.tflite").read_bytes() == model

    shutil.rmtree(tmp_path / "mine")
    assert_one_line(call(*command, command=KEYWORD_TRAINER), 78, "expected a folder of recordings, found no folder")
