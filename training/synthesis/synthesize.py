"""Words from speech synthesisers, for what recordings lack: negatives over the whole dictionary.

A folder in the Speech Commands layout, `WORD/VOICE_nohash_N.flac`, each voice a speaker. The keywords are in it too, in
the same voices: otherwise a network learns that a synthetic voice never says one.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import soundfile
from numpy.typing import NDArray

from detector.errors import SettingsError
from detector.learn.piper import speak_piper
from detector.learn.voices import ESPEAK, describe_engines, find_accents, speak
from training.data.decode import find_word
from training.data.trees import is_noise_folder
from training.progress import progress
from training.synthesis.near import find_near_words, make_up_words
from training.synthesis.settings import SynthesisSettings
from training.synthesis.vocabulary import Vocabulary, read_vocabulary, sort_vocabulary
from training.synthesis.voices import PiperSpeaker, Speaker, find_voices

log = logging.getLogger(__name__)

SUMMARY_FILE = "synthesis.json"
PLAN_FILE = "synthesis.partial.json"
"""Says what a folder is becoming; gives way to the summary when it has become it."""
SAMPLE_RATE_HZ = 16000
MARGIN_S = 0.1
"""Silence that is left before and after a word, at most."""
SILENCE_FLOOR = 1e-5
"""Energy below this part of the loudest is silence (-50 dB): the end of an "s" is not."""


class Clip(msgspec.Struct, frozen=True):
    """One word to say."""

    word: str
    voice: Speaker | PiperSpeaker
    take: int
    """Running number of the voice's clips of the word."""
    pace: float
    pitch: float

    @property
    def path(self) -> Path:
        """Where it goes, below the folder."""
        return Path(self.word, f"{self.voice.name}_nohash_{self.take}.flac")


def check_words(words: Sequence[str]) -> None:
    """Refuse words that cannot be spoken or name a folder.

    Raises
    ------
    SettingsError
        With the first of them.
    """
    for word in words:
        parts = re.split("[ '\u2019-]", word)
        if not all(part[:1].isalpha() and all(unicodedata.category(c)[0] in "LM" for c in part) for part in parts):
            raise SettingsError(f"expected words of letters, such as yes or hey computer, found '{word}'")


def plan_counts(settings: SynthesisSettings, vocabulary: Vocabulary, near: Sequence[str] = ()) -> dict[str, int]:
    """Return how often each word is spoken: vocabulary, neighbours of the keywords, keywords.

    `near` are neighbours that do not stand in the vocabulary.
    """
    also = (*(settings.also or vocabulary.neighbours), *near)
    counts = {
        **dict.fromkeys(vocabulary.words[: settings.n_words], settings.clips_per_word),
        **{word: settings.clips_per_neighbour for word in also if word not in vocabulary.homophones},
        **dict.fromkeys(settings.words, settings.clips_per_keyword),
    }
    # Folders of such names would be read as noise, and a voice mixed into what is said.
    return {word: count for word, count in counts.items() if not is_noise_folder(word)}


def plan_clips(counts: Mapping[str, int], voices: Sequence[Speaker | PiperSpeaker], seed: int) -> list[Clip]:
    """Draw voice, pace and pitch of every clip; those of a word depend on the word, the voices and the seed alone."""
    shares = np.array([voice.share for voice in voices])
    clips = []
    for word, count in sorted(counts.items()):
        rng = np.random.default_rng([seed, *hashlib.sha256(word.encode()).digest()])
        takes: Counter[str] = Counter()
        for k in rng.choice(len(voices), size=count, p=shares / shares.sum()):
            voice = voices[int(k)]
            pace, pitch = (round(float(x), 3) for x in rng.random(2))
            clips.append(Clip(word=word, voice=voice, take=takes[voice.name], pace=pace, pitch=pitch))
            takes[voice.name] += 1
    return clips


def trim(samples: NDArray[np.int16], sample_rate_hz: int) -> NDArray[np.int16]:
    """Return a word with at most `MARGIN_S` of silence on each side, empty if there is no sound."""
    if not samples.any():
        return samples[:0]
    margin = round(MARGIN_S * sample_rate_hz)
    start, end = find_word(samples, sample_rate_hz, floor=SILENCE_FLOOR)
    return samples[max(0, start - margin) : end + margin]


