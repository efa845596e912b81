"""Takes of a word from its spelling alone: said by voices that are installed.

What that is worth is not known before people have said the word, too: synthetic voices are alike, speak clearly, and
have no room. So they are named as what they are, each a speaker of its own, and whoever measures can leave them out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detector.errors import DetectorError, SettingsError
from detector.learn.choir import Utterance, find_choir, plan
from detector.learn.judge import LONGEST_S, Fault
from detector.learn.speech import RATE_HZ
from detector.learn.spelling import check_spelling
from detector.learn.takes import SYNTHETIC, Refusal, Take, cut_take
from detector.samples import INT16_SCALE, to_float, to_int16

N_TAKES = 60
TRIES = 2
"""Times as many takes as are wanted are tried, at most."""
LINE_EVERY = 20
"""Takes; of a network's voice a Raspberry Pi makes ten in a minute."""
AROUND_S = 1.0
"""Of a room is put around what a voice says: it may begin and end at once."""
HISS_RMS = 3.0
"""Of that room, in steps of 16 bits: digital silence is none, and bounds are found against a room."""
WORTH = "what voices alone are worth is not known until people have said the word: add recordings of them"


def say_takes(
    word: str,
    *,
    n: int = N_TAKES,
    language: str = "en",
    voices_folder: Path | None = None,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> list[Take]:
    """Return takes of a word, each by another voice as far as there are voices, at another pace and pitch.

    The same arguments, engines and voices give the same takes.

    Parameters
    ----------
    word : str
        As it is spelled in its language.
    n : int
        Takes that are wanted. There are fewer where a voice makes no sound, or its word cannot be used.
    language : str
        As espeak-ng calls it: "en", "de", "pt-br"; see `spelling.guess_language`.
    voices_folder : Path, optional
        Voices of Piper to speak, too.
    seed : int
        Of the draw of voice, pace and pitch.
    progress : callable, optional
        Is given lines for people: what is being done, which voices spoke, and what that is worth.

    Returns
    -------
    list of Take
        Their speakers begin with `SYNTHETIC`.

    Raises
    ------
    SettingsError
        If the word cannot be spoken or lasts too long, or if there is no espeak-ng, no such language or voice.
    DetectorError
        If an engine fails, or nothing can be used of what it says.
    """
    say = progress or (lambda _text: None)
    check_spelling(word, language)
    choir = find_choir(language, voices_folder)
    say(f"having '{word}' said by voices")
    takes: list[Take] = []
    voices = []
    faults: Counter[str] = Counter()
    for utterance in islice(plan(choir, [word], n, seed), TRIES * n):
        if len(takes) == n:
            break
        found = _make_take(utterance)
        if isinstance(found, Take):
            takes.append(found)
            voices.append(utterance.voice)
            if len(takes) % LINE_EVERY == 0 and len(takes) < n:
                say(f"'{word}' said {len(takes)} of {n} times")
        else:
            faults[(found.fault or Fault.NOTHING).value] += 1
    if faults[Fault.LONG.value] > len(takes):
        raise SettingsError(
            f"expected a word of at most {LONGEST_S:g} s, found that '{word}' takes voices longer: choose a shorter one"
        )
    if not takes:
        counted = ", ".join(f"{fault} {count} times" for fault, count in faults.most_common())
        raise DetectorError(
            f"expected voices to say '{word}', found nothing to use ({counted}): can it be heard from "
            f"espeak-ng -v {language} -- '{word}'?"
        )
    dropped = ", ".join(f"{count} {fault}" for fault, count in sorted(faults.items()))
    say(
        f"'{word}' said {len(takes)} times by {choir.describe(voices)}"
        + (f"; {sum(faults.values())} more dropped ({dropped})" if dropped else "")
    )
    say(WORTH)
    return takes


def _make_take(utterance: Utterance) -> Take | Refusal:
    name = f"voice {utterance.voice.name}"
    samples = utterance.speak()
    if not len(samples):
        return Refusal(name, f"{name}: expected a word, found no sound", Fault.NOTHING)
    found = cut_take(put_in_room(samples), name, speaker=f"{SYNTHETIC}{utterance.voice.name}")
    # Nobody can say it better.
    return replace(found, warnings=()) if isinstance(found, Take) else found


def put_in_room(samples: NDArray[np.int16]) -> NDArray[np.int16]:
    """Return what a voice says, shape (n,), with a second before and after it, in a room that is nearly silent."""
    around = round(AROUND_S * RATE_HZ)
    padded = np.pad(to_float(samples), around)
    hiss = np.random.default_rng(0).standard_normal(len(padded), dtype=np.float32)
    return to_int16(padded + HISS_RMS / INT16_SCALE * hiss)
