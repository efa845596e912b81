"""Voices of Piper: neural networks that speak like the person they were trained on. Natural, large, slow to start.

The program `piper` speaks with them (both its first edition in C++ and today's in Python); it is run, never imported.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from detector.errors import SettingsError
from detector.files import read_file
from detector.learn.program import run_program
from detector.learn.voices import CLIP_BYTES, Voice, between, read_speech

PIPER = "piper"
PACKAGE = "pip install piper-tts"
SUFFIX = ".onnx"
MOST_CONFIG_BYTES = 2**22
CLIP_TIMEOUT_S = 120.0
"""A Raspberry Pi needs seconds to read a network of 60 MB."""
LENGTH_SCALE = (1.3, 0.8)
"""From the slowest to the fastest."""
PITCH_FACTOR = (0.9, 1.1)
"""By which all frequencies are multiplied: Piper itself knows no pitch."""


class PiperVoice(Voice, frozen=True):
    """A speaker of a voice of Piper; `code` is the path of its network."""

    speaker: int | None = None
    """Number of the speaker, None where there is one."""


class _Espeak(msgspec.Struct, frozen=True):
    voice: str = ""


class _Language(msgspec.Struct, frozen=True):
    code: str = ""


class _Config(msgspec.Struct, frozen=True):
    """What counts here of NAME.onnx.json."""

    espeak: _Espeak = _Espeak()
    language: _Language = _Language()
    num_speakers: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 1


def find_piper() -> str | None:
    """Return the program: of the PATH, or beside the Python that runs this."""
    return shutil.which(PIPER) or shutil.which(PIPER, path=str(Path(sys.executable).parent))


def find_piper_voices(folder: Path, language: str) -> list[PiperVoice]:
    """Return the speakers of a language among the voices in a folder and those below it, in a fixed order.

    Parameters
    ----------
    folder : Path
        Of pairs NAME.onnx and NAME.onnx.json.
    language : str
        As espeak-ng calls it: "en", "de", "pt-br"; if the region has no voice, all of the language.

    Raises
    ------
    SettingsError
        If there is no such folder, no voice in it or none of that language, if the JSON of one cannot be read, or if
        there is no program to speak with them.
    """
    files = sorted(folder.rglob(f"*{SUFFIX}")) if folder.is_dir() else []
    if not files:
        found = f"none in {folder}" if folder.is_dir() else f"no folder {folder}"
        raise SettingsError(f"expected a folder of Piper's voices, NAME{SUFFIX} and NAME{SUFFIX}.json, found {found}")
    if find_piper() is None:
        raise SettingsError(f"expected the program {PIPER} for the voices of {folder}, found none: {PACKAGE}")
    configs = {file: _read_config(file.with_name(f"{file.name}.json")) for file in files}
    wanted = language.lower().replace("_", "-")
    for name in dict.fromkeys((wanted, wanted.partition("-")[0])):
        chosen = [file for file, config in configs.items() if any(_is_of(code, name) for code in _codes(config))]
        if chosen:
            return [voice for file in chosen for voice in _list_speakers(file, configs[file].num_speakers)]
    found = ", ".join(sorted({code for config in configs.values() for code in _codes(config) if code})) or "none"
    raise SettingsError(f"expected a voice of Piper in {folder} of the language {language}, found languages {found}")


def _codes(config: _Config) -> tuple[str, ...]:
    return tuple(code.lower().replace("_", "-") for code in (config.language.code, config.espeak.voice))


def _is_of(code: str, language: str) -> bool:
    return code == language or code.startswith(f"{language}-")


def _list_speakers(file: Path, n_speakers: int) -> list[PiperVoice]:
    name, code = f"{PIPER}-{file.name.removesuffix(SUFFIX)}", str(file.absolute())
    if n_speakers == 1:
        return [PiperVoice(name=name, engine=PIPER, code=code)]
    return [PiperVoice(name=f"{name}-{k}", engine=PIPER, code=code, speaker=k) for k in range(n_speakers)]


def _read_config(file: Path) -> _Config:
    try:
        return msgspec.json.decode(read_file(file, MOST_CONFIG_BYTES), type=_Config)
    except (OSError, msgspec.DecodeError, RecursionError) as exc:
        raise SettingsError(
            f"expected what describes a voice of Piper in {file}, found that it cannot be read ({exc})"
        ) from exc


def speak_piper(
    voice: PiperVoice, text: str, *, pace: float, pitch: float, sample_rate_hz: int = 16000
) -> NDArray[np.int16]:
    """Speak a word, as `detector.learn.voices.speak` does; without Piper's noise, so that it is the same each time.

    Raises
    ------
    SettingsError
        If the program is not there.
    DetectorError
        If it fails, or what it returns is no recording.
    """
    factor = between(PITCH_FACTOR, pitch)
    command = [find_piper() or PIPER, "--model", voice.code, "--output_file", "-"]
    command += ["--length_scale", f"{between(LENGTH_SCALE, pace) * factor:.3f}", "--noise_scale", "0", "--noise_w", "0"]
    command += ["--speaker", str(voice.speaker)] if voice.speaker is not None else []
    recording = run_program(
        command, given=f"{text}\n", timeout_s=CLIP_TIMEOUT_S, most_bytes=CLIP_BYTES, package=PACKAGE
    )
    # Played faster by that factor: what was spoken slower by it is as long as asked for.
    return read_speech(recording, command, round(sample_rate_hz / factor))
