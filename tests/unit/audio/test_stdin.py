"""What standard input may hold: raw samples of any kind, a WAV as it is written, and what is refused."""

from __future__ import annotations

import io
import os
import threading

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.audio.links import frame_bytes
from detector.audio.pcm import CODINGS, normalise_name
from detector.audio.stdin import Stdin
from detector.errors import AudioFileError
from detector.settings import StdinSettings
from detector.types import fields_of

RATE_HZ = 16000
SUBTYPES = {
    "u8": "PCM_U8",
    "s8": "PCM_S8",
    "s16": "PCM_16",
    "s24": "PCM_24",
    "s32": "PCM_32",
    "f32": "FLOAT",
    "f64": "DOUBLE",
    "alaw": "ALAW",
    "mulaw": "ULAW",
}


def read_all(content, *, pieces=(), **given):
    """Pipe bytes into a source, in pieces of some lengths and the rest, and return all its samples."""
    reading, writing = os.pipe()

    def write():
        with open(writing, "wb", buffering=0) as pipe:
            first = 0
            for length in pieces:
                pipe.write(content[first : first + length])
                first += length
            pipe.write(content[first:])

    writer = threading.Thread(target=write)
    writer.start()
    blocks = [np.empty(0, dtype=np.int16)]
    try:
        with Stdin(sample_rate_hz=RATE_HZ, settings=StdinSettings(**given), file_descriptor=reading) as source:
            while (block := source.read()) is not None:
                blocks.append(block.samples)
            assert source.read() is None
    finally:
        os.close(reading)
        writer.join(60)
    return np.concatenate(blocks)


@pytest.fixture(scope="module")
def sound(demo_samples):
    return demo_samples[3 * 16000 : 5 * 16000]


def raw(samples, coding):
    """Return samples as libsndfile writes them raw."""
    subtype = SUBTYPES[coding.removesuffix("le").removesuffix("be")]
    file = io.BytesIO()
    endian = "BIG" if coding.endswith("be") else "LITTLE" if coding.endswith("le") else "FILE"
    soundfile.write(file, samples / 32768.0, RATE_HZ, format="RAW", subtype=subtype, endian=endian)
    return file.getvalue()


def test_every_coding_that_can_be_named_can_be_read():
    assert set(fields_of(StdinSettings)["format"].kind.values) == set(CODINGS)


@pytest.mark.parametrize("coding", [name for name in CODINGS if name != "s24_32le"])
def test_raw_samples_are_what_libsndfile_writes(sound, coding):
    off = {"u8": 260, "s8": 260, "alaw": 600, "mulaw": 600}.get(coding, 0)
    difference = read_all(raw(sound, coding), format=coding).astype(int) - sound
    assert np.abs(difference).max() <= off


def test_24_bits_in_32_are_alsas(sound):
    padded = (sound.astype("<i4") << 8) & 0x00FFFFFF
    np.testing.assert_array_equal(read_all(padded.tobytes(), format="s24_32le"), sound)


@pytest.mark.parametrize(
    ("name", "coding"),
    [
        ("S16_LE", "s16le"),
        ("S16_BE", "s16be"),
        ("S24_3LE", "s24le"),
        ("S24_LE", "s24_32le"),
        ("FLOAT_LE", "f32le"),
        ("FLOAT64_LE", "f64le"),
        ("MU_LAW", "mulaw"),
        ("A_LAW", "alaw"),
        ("U8", "u8"),
        ("s32le", "s32le"),
    ],
)
def test_arecords_names_are_known(name, coding):
    assert normalise_name(name) == coding


def test_channels_are_averaged_and_rates_converted(sound):
    import soxr

    fast = soxr.resample(sound / 32768.0, RATE_HZ, 44100)
    stereo = (np.stack([fast, 0.5 * fast], 1) * 32768).round().astype("<i2")
    found = read_all(stereo.tobytes(), rate=44100, channels=2)
    assert len(found) == pytest.approx(len(sound), abs=20)
    n = len(sound) - 20
    error = found[:n] - 0.75 * sound[:n]
    assert error.std() < 0.02 * sound.std()


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ALAW", "ULAW"])
@pytest.mark.parametrize("kind", ["WAV", "WAVEX", "RF64"])
def test_a_wav_is_read_by_its_header(sound, kind, subtype):
    file = io.BytesIO()
    soundfile.write(file, np.stack([sound, sound], 1) / 32768.0, RATE_HZ, format=kind, subtype=subtype)
    found = read_all(file.getvalue(), pieces=[1, 2, 9, 5, 20, 1])
    assert len(found) == len(sound)
    assert np.abs(found.astype(int) - sound).max() <= 600


@pytest.mark.parametrize("n_bytes", [0, 0xFFFFFFFF, 0x7FFFF000])
def test_a_wav_that_is_written_as_it_goes_is_read_to_the_end(sound, n_bytes):
    file = io.BytesIO()
    soundfile.write(file, sound, RATE_HZ, format="WAV")
    content = bytearray(file.getvalue())
    content[40:44] = n_bytes.to_bytes(4, "little")
    np.testing.assert_array_equal(read_all(bytes(content)), sound)


