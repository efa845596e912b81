"""The voices that speak words for training, and how much each speaks."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from detector.errors import SettingsError
from detector.learn.piper import PiperVoice, find_piper_voices
from detector.learn.voices import ENGLISH, ESPEAK, LANGUAGES, Voice, list_voices, speak

FLITE_SHARE = 0.15
"""Share of clips that flite speaks, where it is installed: more than its share of the voices."""
TRIAL_TEXT = "hello"


class Speaker(Voice, frozen=True):
    """A voice that is, to the rest of the training, a speaker."""

    share: float
    """Share of the clips that it speaks."""


class PiperSpeaker(PiperVoice, frozen=True, kw_only=True):
    """The same, of a voice of Piper."""

    share: float


def find_voices(
    language: str = ENGLISH, piper_folder: Path | None = None, *, natural_share: float = FLITE_SHARE
) -> list[Speaker | PiperSpeaker]:
    """Return the voices of a language that make a sound here, in a fixed order; their shares sum to 1.

    Parameters
    ----------
    language : str
        As espeak-ng calls it.
    piper_folder : Path, optional
        Voices of Piper to speak, too.
    natural_share : float
        Of the clips, for all engines but espeak-ng together, in equal parts.

    Raises
    ------
    SettingsError
        If there is no espeak-ng, it is mute or does not speak the language, or the folder has no voice of it.
    """
    audible = [voice for voice in list_voices(language) if speak(voice, TRIAL_TEXT, pace=0.5, pitch=0.5).any()]
    if not any(voice.engine == ESPEAK for voice in audible):
        what = f"English ({', '.join(LANGUAGES)})" if language == ENGLISH else f"the language {language}"
        raise SettingsError(
            f"expected {ESPEAK} to speak {what}, found no voice that makes a sound: "
            "install its data with sudo apt-get install --reinstall espeak-ng-data"
        )
    piper = find_piper_voices(piper_folder, language) if piper_folder is not None else []
    n_voices = Counter(voice.engine for voice in (*audible, *piper))
    n_natural = len(n_voices) - 1
    of_engine = {engine: natural_share / max(1, n_natural) for engine in n_voices}
    of_engine[ESPEAK] = 1.0 - (natural_share if n_natural else 0.0)
    shares = {engine: of_engine[engine] / n for engine, n in n_voices.items()}
    spoken = [Speaker(name=one.name, engine=one.engine, code=one.code, share=shares[one.engine]) for one in audible]
    return [
        *spoken,
        *(
            PiperSpeaker(name=one.name, engine=one.engine, code=one.code, speaker=one.speaker, share=shares[one.engine])
            for one in piper
        ),
    ]
