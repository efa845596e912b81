"""What cannot be read as a recording, and the pace of what can; that every sample arrives is in tests/contract."""

import numpy as np
import pytest
import soundfile
from clocks import Clock

from detector.audio.recordings import Recording
from detector.errors import AudioFileError

RATE_HZ = 16000


def read_all(source):
    blocks = []
    while (block := source.read()) is not None:
        blocks.append(block.samples)
    return np.concatenate(blocks)


def refuse_name(folder):
    return "a\0b", "expected the name of a recording, found 'a"


def refuse_missing(folder):
    return folder / "none.wav", "expected a recording, found no file"


def refuse_folder(folder):
    return folder, "found the folder .*: name the files in it"


def refuse_path_through_a_file(folder):
    (folder / "file").touch()
    return folder / "file" / "x.wav", "expected to read .*, found: Not a directory"


def refuse_text(folder):
    (folder / "text.wav").write_text("no sound at all\n" * 100)
    return folder / "text.wav", r"that is not audio \(format not recogni[sz]ed\)"


def refuse_headerless(folder):
    (folder / "samples.raw").write_bytes(bytes(3200))
    return folder / "samples.raw", "expected a recording with a header, .*'listen -'"


@pytest.mark.parametrize(
    "make",
    [refuse_name, refuse_missing, refuse_folder, refuse_path_through_a_file, refuse_text, refuse_headerless],
)
def test_what_is_no_recording_is_refused_in_one_line(make, tmp_path):
    path, message = make(tmp_path)
    with pytest.raises(AudioFileError, match=message) as caught, Recording(path, sample_rate_hz=RATE_HZ):
        pass
    assert caught.value.exit_code == 66
    assert "\n" not in str(caught.value)


def test_a_damaged_recording_is_an_error_where_the_damage_is(tmp_path):
    flac = tmp_path / "sound.flac"
    soundfile.write(flac, np.random.default_rng(0).integers(-9000, 9000, 4 * RATE_HZ).astype(np.int16), RATE_HZ)
    whole = flac.read_bytes()
    flac.write_bytes(whole[: len(whole) // 2] + bytes(len(whole) // 2))
    with Recording(flac, sample_rate_hz=RATE_HZ) as source:
        assert len(source.read().samples)
        with pytest.raises(AudioFileError, match=r"expected a whole recording, found .*sound.flac damaged \("):
            read_all(source)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_samples_that_are_not_finite_are_an_error(tmp_path, value):
    wav = tmp_path / "sound.wav"
    soundfile.write(wav, np.array([0.0, value, 0.0]), RATE_HZ, subtype="FLOAT")
    with (
        Recording(wav, sample_rate_hz=RATE_HZ) as source,
        pytest.raises(AudioFileError, match="expected finite samples, found NaN or infinity"),
    ):
        source.read()


def test_channels_are_averaged_and_what_exceeds_full_scale_is_clipped(tmp_path):
    wav = tmp_path / "sound.wav"
    soundfile.write(wav, np.array([[0.5, 0.25], [3.0, 3.0], [-3.0, -3.0]]), RATE_HZ, subtype="FLOAT")
    with Recording(wav, sample_rate_hz=RATE_HZ) as source:
        assert read_all(source).tolist() == [12288, 32767, -32768]


def test_in_real_time_a_block_waits_until_its_end_is_due(tmp_path):
    wav = tmp_path / "sound.wav"
    soundfile.write(wav, np.arange(3000, dtype=np.int16), RATE_HZ)
    clock = Clock()
    with Recording(wav, sample_rate_hz=RATE_HZ, is_real_time=True, block_s=0.1, clock=clock) as source:
        assert len(source.read().samples) == 0
        clock.advance(0.09)
        assert len(source.read().samples) == 0
        clock.advance(0.02)
        assert source.read().samples.tolist() == list(range(1600))
        clock.advance(0.06)
        assert len(source.read().samples) == 0
        clock.advance(0.02)
        assert source.read().samples.tolist() == list(range(1600, 3000))
        assert source.read() is None
