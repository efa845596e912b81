"""Forced alignment: where each word of a transcript is said in its recording."""

from __future__ import annotations

import enum
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detector.errors import SettingsError
from training.align.pronounce import pronounce

INSTALL = "pip install 'keyword-detector[align]', or in a checkout .venv/bin/pip install -e '.[align]'"
SAMPLE_RATE_HZ = 16000
"""Of the acoustic model."""
FRAME_S = 0.01
"""From one frame of the acoustic model to the next."""


class SpokenWord(NamedTuple):
    """A word and where it is said, in seconds from the first sample."""

    word: str
    start_s: float
    end_s: float


class Skipped(enum.StrEnum):
    """Why an utterance is not aligned."""

    NO_TRANSCRIPT = "without a transcript"
    NOT_SPELT = "with digits or signs in their transcript, which may be read in several ways"
    UNKNOWN_WORD = "with words whose pronunciation is not known"
    MISMATCH = "whose sound does not follow their transcript"
    UNREADABLE = "that could not be decoded"


def check_aligner() -> str:
    """Return the version of the aligner.

    Raises
    ------
    SettingsError
        If it is not installed.
    """
    try:
        import pocketsphinx  # noqa: F401 - only whether it can be imported
    except ImportError as exc:
        raise SettingsError(f"expected the package pocketsphinx to align words, found none: {INSTALL}") from exc
    from importlib.metadata import version

    return version("pocketsphinx")


class Aligner:
    """Aligns English with the acoustic model and the dictionary that pocketsphinx brings. One thread only."""

    def __init__(self) -> None:
        """Load model and dictionary.

        Raises
        ------
        SettingsError
            If pocketsphinx is not installed.
        """
        check_aligner()
        from pocketsphinx import Decoder

        # The mean of the cepstra is that of the utterance alone, not of those before it.
        self._decoder = Decoder(lm=None, cmn="batch", loglevel="FATAL")

    def align(self, samples: NDArray[np.int16], words: Sequence[str]) -> list[SpokenWord] | Skipped:
        """Return where each word is said, or why that cannot be known.

        Parameters
        ----------
        samples : ndarray of int16, shape (n_samples,)
            Mono, at 16 kHz.
        words : sequence of str
            In lower case, as they are said, all of them.
        """
        if not words:
            return Skipped.NO_TRANSCRIPT
        if self.find_unknown(words):
            return Skipped.UNKNOWN_WORD
        decoder = self._decoder
        decoder.reinit_feat()  # otherwise an utterance's last frames decide some bounds of the next one
        try:
            decoder.set_align_text(" ".join(words))
            decoder.start_utt()
            decoder.process_raw(samples.tobytes(), full_utt=True)
            decoder.end_utt()
            segments = list(decoder.seg() or ())
        except RuntimeError:  # it finds no path through the words
            return Skipped.MISMATCH
        spoken = [
            SpokenWord(
                re.sub(r"\(\d+\)$", "", segment.word),  # which of its pronunciations
                round(segment.start_frame * FRAME_S, 2),
                round((segment.end_frame + 1) * FRAME_S, 2),
            )
            for segment in segments
            if segment.word[0] not in "<["  # silence, and noises
        ]
        return spoken if [word for word, _, _ in spoken] == list(words) else Skipped.MISMATCH

    def find_unknown(self, words: Sequence[str]) -> list[str]:
        """Return the words whose pronunciation neither the dictionary nor flite knows; learn those that flite does."""
        unknown = []
        for word in words:
            if self._decoder.lookup_word(word) is not None:
                continue
            phones = pronounce(word)
            if phones is None:
                unknown.append(word)
            else:
                self._decoder.add_word(word, phones, update=True)
        return unknown
