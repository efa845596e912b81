"""Files whose headers are wrong, files behind files, and what only ffmpeg reads."""

from __future__ import annotations

import os
import shutil
import stat
import struct
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile

from detector.audio.decoder import CLAIMED_BYTES, open_sound
from detector.audio.links import is_mp3, is_tagged
from detector.errors import AudioFileError

RATE_HZ = 16000


@pytest.fixture(scope="module")
def sound(demo_samples):
    return demo_samples[2 * 16000 : 8 * 16000]


def decode(path):
    with open_sound(path) as opened:
        return np.concatenate([np.empty((0, opened.n_channels), dtype=np.float32), *opened.blocks])


def as_int16(samples):
    return np.round(samples[:, 0] * 32768).astype(int)


def wav(sound, *, n_bytes, name=b"RIFF", tag=1, bits=16, after=b"", before=b""):
    """Make a WAV by hand, whose header gives the length asked for."""
    end = ">" if name == b"RIFX" else "<"
    content = sound.astype(f"{end}i2").tobytes()
    form = struct.pack(f"{end}HHIIHH", tag, 1, RATE_HZ, RATE_HZ * bits // 8, bits // 8, bits)
    chunks = [name, bytes(4), b"WAVE", before, b"fmt ", struct.pack(f"{end}I", 16), form]
    return b"".join([*chunks, b"data", struct.pack(f"{end}I", n_bytes), content, after])


@pytest.mark.parametrize("name", [b"RIFF", b"RIFX", b"RF64"])
@pytest.mark.parametrize("n_bytes", [0, 2000, 4_000_000_000, 0xFFFFFFFF, 0x7FFFF000])
def test_a_wav_is_read_to_its_end_whatever_its_header_says(tmp_path, sound, caplog, name, n_bytes):
    (tmp_path / "a.wav").write_bytes(wav(sound, n_bytes=n_bytes, name=name))
    np.testing.assert_array_equal(as_int16(decode(tmp_path / "a.wav")), sound)
    assert "it holds 6.0 s" in caplog.text


def test_a_wav_of_64_bits_whose_writer_was_killed_is_read_to_its_end(tmp_path, sound, caplog):
    ds64 = b"ds64" + struct.pack("<IQQQI", 28, 0, 0, 0, 0)
    (tmp_path / "a.wav").write_bytes(wav(sound, n_bytes=0xFFFFFFFF, name=b"RF64", before=ds64))
    np.testing.assert_array_equal(as_int16(decode(tmp_path / "a.wav")), sound)
    assert "it holds 6.0 s" in caplog.text


@pytest.mark.parametrize(
    "after",
    [b"", b"\0", b"LIST\x04\0\0\0INFO", b"id3 \x06\0\0\0tagged", b"TAG" + bytes(125), b"LIST\x04\0\0\0INFOfree"],
)
def test_what_programs_write_behind_the_sound_is_no_sound(tmp_path, sound, caplog, after):
    (tmp_path / "a.wav").write_bytes(wav(sound, n_bytes=2 * len(sound), after=after))
    np.testing.assert_array_equal(as_int16(decode(tmp_path / "a.wav")), sound)
    assert not caplog.text


def test_a_wav_behind_a_wav_is_left_out_with_a_line(tmp_path, sound, caplog):
    one = wav(sound, n_bytes=2 * len(sound))
    (tmp_path / "a.wav").write_bytes(one + one)
    np.testing.assert_array_equal(as_int16(decode(tmp_path / "a.wav")), sound)
    assert "another recording behind the first" in caplog.text


@pytest.mark.parametrize("after", [b"", b"LIST\x04\0\0\0INFO", b"LIST\x1e\0\0\0INFOISFT\x12\0\0\0a recorder of mine"])
def test_an_empty_wav_is_empty(tmp_path, sound, caplog, after):
    (tmp_path / "a.wav").write_bytes(wav(sound[:0], n_bytes=0, after=after))
    assert len(decode(tmp_path / "a.wav")) == 0
    assert not caplog.text


def test_silence_before_floats_that_count_as_16_bits_do_decides_nothing(tmp_path, sound, caplog):
    late = np.concatenate([np.zeros(20 * RATE_HZ), sound]).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", late, RATE_HZ, subtype="FLOAT")
    np.testing.assert_array_equal(as_int16(decode(tmp_path / "a.wav")), late)
    assert "taken for 16-bit ones" in caplog.text


def test_a_coding_that_cannot_be_read_without_its_header_is_an_error(tmp_path, sound):
    (tmp_path / "a.wav").write_bytes(wav(sound, n_bytes=0, tag=0x11, bits=4))
    with pytest.raises(AudioFileError, match="no length in its header"):
        decode(tmp_path / "a.wav")


def test_much_that_holds_no_sound_is_logged(tmp_path, sound, caplog):
    soundfile.write(tmp_path / "a.aiff", sound, RATE_HZ)
    content = bytearray((tmp_path / "a.aiff").read_bytes())
    at = content.index(b"SSND") + 4
    content[at : at + 4] = struct.pack(">I", 8)
    (tmp_path / "a.aiff").write_bytes(content)
    if len(decode(tmp_path / "a.aiff")) < len(sound):
        assert "no sound that can be read" in caplog.text


@pytest.mark.parametrize(("kind", "subtype"), [("flac", "PCM_16"), ("ogg", "VORBIS"), ("ogg", "OPUS"), ("mp3", None)])
def test_recordings_one_behind_the_other_are_all_read(tmp_path, sound, kind, subtype):
    soundfile.write(tmp_path / f"one.{kind}", sound, RATE_HZ, format=kind, subtype=subtype)
    one = (tmp_path / f"one.{kind}").read_bytes()
    (tmp_path / f"three.{kind}").write_bytes(3 * one)
    alone = decode(tmp_path / f"one.{kind}")
    assert len(alone) == len(sound)
    np.testing.assert_array_equal(decode(tmp_path / f"three.{kind}"), np.concatenate([alone] * 3))


def test_a_recording_of_another_rate_behind_the_first_is_left_out_with_a_line(tmp_path, sound, caplog):
    soundfile.write(tmp_path / "a.flac", sound, RATE_HZ)
    soundfile.write(tmp_path / "b.flac", sound, 8000)
    (tmp_path / "a.flac").write_bytes((tmp_path / "a.flac").read_bytes() + (tmp_path / "b.flac").read_bytes())
    np.testing.assert_array_equal(as_int16(decode(tmp_path / "a.flac")), sound)
    assert "holds 2 recordings, of which 1 are left out" in caplog.text


def test_a_flac_that_was_encoded_into_a_pipe_is_read_whole(tmp_path, sound):
    soundfile.write(tmp_path / "a.flac", sound, RATE_HZ)
    content = bytearray((tmp_path / "a.flac").read_bytes())
    content[21] &= 0xF0
    content[22:42] = bytes(20)
    (tmp_path / "a.flac").write_bytes(content)
    np.testing.assert_array_equal(as_int16(decode(tmp_path / "a.flac")), sound)


def drop_tag(content):
    """Leave the first frame of an MP3 out, which holds the tag that says how long it is."""
    at = next(n for n in range(len(content)) if is_mp3(content[n : n + 4]))
    after = next(n for n in range(at + 100, len(content)) if content[n : n + 2] == content[at : at + 2])
    return content[after:]


def test_an_mp3_without_a_tag_is_read_to_its_end(tmp_path, sound):
    """Its length is guessed from the first frames: of loud sound before quiet sound the end was left out."""
    loud = np.random.default_rng(0).normal(size=16000) * 8000
    varied = np.concatenate([loud, np.zeros(160000), sound]).astype(np.int16)
    soundfile.write(tmp_path / "a.mp3", varied, RATE_HZ, bitrate_mode="VARIABLE", compression_level=0.5)
    tagged = decode(tmp_path / "a.mp3")
    (tmp_path / "b.mp3").write_bytes(drop_tag((tmp_path / "a.mp3").read_bytes()))
    descriptor = os.open(tmp_path / "b.mp3", os.O_RDONLY)
    assert not is_tagged(descriptor, 0)
    os.close(descriptor)
    untagged = decode(tmp_path / "b.mp3")
    assert 0 <= len(untagged) - len(tagged) <= 4000  # the encoder's delay, and the padding of the last frame
    assert CLAIMED_BYTES > 10**12


def test_an_mp3_says_nothing_on_stderr_and_is_the_same_in_any_blocks(tmp_path, sound, capfd):
    soundfile.write(tmp_path / "a.mp3", np.tile(sound, 3), RATE_HZ, format="MP3")
    whole, _ = soundfile.read(tmp_path / "a.mp3", dtype="float32")
    np.testing.assert_allclose(decode(tmp_path / "a.mp3")[:, 0], whole.clip(-1, 1), atol=1e-6)
    assert capfd.readouterr().err == ""


FFMPEG = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg: apt-get install ffmpeg")


@FFMPEG
@pytest.mark.parametrize(
    "name", ["a.m4a", "a.mp4", "a.aac", "a.webm", "a.wma", "a.3gp", "a.mka", "a.wv", "a.tta", "a.ac3", "noname"]
)
def test_what_telephones_write_is_read_through_ffmpeg(tmp_path, sound, name):
    import subprocess

    soundfile.write(tmp_path / "a.wav", np.stack([sound, sound], 1), RATE_HZ)
    codings = {"webm": "libopus", "wma": "wmav2", "wv": "wavpack", "tta": "tta", "ac3": "ac3"}
    coding = codings.get(name.rpartition(".")[2], "aac")
    options = ["-c:a", coding, "-ar", "48000", *(["-f", "mp4"] if name == "noname" else [])]
    subprocess.run(["ffmpeg", "-v", "error", "-i", tmp_path / "a.wav", *options, tmp_path / name], check=True)
    with open_sound(tmp_path / name) as opened:
        decoded = np.concatenate(list(opened.blocks))
        assert opened.n_channels == 2
    assert len(decoded) / opened.rate_hz == pytest.approx(6.0, abs=0.2)
    assert decoded[:, 0].std() == pytest.approx(sound.std() / 32768, rel=0.2)


@pytest.mark.parametrize("name", ["a.wav", "a.mp3", "a.m4a"])
def test_a_file_of_no_bytes_is_empty(tmp_path, name):
    (tmp_path / name).touch()
    with pytest.raises(AudioFileError, match=r"that is not audio \(it is empty\)"):
        decode(tmp_path / name)


def test_an_mp3_without_a_whole_frame_exists(tmp_path):
    (tmp_path / "a.mp3").write_bytes(b"\xff\xfb\x90\x64" + bytes(100))
    with pytest.raises(AudioFileError, match=r"that is not audio \(format not recognised\)"):
        decode(tmp_path / "a.mp3")


@FFMPEG
def test_what_ffmpeg_does_not_read_either_is_one_line(tmp_path):
    (tmp_path / "a.m4a").write_bytes(b"no sound at all" * 100)
    with pytest.raises(AudioFileError, match=r"found .*a\.m4a that is not audio \(.+\)") as caught:
        decode(tmp_path / "a.m4a")
    assert "\n" not in str(caught.value)
    assert str(caught.value).count("a.m4a") == 1


@FFMPEG
def test_a_reader_that_stops_early_leaves_no_process_behind(tmp_path, sound):
    import subprocess

    soundfile.write(tmp_path / "a.wav", np.tile(sound, 100), RATE_HZ)
    subprocess.run(["ffmpeg", "-v", "error", "-i", tmp_path / "a.wav", tmp_path / "a.m4a"], check=True)
    with open_sound(tmp_path / "a.m4a") as opened:
        assert len(next(opened.blocks))
    children = Path(f"/proc/self/task/{threading.get_native_id()}/children").read_text().split()
    assert "ffmpeg" not in [Path(f"/proc/{child}/comm").read_text().strip() for child in children]


def test_without_ffmpeg_one_line_says_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "a.m4a").write_bytes(b"\0\0\0\x20ftypM4A " + bytes(1000))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(AudioFileError, match="install ffmpeg to read it"):
        decode(tmp_path / "a.m4a")


