"""The recordings of a run: what it needs, and what it says where that is missing."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from detector.errors import AudioFileError, SettingsError
from training.data.items import Item, Kind, Split
from training.data.notes import Notes
from training.run.recordings import describe_run, find_cautions, index, open_run
from training.run.settings import TrainSettings


def write(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / name, np.ones(160, dtype=np.int16), 16000)


def settings(folder, *words, **changed):
    return TrainSettings(data=(str(folder / "words"),), words=words, **changed)


def test_a_run_finds_words_noise_and_speech(tmp_path):
    names = [f"words/{word}/{speaker}-{k}.wav" for word in ("up", "down") for speaker in "abcdefgh" for k in range(2)]
    write(
        tmp_path, *names, "words/_background_noise_/hum.wav", "noise/rain.wav", "speech/7/7-1.wav", "speech/8/8-1.wav"
    )
    found = index(settings(tmp_path, "up", noise=(str(tmp_path / "noise"),), speech=(str(tmp_path / "speech"),)))
    assert sum(item.kind is Kind.WORD for item in found) == len(names)
    assert sum(item.kind is Kind.NOISE for item in found) == 2
    assert {item.split for item in found if item.kind is Kind.SPEECH} == {Split.TRAINING, Split.VALIDATION}


def test_a_keyword_without_clips_is_named_with_the_words_there_are(tmp_path):
    write(tmp_path, "words/up/a-1.wav", "words/up/b-1.wav", "words/down/a-1.wav")
    with pytest.raises(SettingsError, match=r"expected clips of 'left' .* found none \(words: down, up\)"):
        index(settings(tmp_path, "left"))


def test_a_single_recording_cannot_be_both_trained_on_and_measured_on(tmp_path):
    write(tmp_path, "words/up/anna-1.wav", *(f"words/other/{speaker}-1.wav" for speaker in "abcdefgh"))
    with pytest.raises(SettingsError, match=r"it has one recording alone, which cannot be both .*: record more"):
        index(settings(tmp_path, "up"))


def test_a_keyword_whose_speakers_lists_set_aside_is_refused(tmp_path):
    write(tmp_path, *(f"words/{word}/{speaker}-1.wav" for word in ("up", "other") for speaker in "abcd"))
    (tmp_path / "words/testing_list.txt").write_text("up/a-1.wav\nup/b-1.wav\n")
    (tmp_path / "words/validation_list.txt").write_text("up/c-1.wav\nup/d-1.wav\n")
    message = r"'up' in the training split, found none: its 4 clips are 2 testing, 2 validation, of 4 speakers"
    with pytest.raises(SettingsError, match=message):
        index(settings(tmp_path, "up"))


@pytest.mark.parametrize("words", [("up",), ("up", "down")])
def test_without_anything_that_is_no_keyword_nothing_is_trained(tmp_path, words):
    write(tmp_path, *(f"words/{word}/{speaker}-1.wav" for word in words for speaker in "abcdefgh"))
    message = r"expected something that is not up.* to train on, found no other word, running speech or noise: "
    with pytest.raises(SettingsError, match=message):
        index(settings(tmp_path, *words))
    with pytest.raises(SettingsError, match=message):
        index(settings(tmp_path, *words[:1], left_out=words[1:]))
    write(tmp_path, "words/_background_noise_/hum.wav")
    assert len(index(settings(tmp_path, *words))) == 8 * len(words) + 1


def test_a_word_that_is_the_name_of_a_folder_of_noise_is_explained(tmp_path):
    write(tmp_path, "words/up/a-1.wav", "words/noise/a-1.wav")
    with pytest.raises(SettingsError, match=r"\(words: up; a folder 'noise' is read as noise\)"):
        index(settings(tmp_path, "noise"))


def test_a_word_whose_speakers_have_folders_is_explained_and_many_words_are_not_all_named(tmp_path):
    write(tmp_path, *(f"words/jarvis/{name}/1.wav" for name in ("anna", "ben")))
    message = r"\(words: anna, ben; folders in 'jarvis' were taken for words: name its files jarvis/SPEAKER-NUMBER\)"
    with pytest.raises(SettingsError, match=message):
        index(settings(tmp_path, "jarvis"))
    write(tmp_path, *(f"words/jarvis/{k:02d}/1.wav" for k in range(60)))
    with pytest.raises(SettingsError, match=r"words: 00, 01, .*, 39, and 22 more\)"):
        index(settings(tmp_path, "other"))


def test_names_of_speakers_are_not_blamed_for_what_lists_say(tmp_path):
    write(tmp_path, *(f"words/{word}/{speaker}-1.wav" for word in ("up", "other") for speaker in "abcdefgh"))
    (tmp_path / "words/validation_list.txt").write_text("other/a-1.wav\n")
    message = r"'up' in the validation split, found none: its 8 clips are 8 training, of 8 speakers .*go by lists"
    with pytest.raises(SettingsError, match=message) as refused:
        index(settings(tmp_path, "up"))
    assert "SPEAKER-NUMBER" not in str(refused.value)


def clips(word, split, *speakers, **known):
    return [Item(f"{word}/{speaker}", Kind.WORD, split, word=word, speaker=speaker, **known) for speaker in speakers]


SIDES = "both trained on and measured on"
VOICE = f"one voice may be {SIDES}"
THEN = "figures then come out too good"
OTHERS = "how often others are missed is not known"
MANY = [f"speaker{k}" for k in range(10)]
GOOD = [
    *clips("up", Split.TRAINING, "trained"),
    *clips("up", Split.VALIDATION, *MANY),
    *clips("other", Split.TRAINING, "trained"),
    *clips("other", Split.VALIDATION, "speaker1"),
]
NOISE = [Item("hum", Kind.NOISE, Split.TRAINING)]


@pytest.mark.parametrize(
    ("items", "cautions"),
    [
        (GOOD, []),
        (GOOD[:1] + GOOD[11:] + clips("up", Split.VALIDATION, *[""] * 12), []),
        (GOOD[:11], ["trained without other words or running speech: how often it fires on speech cannot be known"]),
        (GOOD[:12], ["no other words or running speech to measure on: how often it fires on them is not known"]),
        (
            GOOD[:2] + GOOD[11:],
            ["few recordings to measure on, so that figures may be far off: up (1 clip of 1 speaker)"],
        ),
        (
            [*GOOD, *clips("up", Split.TRAINING, "1", "2", is_speaker_known=False)],
            [f"the names of 2 of 13 clips of keywords do not say who speaks: {VOICE}, and {THEN}"],
        ),
        (
            GOOD[:1] + GOOD[11:] + clips("up", Split.VALIDATION, *["trained"] * 12),
            [
                "few recordings to measure on, so that figures may be far off: up (12 clips of 1 speaker)",
                f"up is measured on other recordings of a speaker it was trained on: {OTHERS}",
            ],
        ),
        (
            GOOD[:1] + GOOD[11:] + clips("up", Split.VALIDATION, *(f"espeak-en-{k}" for k in range(12))),
            ["up is measured on synthetic voices alone: how often people are missed is not known"],
        ),
        (
            [*GOOD, *clips("up", Split.TESTING, "trained")],
            [f"1 speaker of keywords, by the folders or lists of splits, {SIDES}: {THEN.replace(' then', '')}"],
        ),
    ],
)
def test_what_cannot_be_known_of_a_model_is_listed(items, cautions):
    wanted = TrainSettings(data=("d",), words=("up",))
    assert find_cautions(wanted, items + NOISE) == cautions
    assert set(find_cautions(wanted, items)) == {
        *cautions,
        "no recordings of noise: how often it fires on noise is not known",
    }


def test_the_table_shows_what_was_understood(tmp_path):
    names = [f"words/{word}/{speaker}-{k}.wav" for word in ("up", "down") for speaker in "abcd" for k in range(4)]
    write(tmp_path, *names, "words/down/7.wav", "words/_background_noise_/hum.wav", "speech/7/7-1.wav")
    (tmp_path / "words/empty").mkdir()
    soundfile.write(tmp_path / "words/up/a-9.wav", np.zeros(16000, dtype=np.int16), 16000)
    notes, wanted = Notes(), settings(tmp_path, "up", speech=(str(tmp_path / "speech"),))
    collection = open_run(wanted, cache=tmp_path / "cache", notes=notes)
    lines = describe_run(wanted, collection, notes)
    assert [line.split("  ")[0] for line in lines[1:5]] == ["up", "down", "(running speech)", "(noise)"]
    assert lines[0].split()[-2:] == ["speakers", "seconds"]
    assert [line.split()[-2:] for line in lines[1:4]] == [["4", "1"], ["5?", "0"], ["1", "0"]]
    assert len({len(line) for line in lines[:5]}) == 1
    assert f"splits of {tmp_path / 'words'}: by speakers" in lines
    assert f"left out: 1 empty folders, the first is {tmp_path / 'words/empty'}" in lines
    assert f"left out: 1 recordings of digital silence, the first is {tmp_path / 'words/up/a-9.wav'}" in lines
    assert any(line.startswith("caution: few recordings") for line in lines)


def test_many_other_words_share_a_line(tmp_path):
    write(tmp_path, *(f"words/{word}/{speaker}-1.wav" for word in ["up", *map(str, range(30))] for speaker in "abcd"))
    wanted, notes = settings(tmp_path, "up"), Notes()
    lines = describe_run(wanted, open_run(wanted, cache=tmp_path / "cache", notes=notes), notes)
    assert [line.split("  ")[0] for line in lines[1:4]] == [
        "up",
        "30 other words",
        "word: 93 training, 31 validation; 4 speakers",
    ]


def test_recordings_that_cannot_be_read_are_reported_together(tmp_path):
    write(tmp_path, *(f"words/{word}/{speaker}-1.wav" for word in ("up", "down") for speaker in "abcd"))
    for k in range(7):
        (tmp_path / f"words/up/bad-{k}.wav").write_bytes(b"no sound")
    soundfile.write(tmp_path / "words/up/nan-1.wav", np.array([0.0, np.nan]), 16000, subtype="FLOAT")
    with pytest.raises(AudioFileError) as refused:
        open_run(settings(tmp_path, "up"), cache=tmp_path / "cache")
    text = str(refused.value)
    assert text.startswith("expected sound in 16 recordings, found 8 to be mended or removed: ")
    assert [f"bad-{k}.wav" in text for k in range(7)] == [True] * 5 + [False] * 2
    assert text.endswith("; and 3 more")
    assert "\n" not in text


def test_a_damaged_recording_does_not_end_a_run_and_is_named_with_the_reason(tmp_path):
    write(tmp_path, *(f"words/{word}/{speaker}-1.wav" for word in ("up", "down") for speaker in "abcdefgh"))
    wanted = settings(tmp_path, "up")
    broken = next(item.path for item in index(wanted) if item.word == "down" and item.split == Split.TRAINING)
    Path(broken).write_bytes(b"no sound")
    notes = Notes()
    collection = open_run(wanted, cache=tmp_path / "cache", notes=notes)
    assert broken not in {item.path for item in collection.items}
    lines = describe_run(wanted, collection, notes)
    assert [line.split()[1] for line in lines[1:3]] == ["7", "6"]
    (line,) = [line for line in lines if "could not be decoded" in line]
    assert line.startswith("left out: 1 recordings that could not be decoded (")
    assert line.endswith(f"the first is {broken}")


def test_a_keyword_of_digital_silence_is_refused_before_anything_is_trained(tmp_path):
    write(tmp_path, *(f"words/{word}/{speaker}-1.wav" for word in ("up", "down") for speaker in "abcd"))
    wanted = settings(tmp_path, "up")
    for item in index(wanted):
        if item.word == "up" and item.split == Split.TRAINING:
            soundfile.write(item.path, np.zeros(160, dtype=np.int16), 16000)
    message = r"expected sound in the clips of 'up' in the training split, found digital silence in all 3, the first is"
    with pytest.raises(SettingsError, match=message):
        open_run(wanted, cache=tmp_path / "cache")


def test_a_keyword_in_which_more_than_a_second_sounds_is_left_out_and_counted(tmp_path):
    """Nobody knows what part of it is the word: cut to its first second it was trained on as if that were."""
    write(tmp_path, *(f"words/{word}/{speaker}-1.wav" for word in ("up", "down") for speaker in "abcdefgh"))
    long, padded = np.full(20000, 500, dtype=np.int16), np.zeros(40000, dtype=np.int16)
    padded[30000:38000] = 500
    wanted = settings(tmp_path, "up")
    trained = [item.path for item in index(wanted) if item.word == "up" and item.split == Split.TRAINING]
    soundfile.write(trained[0], long, 16000)
    soundfile.write(trained[1], padded, 16000)
    soundfile.write(tmp_path / "words/down/a-1.wav", long, 16000)
    notes = Notes()
    collection = open_run(wanted, cache=tmp_path / "cache", notes=notes)
    assert {item.path for item in index(wanted)} - {item.path for item in collection.items} == {trained[0]}
    assert (
        "left out: 1 recordings of keywords in which more than 1 s sound, to be cut to the word, the first is "
        f"{trained[0]}" in describe_run(wanted, collection, notes)
    )
    for path in trained:
        soundfile.write(path, long, 16000)
    with pytest.raises(SettingsError, match=r"of 'up' in the training split, found .*more than 1 s sound.* in all 7"):
        open_run(wanted, cache=tmp_path / "cache")