def synthesize(settings: SynthesisSettings, out: Path) -> list[str]:
    """Speak the words into a folder, or finish what an interrupted call with the same settings began.

    Returns
    -------
    list of str
        What there is now, for people to read.

    Raises
    ------
    SettingsError
        If espeak-ng is missing, a word or a text cannot be used, or the folder holds something else.
    DetectorError
        If an engine fails.
    """
    check_words((*settings.words, *settings.also))
    engines = describe_engines()
    words = read_vocabulary(settings.vocabulary, settings.skip_speakers)
    voices = find_voices(
        settings.language, Path(settings.voices) if settings.voices else None, natural_share=settings.natural_share
    )
    codes = {voice.code for voice in voices if voice.engine == ESPEAK}
    languages = [accent for accent in find_accents(settings.language) if accent in codes]
    near = find_near_words(Path(settings.dictionary), settings.words, settings.n_near) if settings.dictionary else []
    words += [word for word in near if word not in words]
    vocabulary = sort_vocabulary(
        [*words, *(word for word in settings.also if word not in words)], settings.words, languages
    )
    if vocabulary.homophones:
        named = ", ".join(f"{word} ({keyword})" for word, keyword in vocabulary.homophones.items())
        log.info("left out, as they sound like a keyword: %s", named)
    made_up = make_up_words(settings.words, settings.n_made_up, languages, settings.seed)
    counts = plan_counts(settings, vocabulary, [*near, *made_up])
    clips = plan_clips(counts, voices, settings.seed)
    recipe = msgspec.to_builtins(settings)
    recipe["vocabulary"] = [Path(name).resolve().name for name in settings.vocabulary]
    for name in ("voices", "dictionary"):
        recipe[name] = Path(recipe[name]).resolve().name if recipe[name] else None
    summary = {
        "settings": recipe,
        "engines": engines,
        "plan_sha256": hashlib.sha256(msgspec.json.encode([engines, clips])).hexdigest(),
    }
    _claim_folder(out, summary)
    n_clips = sum(_write_clip(clip, out) for clip in progress(clips, "speaking", unit="clip"))
    if n_clips < len(clips):
        log.warning("left out: %d of %d clips, in which the voice made no sound", len(clips) - n_clips, len(clips))
    summary |= {
        "n_clips": n_clips,
        "n_clips_without_sound": len(clips) - n_clips,
        "n_words": len(counts),
        "voices": [voice.name for voice in voices],
        "homophones_left_out": vocabulary.homophones,
        "neighbours": vocabulary.neighbours,
        **({"near_in_dictionary": near} if near else {}),
        **({"made_up": made_up} if made_up else {}),
    }
    _write_summary(out / SUMMARY_FILE, summary)
    (out / PLAN_FILE).unlink(missing_ok=True)
    return [f"{out}: {n_clips} clips of {len(counts)} words in {len(voices)} voices"]


def _claim_folder(out: Path, summary: Mapping[str, Any]) -> None:
    """Note in a folder what it is going to hold; refuse one that holds something else."""
    out.mkdir(parents=True, exist_ok=True)
    for file in (out / PLAN_FILE, out / SUMMARY_FILE):
        if not file.is_file():
            continue
        try:
            found = json.loads(file.read_text(encoding="utf-8"))["plan_sha256"]
        except (ValueError, TypeError, KeyError, RecursionError) as exc:
            raise SettingsError(f"expected the settings of a synthesis in {file}, found none: delete {out}") from exc
        if found != summary["plan_sha256"]:
            raise SettingsError(
                f"expected {out} to be of the same settings, texts and engines, found one of others: "
                "name another folder, or delete this one"
            )
        break
    else:
        if any(out.iterdir()):
            raise SettingsError(f"expected {out} to be empty or begun by this command, found other files in it")
    _write_summary(out / PLAN_FILE, summary)


def _write_clip(clip: Clip, out: Path) -> bool:
    """Speak a clip unless it is there; return whether there is one now."""
    file = out / clip.path
    if file.is_file():
        return True
    how = {"pace": clip.pace, "pitch": clip.pitch}
    if isinstance(clip.voice, PiperSpeaker):
        sound = speak_piper(clip.voice, clip.word, **how, sample_rate_hz=SAMPLE_RATE_HZ)
    else:
        sound = speak(clip.voice, clip.word, **how, sample_rate_hz=SAMPLE_RATE_HZ)
    sound = trim(sound, SAMPLE_RATE_HZ)
    if not sound.size:
        return False
    file.parent.mkdir(exist_ok=True)
    # Under another name until whole: the next call keeps what has the right one.
    partial = file.with_name(f".{file.name}.partial")
    soundfile.write(partial, sound, SAMPLE_RATE_HZ, format="FLAC", subtype="PCM_16")
    partial.replace(file)
    return True


def _write_summary(file: Path, summary: Mapping[str, Any]) -> None:
    partial = file.with_name(f".{file.name}.partial")
    partial.write_text(json.dumps(summary, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    partial.replace(file)
