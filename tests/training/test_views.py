"""What pictures show, on sounds whose spectrum is known; and that the pictures are drawn."""

import os
import sys

import matplotlib.image
import numpy as np
import pytest
import soundfile
import tiny_words
from commands import KEYWORD_TRAINER, assert_last_line, assert_one_line, call

from detector.core.frontend import FrontendSettings, LogMel
from training.report.views import bands_hz, mel_db, mfcc, spectrogram_db, view

SETTINGS = FrontendSettings()


def tone(frequency_hz, amplitude=1.0, seconds=1.0):
    times_s = np.arange(round(16000 * seconds)) / 16000
    return np.clip(np.rint(32768 * amplitude * np.sin(2 * np.pi * frequency_hz * times_s)), -32768, 32767).astype(
        np.int16
    )


@pytest.mark.parametrize(("amplitude", "level_db"), [(1.0, 0.0), (0.1, -20.0)])
def test_a_tone_stands_at_its_frequency_with_its_level(amplitude, level_db):
    powers_db = spectrogram_db(tone(1000, amplitude), SETTINGS)
    assert powers_db.shape == (49, 257)
    assert (powers_db.argmax(axis=1) == 32).all()  # 1000 Hz of bins 31.25 Hz apart
    np.testing.assert_allclose(powers_db.max(axis=1), level_db, atol=0.1)


def test_the_mel_spectrogram_shows_the_same_levels_in_bands():
    levels_db = mel_db(LogMel(SETTINGS)(tone(1000, 0.1)), SETTINGS)
    assert levels_db.shape == (49, 40)
    band = int(levels_db.mean(axis=0).argmax())
    assert abs(bands_hz(SETTINGS)[band] - 1000) < 80
    assert -24 < levels_db[:, band].min() <= levels_db[:, band].max() < -16
    assert levels_db[:, -1].max() < -60


def test_the_first_coefficient_is_loudness_and_the_others_do_not_depend_on_it(rng):
    quiet = (rng.standard_normal(16000) * 300).astype(np.int16)
    coefficients = [mfcc(LogMel(SETTINGS)(samples), SETTINGS) for samples in (quiet, 10 * quiet)]
    assert coefficients[0].shape == (49, 13)
    difference = coefficients[1] - coefficients[0]
    np.testing.assert_allclose(difference[:, 0], np.log(100.0) * np.sqrt(40), rtol=0.02)  # ten times, over 40 bands
    assert np.abs(difference[:, 1:]).max() < 0.3


def test_the_window_that_is_shown_is_the_one_that_scored_highest(model, demo_samples, demo_truth):
    word = demo_truth[0]
    views = view(demo_samples[round(16000 * (word["start_s"] - 0.3)) :][:16000], model)
    assert views.seen.shape == (49, 40)
    assert views.seen.dtype == np.int8
    yes = views.scores[:, model.manifest.labels.index("yes")]
    assert views.seen_until_s == views.score_times_s[yes.argmax()]
    assert yes.max() > 0.9


def inspect(*arguments):
    return call("inspect", *arguments, command=KEYWORD_TRAINER)


def test_clips_become_a_picture(demo_file, tmp_path):
    finished = inspect(demo_file, "--out", tmp_path / "new" / "clip.png")
    assert (finished.returncode, finished.stdout) == (0, f"{tmp_path / 'new' / 'clip.png'}: 1 clip\n"), finished.stderr
    assert matplotlib.image.imread(tmp_path / "new" / "clip.png").shape[0] == 1860


def test_ten_words_leave_the_picture_its_place(demo_file, tmp_path):
    odd = tmp_path / os.fsdecode(b"caf\xe9 $\\frac$.flac")  # no UTF-8, and no formula
    odd.symlink_to(demo_file)
    finished = inspect(demo_file, odd, "--model", "commands", "--out", tmp_path / "clips.png")
    assert (finished.returncode, finished.stderr) == (0, ""), finished.stderr
    image = matplotlib.image.imread(tmp_path / "clips.png")[..., :3]
    # The spectrograms are what is coloured in the second of six rows: they fill most of its width.
    row = image[image.shape[0] // 6 : image.shape[0] // 3]
    assert ((row.max(axis=2) - row.min(axis=2)) > 0.2).any(axis=0).mean() > 0.6


@pytest.mark.parametrize(("kind", "shape"), [("spectrogram", (257, 196)), ("mel", (160, 196)), ("mfcc", (168, 196))])
def test_word_clips_become_a_tree_of_images(tmp_path, kind, shape):
    data = tiny_words.make(tmp_path)
    command = ("--data", data, "--images", tmp_path / "images", "--kind", kind, "--cache", tmp_path / "cache")
    assert inspect(*command).returncode == 0
    images = sorted((tmp_path / "images").glob("*/*/*.png"))
    clips = list(data.glob("*/*_nohash_*.wav"))
    assert sorted(path.stem for path in images) == sorted(path.stem for path in clips)
    assert {path.parts[-3] for path in images} == {"training", "validation", "testing"}
    image = matplotlib.image.imread(images[0])
    assert image.shape == shape  # grey: no channels
    assert image.std() > 0.05


def test_a_clip_may_have_any_name(demo_file, tmp_path):
    clip = tmp_path / "a$\\foo$ \u65e5\u672c.flac"
    clip.write_bytes(demo_file.read_bytes())
    finished = inspect(clip, "--out", tmp_path / "clip.png")
    assert (finished.returncode, finished.stderr) == (0, ""), finished.stderr


def test_words_of_one_recording_have_an_image_each(demo_file, tmp_path):
    table = tmp_path / "words.csv"
    table.write_text("file,start,end,word\n" + "".join(f"{demo_file},{k},{k + 1},yes\n" for k in range(3)) * 2)
    assert inspect("--data", table, "--images", tmp_path / "images", "--cache", tmp_path / "cache").returncode == 0
    assert len(list((tmp_path / "images").glob("*/yes/*.png"))) == 3  # the rows that say the same are one clip


@pytest.mark.parametrize(
    "arguments",
    [(), ("clip.wav",), ("--out", "x.png"), ("clip.wav", "--out", "missing/clip.png"), ("a", "b", "--out", "folder")],
)
def test_what_cannot_be_drawn_is_one_line(arguments):
    assert_one_line(inspect(*arguments), 66 if len(arguments) == 3 else 78, "expected")


def test_a_tree_of_images_that_cannot_be_written_is_one_line(demo_file, tmp_path, monkeypatch):
    table = tmp_path / "words.csv"
    table.write_text(f"file,start,end,word\n{demo_file},0,1,yes\n")
    (tmp_path / "file").touch()
    command = ("--data", table, "--images", tmp_path / "file" / "images", "--cache", tmp_path / "cache")
    assert_last_line(inspect(*command), 78, "expected a folder for images, found")
    monkeypatch.setitem(sys.modules, "PIL", None)
    assert_last_line(inspect(*command), 78, "expected Pillow to write images")


def test_without_word_clips_there_is_nothing_to_make_images_of(tmp_path):
    (tmp_path / "noise").mkdir()
    soundfile.write(tmp_path / "noise" / "hum.wav", np.ones(16000, dtype=np.int16), 16000)
    command = ("--noise", tmp_path / "noise", "--images", tmp_path / "images", "--cache", tmp_path / "cache")
    assert_last_line(inspect(*command), 78, "expected --data with word clips to make images of, found none")
