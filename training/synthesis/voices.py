"""The voices that speak words for training, and how much each speaks."""

from __future__ import annotations

from detector.errors import SettingsError
from detector.learn.voices import ESPEAK, FLITE, LANGUAGES, Voice, list_voices, speak

FLITE_SHARE = 0.15
"""Share of clips that flite speaks, where it is installed: more than its share of the voices."""
TRIAL_TEXT = "hello"


class Speaker(Voice, frozen=True):
    """A voice that is, to the rest of the training, a speaker."""

    share: float
    """Share of the clips that it speaks."""


def find_voices() -> list[Speaker]:
    """Return the English voices that make a sound here, in a fixed order; their shares sum to 1.

    Raises
    ------
    SettingsError
        If there is no espeak-ng, or it is mute.
    """
    audible = [voice for voice in list_voices() if speak(voice, TRIAL_TEXT, pace=0.5, pitch=0.5).any()]
    n_espeak = sum(voice.engine == ESPEAK for voice in audible)
    n_flite = len(audible) - n_espeak
    if not n_espeak:
        raise SettingsError(
            f"expected {ESPEAK} to speak English ({', '.join(LANGUAGES)}), found no voice that makes a sound: "
            "install its data with sudo apt-get install --reinstall espeak-ng-data"
        )
    flite_share = FLITE_SHARE if n_flite else 0.0
    shares = {ESPEAK: (1.0 - flite_share) / n_espeak, FLITE: flite_share / max(1, n_flite)}
    return [
        Speaker(name=voice.name, engine=voice.engine, code=voice.code, share=shares[voice.engine]) for voice in audible
    ]
