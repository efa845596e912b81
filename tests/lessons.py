"""A learner for tests of what is around it: on the shipped network it learns "yes", and "no" until it is corrected."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile
from heads import make_manifest

from detector import load_model
from detector.core.folders import SHIPPED_FOLDERS
from detector.core.head import HeadSettings, Unit
from detector.errors import SettingsError
from detector.learn.learn import Lesson
from detector.learn.report import Report, Veto
from detector.learn.takes import Take

RATE_HZ = 16000
DEMO = Path(__file__).parent / "recordings/demo.flac"
ODD = "odd"
"""Whose takes are unlike those of others."""
YES_S = (3.26, 8.23)
"""Where the demo has a "yes" each."""


VETO = Veto(
    misses=0.25,
    misses_interval=(0.05, 0.7),
    misses_basis="1 of 4 takes",
    refused_synthetic=0.7,
    refused_synthetic_interval=(0.5, 0.9),
    refused_synthetic_basis="21 of 30 voices",
)


def learn(
    word: str,
    takes: Sequence[Take],
    *,
    resources: object,
    false_alarms: Sequence[np.ndarray] = (),
    room: Sequence[np.ndarray] = (),
    others: Sequence[Take] = (),
    false_accepts_per_hour: float = 0.5,
    progress: object = None,
) -> Lesson:
    """Return a head that fires on "yes", and on "no" as long as there is no false alarm."""
    assert resources is not None
    assert all(sound.dtype == np.int16 for sound in (*false_alarms, *room))
    if len(takes) < 3:
        raise SettingsError(f"expected 3 takes of '{word}' or more, found {len(takes)}")
    progress("fitting")
    model = load_model("yes-no")
    weights = [0.0, 0.0, 12.0, -12.0 if false_alarms else 12.0]
    head = HeadSettings(taps=(0, 4, 8), words={word: (Unit(bias=-6.0, weights=weights * 3),)})
    manifest = make_manifest(model, word, [word], head=head)
    report = Report(
        word=word,
        n_takes=len(takes),
        n_speakers=len({take.speaker for take in takes}),
        threshold=0.9,
        misses=None,
        misses_interval=None,
        misses_basis="nobody else said it",
        false_accepts_per_hour=false_accepts_per_hour,
        false_accepts_per_hour_interval=(0.0, 2.0),
        false_accepts_basis="0.5 h of speech",
        veto=VETO if others else None,
    )
    unlike = tuple(
        f"{take.source} does not sound like the rest: say it again?" for take in takes if take.speaker == ODD
    )
    return Lesson(manifest, find_network().read_bytes(), report, unlike)


def find_network() -> Path:
    """Return the file of the shipped network."""
    return next(folder / "yes-no.tflite" for folder in SHIPPED_FOLDERS if (folder / "yes-no.tflite").is_file())


def write_yes(folder: Path, n_takes: int = 3) -> list[Path]:
    """Write takes of the demo's "yes"; return the files."""
    demo, _ = soundfile.read(DEMO, dtype="int16")
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for k in range(n_takes):
        first = round((YES_S[k % 2] - 0.6) * RATE_HZ) + 80 * k
        files.append(folder / f"yes-{k + 1}.wav")
        soundfile.write(files[-1], demo[first : first + round(1.7 * RATE_HZ)], RATE_HZ)
    return files


def install() -> None:
    """Have the verbs learn by this learner, in this process."""
    import detector.cli.correct
    import detector.cli.learn
    import detector.cli.lessons

    detector.cli.lessons.learn_from = learn
    for verb in (detector.cli.learn, detector.cli.correct):
        verb.open_resources = lambda: "none"
