"""Speech synthesisers: which voices are there, what they say, how they would pronounce it.

espeak-ng builds speech from formants: many voices, none of them natural, in more than a hundred languages. flite joins
and models recordings of a few people: natural, few, English alone. Both are programs, run once for each clip.
"""

from __future__ import annotations

import io
import re
import shutil
from collections.abc import Sequence

import msgspec
import numpy as np
import soundfile
from numpy.typing import NDArray

from detector.audio.resample import resample
from detector.errors import DetectorError, SettingsError
from detector.learn.program import run_program
from detector.samples import to_int16

ESPEAK, FLITE = "espeak-ng", "flite"
ENGLISH = "en"
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
MORE_VARIANTS = (
    *(
        "Alicia",
        "Andrea",
        "Andy",
        "Annie",
        "aunty",
        "belinda",
        "benjamin",
        "boris",
        "david",
        "Denis",
        "Diogo",
        "edward",
    ),
    *("Gene", "Hugo", "iven", "Jacky", "john", "Lee", "linda", "marco", "Michael", "Mike", "pablo", "paul"),
    *("quincy", "rob", "steph", "travis", "victor", "zac"),
)
"""For languages other than English, which have an accent or two."""
RARE_VARIANTS = ("croak", "whisper")
"""Spoken in the first English alone, as people seldom croak or whisper."""
FLITE_PITCH_HZ = {"awb": (100.0, 180.0), "kal16": (80.0, 150.0), "rms": (80.0, 140.0), "slt": (140.0, 240.0)}
"""flite's voices and the range of their mean pitch. Not `kal`, which is `kal16` without what is above 4 kHz."""

SPEED_WPM = (110.0, 220.0)
PITCH = (20.0, 80.0)
"""On espeak-ng's scale from 0 to 99."""
DURATION_STRETCH = (1.3, 0.8)
"""Of flite, from the slowest to the fastest."""

CLIP_TIMEOUT_S = 20.0
CLIP_BYTES = 8 << 20
"""A minute and a half of the finest that is spoken."""
PHONEMES_TIMEOUT_S = 600.0
STRESS_MARKS = str.maketrans("", "", "\u02c8\u02cc")

Phonemes = tuple[str, ...]


class Voice(msgspec.Struct, frozen=True):
    """One way of speaking."""

    name: str
    """As it stands in file names."""
    engine: str
    code: str
    """What the engine calls it."""


def describe_engines() -> dict[str, str]:
    """Return the version of each engine that is installed.

    Raises
    ------
    SettingsError
        If there is no espeak-ng.
    """
    written = _ask([ESPEAK, "--version"])
    versions = {ESPEAK: written.partition("Data at:")[0].rpartition(":")[2].strip()}
    if shutil.which(FLITE):
        # It ends with 1 where all is well.
        written = _ask([FLITE, "--version"], good=(0, 1))
        versions[FLITE] = written.partition("version:")[2].strip() or "unknown"
    return versions


def list_voices(language: str = ENGLISH) -> list[Voice]:
    """Return the voices of a language, in a fixed order; some may make no sound where their data is not installed.

    Parameters
    ----------
    language : str
        As espeak-ng calls it: "en", "de", "pt-br"; of a region that it does not know, the language alone.

    Raises
    ------
    SettingsError
        If there is no espeak-ng, or it does not speak that language.
    """
    accents = find_accents(language)
    is_english = all(accent in LANGUAGES for accent in accents)
    listed = _ask([ESPEAK, "--voices=variant"])
    variants = VARIANTS if is_english else (*VARIANTS, *MORE_VARIANTS)
    codes = [
        (accent, variant)
        for accent in accents
        for variant in ("", *variants, *(RARE_VARIANTS if accent == LANGUAGES[0] else ()))
        if not variant or f"!v/{variant} " in listed
    ]
    voices = [
        Voice(
            name="-".join(["espeak", accent, *([variant] if variant else [])]),
            engine=ESPEAK,
            code="+".join([accent, *([variant] if variant else [])]),
        )
        for accent, variant in codes
    ]
    if LANGUAGES[0] in accents and shutil.which(FLITE):
        found = _ask([FLITE, "-lv"]).split()
        voices += [Voice(name=f"flite-{code}", engine=FLITE, code=code) for code in FLITE_PITCH_HZ if code in found]
    return voices


