"""Every format that libsndfile writes is read whole, forward, and alike by the detector and the trainer."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
import soxr

from detector.audio.decoder import open_sound
from detector.audio.recordings import Recording
from training.data.decode import read_recording

MODEL_RATE_HZ = 16000
HEADERLESS = "RAW"
# How much of the sound may be noise of the coding, in dB below it; codings that keep every bit have far more.
LEAST_SNR_DB = {"GSM610": 8.0, "NMS_ADPCM_16": 12.0, "PCM_S8": 10.0, "PCM_U8": 10.0, "VORBIS": 15.0, "OPUS": 15.0}
CODING_DB = 18.0
MOST_EXTRA = 1200
"""Samples of padding behind a whole block of a coding."""


def find_cases():
    for kind in soundfile.available_formats():
        for subtype in soundfile.available_subtypes(kind):
            if kind != HEADERLESS and subtype not in ("MPEG_LAYER_I", "MPEG_LAYER_II"):
                yield kind, subtype


@pytest.fixture(scope="module")
def sound(demo_samples):
    return demo_samples[2 * 16000 : 8 * 16000] / 32768.0


def write(folder, sound, kind, subtype):
    """Write six seconds at the first rate that the format takes; return the file and the rate."""
    for rate_hz in (16000, 8000, 44100):
        file = folder / f"sound.{kind.lower()}"
        try:
            soundfile.write(file, sound, rate_hz, format=kind, subtype=subtype)
        except (soundfile.SoundFileError, ValueError):
            continue
        return file, rate_hz
    pytest.skip(f"this libsndfile does not write {subtype} in {kind}")


@pytest.mark.parametrize(("kind", "subtype"), list(find_cases()))
def test_every_format_is_read_whole_and_alike(tmp_path, sound, kind, subtype):
    file, rate_hz = write(tmp_path, sound, kind, subtype)
    with open_sound(file) as opened:
        decoded = np.concatenate(list(opened.blocks))[:, 0]
    # Two formats have a rate of their own, one has steps of it.
    assert opened.rate_hz == pytest.approx({"XI": 44100, "WVE": 8000}.get(kind, rate_hz), rel=0.01)
    assert 0 <= len(decoded) - len(sound) <= MOST_EXTRA
    noise = decoded[: len(sound)] - sound
    snr_db = 10.0 * np.log10((sound**2).mean() / max((noise**2).mean(), 1e-20))
    assert snr_db >= LEAST_SNR_DB.get(subtype, CODING_DB)
    with Recording(file, sample_rate_hz=MODEL_RATE_HZ) as source:
        blocks = []
        while (block := source.read()) is not None:
            blocks.append(block.samples)
    detected = np.concatenate(blocks)
    np.testing.assert_array_equal(read_recording(str(file), MODEL_RATE_HZ), detected)


def test_a_part_of_a_recording_is_what_stands_there_in_it(tmp_path, sound):
    soundfile.write(tmp_path / "a.mp3", sound, 16000, format="MP3")
    whole = read_recording(str(tmp_path / "a.mp3"), 16000)
    part = read_recording(str(tmp_path / "a.mp3"), 16000, (1.5, 4.25))
    np.testing.assert_array_equal(part, whole[24000:68000])


@pytest.mark.parametrize("rate_hz", [8000, 22050, 44100, 48000, 96000])
def test_any_rate_is_converted_alike(tmp_path, sound, rate_hz):
    soundfile.write(tmp_path / "a.flac", soxr.resample(sound, 16000, rate_hz), rate_hz)
    with Recording(tmp_path / "a.flac", sample_rate_hz=16000, block_s=0.04) as source:
        blocks = []
        while (block := source.read()) is not None:
            blocks.append(block.samples)
    np.testing.assert_array_equal(np.concatenate(blocks), read_recording(str(tmp_path / "a.flac"), 16000))