def pretend(folder, monkeypatch, script):
    """Put a program in ffmpeg's place."""
    program = folder / "bin" / "ffmpeg"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")


def test_a_decoder_that_fails_in_the_middle_is_an_error_behind_what_it_delivered(tmp_path, monkeypatch, sound):
    (tmp_path / "a.m4a").write_bytes(b"\0\0\0\x20ftypM4A " + bytes(1000))
    whole = sound.astype(np.float32) / np.float32(32768)
    header = b"".join(
        [b"RIFF", b"\xff" * 4, b"WAVEfmt ", struct.pack("<IHHIIHH", 16, 3, 1, RATE_HZ, 4 * RATE_HZ, 4, 32)]
    )
    (tmp_path / "pcm").write_bytes(header + b"data" + b"\xff" * 4 + whole.tobytes())
    pretend(tmp_path, monkeypatch, f"cat {tmp_path / 'pcm'}; echo 'moov atom not found' >&2; exit 1")
    with open_sound(tmp_path / "a.m4a") as opened:
        first = [next(opened.blocks), next(opened.blocks)]
        np.testing.assert_array_equal(as_int16(np.concatenate(first)), sound)
        with pytest.raises(AudioFileError, match=r"damaged \(moov atom not found\)"):
            next(opened.blocks)