def find_accents(language: str = ENGLISH) -> list[str]:
    """Return how espeak-ng calls the accents of a language, or raise an error as `list_voices` does."""
    wanted = language.lower().replace("_", "-")
    names = dict.fromkeys((wanted, wanted.partition("-")[0])) if re.fullmatch("[a-z0-9-]+", wanted) else ()
    for name in names:
        rows = [line.split() for line in _ask([ESPEAK, f"--voices={name}"]).splitlines()[1:]]
        # Pty Language Age/Gender VoiceName File (alias priority)...; voices of MBROLA need recordings of their own.
        spoken = {row[1]: {alias.lstrip("(") for alias in row[5:]} for row in rows if row[4].partition("/")[0] != "mb"}
        if name.partition("-")[0] == ENGLISH:
            accents = [known for known in LANGUAGES if known in spoken]
        else:
            accents = [accent for accent in spoken if accent != "variant"]
        if found := [accent for accent in accents if _is_of(accent, name) or name in spoken[accent]]:
            return found
    raise SettingsError(
        f"expected a language that {ESPEAK} speaks, such as en or de, found '{language}': {ESPEAK} --voices lists them"
    )


def _is_of(accent: str, language: str) -> bool:
    return accent == language or accent.startswith(f"{language}-")


def speak(voice: Voice, text: str, *, pace: float, pitch: float, sample_rate_hz: int = 16000) -> NDArray[np.int16]:
    """Speak a word; the same arguments and version of the engine give the same samples.

    Parameters
    ----------
    voice : Voice
    text : str
        Whatever it is, it is spoken, and never taken for an option.
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
        speed_wpm, pitch_step = round(between(SPEED_WPM, pace)), round(between(PITCH, pitch))
        command = [ESPEAK, "-v", voice.code, "-s", str(speed_wpm), "-p", str(pitch_step), "--stdout", "--", text]
    else:
        stretch, pitch_hz = between(DURATION_STRETCH, pace), between(FLITE_PITCH_HZ[voice.code], pitch)
        command = [FLITE, "-voice", voice.code, "--setf", f"duration_stretch={stretch:.3f}"]
        command += ["--setf", f"int_f0_target_mean={pitch_hz:.1f}", "-t", text, "-o", "/dev/stdout"]
    recording = run_program(command, timeout_s=CLIP_TIMEOUT_S, most_bytes=CLIP_BYTES)
    return read_speech(recording, command, sample_rate_hz)


def read_speech(recording: bytes, command: Sequence[str], sample_rate_hz: int) -> NDArray[np.int16]:
    """Return the samples, shape (n,), of a recording that a command wrote, at another rate; empty of nothing.

    Raises
    ------
    DetectorError
        If it is no recording.
    """
    if not recording:
        return np.empty(0, dtype=np.int16)
    try:
        samples, rate_hz = soundfile.read(io.BytesIO(recording), dtype="float32")
    except soundfile.SoundFileError as exc:
        raise DetectorError(f"expected a recording from '{' '.join(command)}', found none ({exc})") from exc
    return to_int16(resample(samples, rate_hz, sample_rate_hz))


def between(bounds: tuple[float, float], part: float) -> float:
    """Return what lies a part of the way from the first of two bounds to the second."""
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
    given = "".join(f"{word}\n\n" for word in words)
    answer = run_program(command, given=given, timeout_s=PHONEMES_TIMEOUT_S).decode()
    lines = [line for line in answer.splitlines() if line.strip()]
    if len(lines) != len(words):
        raise DetectorError(f"expected a line of phonemes for each of {len(words)} words, found {len(lines)} lines")
    return [tuple(line.translate(STRESS_MARKS).replace("_", " ").split()) for line in lines]


def _ask(command: Sequence[str], *, good: Sequence[int] = (0,)) -> str:
    return run_program(command, timeout_s=CLIP_TIMEOUT_S, good=good).decode(errors="replace")
