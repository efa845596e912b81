"""The recordings of a run: what it needs, and what it says where that is missing."""

import numpy as np
import pytest
import soundfile

from detector.errors import SettingsError
from training.data.items import Kind, Split
from training.run.recordings import index
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


def test_a_single_speaker_cannot_be_divided_and_is_named(tmp_path):
    write(tmp_path, *(f"words/up/anna-{k}.wav" for k in range(12)))
    with pytest.raises(
        SettingsError, match=r"its 12 clips are of 1 speaker by their names \(anna\).*WORD/SPEAKER-NUMBER"
    ):
        index(settings(tmp_path, "up"))


def test_a_keyword_that_only_set_aside_speakers_speak_is_refused(tmp_path):
    speakers = ("aa", "bb", "cc", "dd", "ee")
    write(tmp_path, *(f"words/down/{speaker}-1.wav" for speaker in speakers))
    aside = {item.speaker for item in index(settings(tmp_path, "down")) if item.split is Split.VALIDATION}
    write(tmp_path, *(f"words/up/{speaker}-1.wav" for speaker in aside))
    with pytest.raises(SettingsError, match=r"expected clips of 'up' in the training split, found none: its"):
        index(settings(tmp_path, "up", "down"))
