"""What is kept between runs is that of the code that reads it: a format number says so, and golden data hold it."""

import numpy as np
import pytest
import soundfile
from golden import made, make_decoded, make_windows

from training.data import decode
from training.data.layouts import index_noise
from training.data.store import WaveformStore
from training.run.settings import TrainSettings
from training.windows import features


@pytest.mark.parametrize(
    ("maker", "make", "number", "name"),
    [
        (make_decoded, make_decoded.decode, decode.DECODED_FORMAT, "DECODED_FORMAT"),
        (make_windows, make_windows.compose, features.WINDOWS_FORMAT, "WINDOWS_FORMAT"),
    ],
)
def test_what_is_kept_changes_with_its_format_number_alone(tmp_path, maker, make, number, name):
    golden = made.read(maker.NAME)
    changed = made.differences(make(tmp_path), golden, within=maker.WITHIN)
    assert not changed, f"{changed} differ: raise {name}, so that old files are not reused, then run {maker.__file__}"
    assert golden["format"] == number, f"{name} was raised: run {maker.__file__}"


def test_golden_windows_are_of_every_kind():
    """A keyword each, parts of keywords and other words, silence."""
    assert np.bincount(made.read("windows.npz")["labels"]).min() > 10


def test_recordings_decoded_by_other_code_are_decoded_again(tmp_path, monkeypatch):
    (tmp_path / "noise").mkdir()
    soundfile.write(tmp_path / "noise/hum.wav", np.full(160, 1000, dtype=np.int16), 16000)
    items = list(index_noise(str(tmp_path / "noise")))
    before = WaveformStore.build(items, folder=tmp_path / "cache", sample_rate_hz=16000)
    # Decoding that doubles what it reads, as a later version might.
    read_recording = decode.read_recording
    monkeypatch.setattr(decode, "read_recording", lambda *given, **named: 2 * read_recording(*given, **named))
    assert WaveformStore.build(items, folder=tmp_path / "cache", sample_rate_hz=16000).file == before.file
    monkeypatch.setattr(decode, "DECODED_FORMAT", decode.DECODED_FORMAT + 1)
    after = WaveformStore.build(items, folder=tmp_path / "cache", sample_rate_hz=16000)
    assert (before[0].max(), after[0].max()) == (1000, 2000)


def test_golden_data_under_a_used_number_are_not_replaced(tmp_path, monkeypatch):
    monkeypatch.setattr(made, "FOLDER", tmp_path)
    old, new = {"samples": np.arange(9)}, {"samples": np.arange(9) * 2}
    made.write("data.npz", old, number=1, within=1)
    with pytest.raises(SystemExit, match="a format number other than 1, as samples have changed"):
        made.write("data.npz", new, number=1, within=1)
    made.write("data.npz", new, number=2, within=1)
    assert made.read("data.npz")["format"] == 2


def test_windows_composed_by_other_code_are_composed_again(monkeypatch):
    settings = TrainSettings(data=("words",), words=("yes",))
    before = features._fingerprint(settings, [])
    assert features._fingerprint(settings, []) == before
    monkeypatch.setattr(features, "WINDOWS_FORMAT", features.WINDOWS_FORMAT + 1)
    assert features._fingerprint(settings, []) != before
