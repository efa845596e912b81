"""Speech synthesisers as a source of words: which voices are there, what they say, how they would pronounce it.

espeak-ng builds speech from formants: many voices, none of them natural. flite joins and models recordings of a few
people: natural, few. Both are programs, run once for each clip.
"""

from __future__ import annotations

import io
import shutil
import subprocess
from collections.abc import Sequence

import msgspec
import numpy as np
import soundfile
from numpy.typing import NDArray

from detector.audio.resample import resample
from detector.errors import DetectorError, SettingsError
from detector.samples import to_int16

ESPEAK, FLITE = "espeak-ng", "flite"
LANGUAGES = (
    "en-us",
    "en-gb",
    "en-gb-scotland",
    "en-gb-x-gbclan",
    "en-gb-x-gbcwmd",
    "en-gb-x-rp",
    "en-029",
    "en-us-nyc",
)
"""The accents of espeak-ng's own English; its other voices need the recordings of MBROLA."""
VARIANTS = (*(f"m{k}" for k in range(1, 9)), *(f"f{k}" for k in range(1, 6)))
RARE_VARIANTS = ("croak", "whisper")
"""Spoken in the first language alone, as people seldom croak or whisper."""
FLITE_PITCH_HZ = {"awb": (100.0, 180.0), "kal16": (80.0, 150.0), "rms": (80.0, 140.0), "slt": (140.0, 240.0)}
"""flite's voices and the range of their mean pitch. Not `kal`, which is `kal16` without what is above 4 kHz."""
FLITE_SHARE = 0.15
"""Share of clips that flite speaks, where it is installed: more than its share of the voices."""

SPEED_WPM = (110.0, 220.0)
PITCH = (20.0, 80.0)
"""On espeak-ng's scale from 0 to 99."""
DURATION_STRETCH = (1.3, 0.8)
"""Of flite, from the slowest to the fastest."""

CLIP_TIMEOUT_S = 20.0
PHONEMES_TIMEOUT_S = 600.0
STRESS_MARKS = str.maketrans("", "", "\u02c8\u02cc")
TRIAL_TEXT = "hello"

Phonemes = tuple[str, ...]


class Voice(msgspec.Struct, frozen=True):
    """One way of speaking: to the rest of the training, a speaker."""

    name: str
    """As it stands in file names."""
    engine: str
    code: str
    """What the engine calls it."""
    share: float
    """Share of the clips that it speaks."""


def _run(
    command: Sequence[str], *, given: str = "", timeout_s: float | None = None, good: Sequence[int] = (0,)
) -> bytes:
    """Run a program and return what it writes, or raise an error that says why there is nothing."""
    timeout_s = CLIP_TIMEOUT_S if timeout_s is None else timeout_s
    shown = " ".join(command)
    try:
        finished = subprocess.run(command, input=given.encode(), capture_output=True, check=False, timeout=timeout_s)
    except FileNotFoundError as exc:
        program = command[0]
        raise SettingsError(
            f"expected the program {program} to speak words, found none: install it with sudo apt-get install {program}"
        ) from exc
    except subprocess.TimeoutExpired as exc:
        raise DetectorError(f"expected '{shown}' to end within {timeout_s:g} s, found it running") from exc
    if finished.returncode not in good:
        messages = finished.stderr.decode(errors="replace").strip().splitlines()
        found = f"exit code {finished.returncode}" + (f" ({messages[-1]})" if messages else "")
        raise DetectorError(f"expected '{shown}' to speak, found {found}: does it work by hand?")
    return finished.stdout


def describe_engines() -> dict[str, str]:
    """Return the version of each engine that is installed.

    Raises
    ------
    SettingsError
        If there is no espeak-ng.
    """
    versions = {ESPEAK: _run([ESPEAK, "--version"]).decode().partition("Data at:")[0].rpartition(":")[2].strip()}
    if shutil.which(FLITE):
        lines = subprocess.run(
            [FLITE, "--version"], capture_output=True, text=True, check=False, timeout=CLIP_TIMEOUT_S
        )
        versions[FLITE] = lines.stdout.partition("version:")[2].strip() or "unknown"
    return versions


