"""Voices of Piper, for which a program stands that behaves as Piper's does on its command line."""

import json
import sys

import numpy as np
import pytest

from detector.errors import DetectorError, SettingsError
from detector.learn.piper import find_piper_voices, speak_piper

PROGRAM = """#!{python}
import argparse, io, sys, wave
parser = argparse.ArgumentParser()
parser.add_argument("-m", "--model", required=True)
parser.add_argument("-f", "--output-file", "--output_file")
parser.add_argument("-s", "--speaker", type=int, default=0)
parser.add_argument("--length-scale", "--length_scale", type=float, default=1.0)
parser.add_argument("--noise-scale", "--noise_scale", type=float, default=0.667)
parser.add_argument("--noise-w-scale", "--noise_w_scale", "--noise-w", "--noise_w", type=float, default=0.8)
given = parser.parse_args()
assert open(given.model).read() == "network", given
assert given.output_file == "-" and given.noise_scale == given.noise_w_scale == 0.0, given
text = sys.stdin.read()
assert text.endswith("\\n") and text.count("\\n") == 1, text
# A square wave of 200 Hz, 0.1 s a letter; of other speakers, fainter.
n_samples = int(22050 * 0.1 * len(text.strip()) * given.length_scale)
level = 20000 >> given.speaker
samples = bytes()
for k in range(n_samples):
    samples += (level if k * 400 // 22050 % 2 else -level).to_bytes(2, "little", signed=True)
written = io.BytesIO()
with wave.open(written, "wb") as file:
    file.setnchannels(1), file.setsampwidth(2), file.setframerate(22050)
    file.writeframes(samples)
sys.stdout.buffer.write(written.getvalue())
"""


@pytest.fixture
def piper(tmp_path, monkeypatch):
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "piper"
    program.write_text(PROGRAM.format(python=sys.executable))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    return program


@pytest.fixture
def voices(tmp_path):
    folder = tmp_path / "voices"
    for name, code, voice, n_speakers in (
        ("en_US-joe-medium", "en_US", "en-us", 1),
        ("en_GB-vctk-medium", "en_GB", "en-gb-x-rp", 3),
        ("zh/zh_CN-huayan-medium", "zh_CN", "cmn", 1),
    ):
        config = {"espeak": {"voice": voice}, "language": {"code": code}, "num_speakers": n_speakers, "audio": {}}
        file = folder / f"{name}.onnx"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("network")
        (folder / f"{name}.onnx.json").write_text(json.dumps(config))
    return folder


def names(voices):
    return [voice.name for voice in voices]


def test_voices_are_found_by_language_each_speaker_a_voice(piper, voices):
    british = [f"piper-en_GB-vctk-medium-{k}" for k in range(3)]
    assert names(find_piper_voices(voices, "en")) == [*british, "piper-en_US-joe-medium"]
    assert names(find_piper_voices(voices, "en-gb")) == british
    assert names(find_piper_voices(voices, "en-au")) == names(find_piper_voices(voices, "en"))
    assert names(find_piper_voices(voices, "zh")) == names(find_piper_voices(voices, "cmn"))
    with pytest.raises(SettingsError, match=r"of Piper in .* of the language de, found languages cmn, en-gb, .*zh-cn"):
        find_piper_voices(voices, "de")


def test_the_program_speaks_a_word_at_a_pace_and_a_pitch(piper, voices):
    *_, third, joe = find_piper_voices(voices, "en")
    level = np.median(np.abs(speak_piper(joe, "ab", pace=0.5, pitch=0.5)))
    assert level > 3.5 * np.median(np.abs(speak_piper(third, "ab", pace=0.5, pitch=0.5)))
    slow, fast, low, high = (
        speak_piper(joe, "-v", pace=pace, pitch=pitch) for pace, pitch in ((0, 0.5), (1, 0.5), (0.5, 0), (0.5, 1))
    )
    assert len(slow) / 16000 == pytest.approx(0.26, abs=0.002)
    assert len(fast) / 16000 == pytest.approx(0.16, abs=0.002)
    assert len(low) == pytest.approx(len(high), abs=20)
    pitches = [int(np.abs(np.fft.rfft(sound, 16000)).argmax()) for sound in (low, high)]
    assert pitches == [pytest.approx(180, abs=3), pytest.approx(220, abs=3)]


def test_a_voice_that_cannot_be_read_is_one_line(piper, voices, tmp_path):
    for folder, found in ((tmp_path / "none", "no folder"), (piper.parent, "none in")):
        with pytest.raises(SettingsError, match=rf"expected a folder of Piper's voices, NAME.onnx .*, found {found}"):
            find_piper_voices(folder, "en")
    for content in (b"", b"[", b"[" * 100_000, b'{"num_speakers": 0}', b'{"espeak": 3}', b"\xff"):
        (voices / "en_US-joe-medium.onnx.json").write_bytes(content)
        with pytest.raises(SettingsError, match=r"a voice of Piper in .*joe-medium.onnx.json, found that it cannot be"):
            find_piper_voices(voices, "en")
    (voices / "en_US-joe-medium.onnx.json").unlink()
    with pytest.raises(SettingsError, match="No such file"):
        find_piper_voices(voices, "en")


def test_voices_without_the_program_are_one_line(voices, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(SettingsError, match=r"program piper for the voices of .*, found none: pip install piper-tts"):
        find_piper_voices(voices, "en")


def test_a_network_that_the_program_cannot_use_is_one_line(piper, voices):
    (voices / "en_US-joe-medium.onnx").write_text("something else")
    *_, joe = find_piper_voices(voices, "en")
    with pytest.raises(DetectorError, match=r"to speak, found exit code 1 .*AssertionError"):
        speak_piper(joe, "word", pace=0.5, pitch=0.5)
