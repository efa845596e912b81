"""Recordings of a word of one's own: where in each the word is, as a table that a training takes."""

from __future__ import annotations

import csv
import io
import logging
from pathlib import Path

from detector.errors import AudioFileError, SettingsError
from detector.learn.judge import Fault, Severity, judge
from detector.learn.speech import RATE_HZ
from detector.types import Channel
from training.data.decode import read_recording
from training.data.folders import read_some_recordings
from training.data.texts import compose_text
from training.progress import progress
from training.run.files import write_whole

log = logging.getLogger(__name__)

MARGIN_S = 0.1
"""Of what surrounds the word that stays with it: its bounds are found as exactly as that."""
FAULTS = frozenset(
    {Fault.NOTHING, Fault.SHORT, Fault.LONG, Fault.CUT_OFF, Fault.TWO_WORDS, Fault.REPEATED},
)
"""Nobody knows what the word is in a recording that has one. What is faint, noisy or clipped a detector meets, too."""
HEADER = ("file", "start", "end", "word", "speaker")


def write_table(folder: str, word: str, table: Path, *, speaker: str | None, channel: Channel) -> list[float]:
    """Find the word in each recording below a folder, and write where it is.

    The speaker is the given one, or the folder that a recording lies in below the given one; else the names of files
    say it.

    Returns
    -------
    list of float
        How long the word is in each, in seconds.

    Raises
    ------
    SettingsError
        If there is no such folder, no recording in it, or none that can be used.
    """
    root = read_some_recordings(folder)
    rows, lengths_s, refused = [], [], list[str]()
    for path in progress(root.all_recordings, "recordings", unit="recording"):
        try:
            samples = read_recording(str(path), RATE_HZ, channel=channel)
        except AudioFileError as exc:
            refused.append(str(exc))
            continue
        judgement = judge(samples)
        faults = [one for one in judgement.verdicts if one.severity is Severity.REFUSE]
        if judgement.word is None or any(fault.fault in FAULTS for fault in faults):
            refused.append(f"{path}: {faults[0].text}")
            continue
        start_s, end_s = judgement.word.start / RATE_HZ, judgement.word.end / RATE_HZ
        lengths_s.append(end_s - start_s)
        below = path.relative_to(root.path).parts[:-1]
        who = speaker or (compose_text(below[0]) if below else "")
        bounds = max(0.0, start_s - MARGIN_S), min(len(samples) / RATE_HZ, end_s + MARGIN_S)
        rows.append((str(path.resolve()), *(f"{bound:.3f}" for bound in bounds), word, who))
    if not rows:
        raise SettingsError(f"expected recordings of '{word}' below {folder}, found none to use: {refused[0]}")
    if refused:
        log.warning("left out: %d of %d recordings, the first: %s", len(refused), len(refused) + len(rows), refused[0])
    written = io.StringIO(newline="")
    csv.writer(written).writerows([HEADER, *rows])
    write_whole({table: written.getvalue().encode()})
    return lengths_s