def find_voices() -> list[Voice]:
    """Return the voices that make a sound here, in a fixed order; their shares sum to 1.

    Raises
    ------
    SettingsError
        If there is no espeak-ng, or it is mute.
    """
    listed = _run([ESPEAK, "--voices=en"]).decode()
    languages = [language for language in LANGUAGES if language in listed.split()]
    variants = _run([ESPEAK, "--voices=variant"]).decode()
    codes = [
        (language, variant)
        for language in languages
        for variant in ("", *VARIANTS, *(RARE_VARIANTS if language == languages[0] else ()))
        if not variant or f"!v/{variant} " in variants
    ]
    voices = [
        Voice(
            name="-".join(["espeak", language, *([variant] if variant else [])]),
            engine=ESPEAK,
            code="+".join([language, *([variant] if variant else [])]),
            share=0.0,
        )
        for language, variant in codes
    ]
    if shutil.which(FLITE):
        listed = _run([FLITE, "-lv"]).decode()
        voices += [
            Voice(name=f"flite-{code}", engine=FLITE, code=code, share=0.0)
            for code in FLITE_PITCH_HZ
            if code in listed.split()
        ]
    audible = [voice for voice in voices if speak(voice, TRIAL_TEXT, pace=0.5, pitch=0.5).any()]
    n_espeak = sum(voice.engine == ESPEAK for voice in audible)
    n_flite = len(audible) - n_espeak
    if not n_espeak:
        raise SettingsError(
            f"expected {ESPEAK} to speak English ({', '.join(LANGUAGES)}), found no voice that makes a sound: "
            "install its data with sudo apt-get install --reinstall espeak-ng-data"
        )
    flite_share = FLITE_SHARE if n_flite else 0.0
    shares = {ESPEAK: (1.0 - flite_share) / n_espeak, FLITE: flite_share / max(1, n_flite)}
    return [msgspec.structs.replace(voice, share=shares[voice.engine]) for voice in audible]


def speak(voice: Voice, text: str, *, pace: float, pitch: float, sample_rate_hz: int = 16000) -> NDArray[np.int16]:
    """Speak a word; the same arguments and version of the engine give the same samples.

    Parameters
    ----------
    voice : Voice
    text : str
        Begins with a letter.
    pace, pitch : float
        In [0, 1], from slowest and lowest to fastest and highest, within the ranges above.
    sample_rate_hz : int

    Returns
    -------
    NDArray[np.int16]
        Mono, with the silence that the engine puts around it; empty if it says nothing.

    Raises
    ------
    DetectorError
        If the engine fails, or what it returns is no recording.
    """
    if voice.engine == ESPEAK:
        speed_wpm, pitch_step = round(_between(SPEED_WPM, pace)), round(_between(PITCH, pitch))
        command = [ESPEAK, "-v", voice.code, "-s", str(speed_wpm), "-p", str(pitch_step), "--stdout", text]
    else:
        stretch, pitch_hz = _between(DURATION_STRETCH, pace), _between(FLITE_PITCH_HZ[voice.code], pitch)
        command = [FLITE, "-voice", voice.code, "--setf", f"duration_stretch={stretch:.3f}"]
        command += ["--setf", f"int_f0_target_mean={pitch_hz:.1f}", "-t", text, "-o", "/dev/stdout"]
    recording = _run(command)
    if not recording:
        return np.empty(0, dtype=np.int16)
    try:
        samples, rate_hz = soundfile.read(io.BytesIO(recording), dtype="float32")
    except soundfile.SoundFileError as exc:
        raise DetectorError(f"expected a recording from '{' '.join(command)}', found none ({exc})") from exc
    return to_int16(resample(samples, rate_hz, sample_rate_hz))


def _between(bounds: tuple[float, float], part: float) -> float:
    return bounds[0] + part * (bounds[1] - bounds[0])


def pronounce(words: Sequence[str], language: str) -> list[Phonemes]:
    """Return the phonemes of words as espeak-ng speaks them alone, in IPA without stress.

    Raises
    ------
    DetectorError
        If it does not answer each word with a line.
    """
    if not words:
        return []
    command = [ESPEAK, "-q", "--ipa", "--sep=_", "-v", language, "--stdin"]
    # A blank line ends a paragraph: within one, a word is stressed by its place in the sentence.
    answer = _run(command, given="".join(f"{word}\n\n" for word in words), timeout_s=PHONEMES_TIMEOUT_S).decode()
    lines = [line for line in answer.splitlines() if line.strip()]
    if len(lines) != len(words):
        raise DetectorError(f"expected a line of phonemes for each of {len(words)} words, found {len(lines)} lines")
    return [tuple(line.translate(STRESS_MARKS).replace("_", " ").split()) for line in lines]