def test_what_stands_behind_the_samples_of_a_wav_is_no_sound(sound):
    file = io.BytesIO()
    soundfile.write(file, sound, RATE_HZ, format="WAV")
    np.testing.assert_array_equal(read_all(file.getvalue() + b"LIST\x04\0\0\0INFO"), sound)


@pytest.mark.parametrize(
    ("start", "what"),
    [
        (b"fLaC\0\0\0\x22", "FLAC"),
        (b"OggS\0\2", "Ogg"),
        (b"ID3\4\0\0", "MP3"),
        (b"FORM", "AIFF"),
        (b"caff", "CAF"),
        (b"\0\0\0\x1cftypM4A ", "MP4"),
        (b"\x30\x26\xb2\x75\x8e\x66", "WMA"),
        (b"wvpk\x20", "WavPack"),
        (2 * (b"\xff\xf1\x60\x40\x01\x1f\xfc\0"), "MP3 or AAC"),  # frames of 8 bytes
    ],
)
def test_what_is_neither_raw_nor_a_wav_is_one_line(start, what):
    with pytest.raises(AudioFileError, match=f"found {what}: decode it first, ffmpeg -i - "):
        read_all(start + bytes(1000))


@pytest.mark.parametrize("rate_hz", [8000, 16000, 44100])
def test_an_mp3_without_a_tag_is_one_line(sound, rate_hz):
    file = io.BytesIO()
    soundfile.write(file, sound, rate_hz, format="MP3", subtype="MPEG_LAYER_III")
    content = file.getvalue()
    plain = content[frame_bytes(content) :]  # without the frame of LAME's tag
    for pieces in ([], [1, 1, 3, 2, 60]):
        with pytest.raises(AudioFileError, match="found MP3 or AAC: decode it first"):
            read_all(plain, pieces=pieces)


@pytest.mark.parametrize("start", [b"\xff\xf3\x38\xc4", b"\xff\xfb\x90\x64", b"\xff\xf1\x60\x40", b"\xff\xff", b"\xff"])
def test_raw_samples_that_begin_as_a_frame_does_are_raw(start):
    content = start + np.arange(4000, dtype="<i2").tobytes() + bytes(len(start) % 2)
    np.testing.assert_array_equal(read_all(content), np.frombuffer(content, dtype="<i2"))
    np.testing.assert_array_equal(read_all(content[:4]), np.frombuffer(content[:4], dtype="<i2"))


@pytest.mark.parametrize("given", [{"rate": 48000}, {"channels": 2}, {"format": "s24le"}])
def test_what_a_wav_says_counts_and_a_line_says_so_where_options_say_otherwise(sound, given, caplog):
    file = io.BytesIO()
    soundfile.write(file, sound, RATE_HZ, format="WAV")
    np.testing.assert_array_equal(read_all(file.getvalue(), **given), sound)
    assert caplog.messages == ["standard input is a WAV, and what its header says counts: s16le, 16000 Hz, 1 channels"]
    caplog.clear()
    read_all(file.getvalue(), rate=RATE_HZ)
    assert caplog.messages == []


def test_a_wav_in_another_coding_is_one_line(sound):
    file = io.BytesIO()
    soundfile.write(file, sound, RATE_HZ, format="WAV", subtype="IMA_ADPCM")
    with pytest.raises(AudioFileError, match="a WAV in another coding"):
        read_all(file.getvalue())


@pytest.mark.parametrize("n_bytes", [4, 11, 13, 30])
def test_the_start_of_a_wav_alone_is_an_error_or_nothing(sound, n_bytes):
    file = io.BytesIO()
    soundfile.write(file, sound, RATE_HZ, format="WAV")
    if n_bytes < 12:  # it might have been raw samples
        assert len(read_all(file.getvalue()[:n_bytes])) == n_bytes // 2
    else:
        with pytest.raises(AudioFileError, match="the start of a WAV alone"):
            read_all(file.getvalue()[:n_bytes])


def test_samples_that_are_not_finite_are_an_error():
    with pytest.raises(AudioFileError, match="found NaN or infinity"):
        read_all(np.array([0.0, np.nan], dtype="<f4").tobytes(), format="f32le")
    with pytest.raises(AudioFileError, match="found NaN or infinity"):
        read_all(b"\1\0\xa0\x7f", format="f32le")  # a signalling NaN, at which NumPy warns


@settings(max_examples=40)
@given(
    pieces=st.lists(st.integers(1, 700), max_size=8), channels=st.integers(1, 3), rate=st.sampled_from([16000, 8000])
)
def test_any_pieces_give_the_same_samples(pieces, channels, rate):
    content = np.random.default_rng(3).integers(-9000, 9000, 3000).astype("<i2").tobytes()
    whole = read_all(content, channels=channels, rate=rate)
    np.testing.assert_array_equal(read_all(content, pieces=pieces, channels=channels, rate=rate), whole)


def test_a_wav_behind_a_wav_is_left_out_with_a_line(sound, caplog):
    file = io.BytesIO()
    soundfile.write(file, sound, RATE_HZ, format="WAV")
    np.testing.assert_array_equal(read_all(2 * file.getvalue()), sound)
    assert caplog.messages[-1] == "standard input has another WAV behind the first, which is left out"
