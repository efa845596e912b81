"""Long recordings with known truth, composed from clips, running speech and noise."""

from __future__ import annotations

import codecs
import io
import itertools
import logging
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import soundfile
from numpy.typing import NDArray

from detector.errors import AudioFileError, SettingsError
from detector.files import read_file
from detector.learn.augment import Audio, add, cut, fade, noise_factor, rms
from detector.types import NotNegative
from training.data.collection import Collection
from training.data.decode import find_word
from training.data.items import Split, holds_any_word
from training.run.files import write_whole

log = logging.getLogger(__name__)

VALID_AFTER_END_S = 0.75
"""A detection counts for a word from the word's start to this long after its end."""
SPEECH_GAP_S = (0.5, 0.5)
"""Pause between utterances of running speech."""
MOST_TRUTH_BYTES = 2**28
"""Of a truth file; a word takes 60."""
ROUNDED_S = 36.0
"""A truth's hours may exceed its recording by this: people write them with two decimals."""
SELF_NOISE = 2.0
"""Level of the faint noise under words spoken alone, in 16-bit units: no microphone is silent."""


class TruthWord(msgspec.Struct, frozen=True, omit_defaults=True):
    """A word of a recording, where it stands, and who says it, if known."""

    word: str
    start_s: float
    end_s: float
    speaker: str | None = None


class Truth(msgspec.Struct, frozen=True):
    """What is spoken in a recording."""

    words: list[TruthWord]
    hours: NotNegative
    """Time in which a false accept would count: all of it, minus confusable utterances and a moment after each."""
    confusable: list[TruthWord] = []
    """Utterances in which a word is spoken that is easily taken for a keyword; where in them is not known."""


class Piece(msgspec.Struct, frozen=True):
    """A sound to lay into a stream, and what is spoken in it."""

    sound: NDArray[np.int16]
    first: int
    """The speech begins here and ends before `last`; what lies outside may overlap with other pieces."""
    last: int
    word: str = ""
    confusable: str = ""
    speaker: str = ""


def word_pieces(
    collection: Collection,
    *,
    split: Split,
    sample_rate_hz: int,
    rng: np.random.Generator,
    n_words: int | None = None,
    only: Sequence[str] = (),
) -> list[Piece]:
    """Draw clips of single words in a drawn order, none of them twice: a clip that is scored again shows nothing new.

    Parameters
    ----------
    n_words : int, optional
        Every word comes as often as any other, as far as its clips go, until there are this many. All clips by default.

    Raises
    ------
    SettingsError
        If the split has no such clips, or fewer than `n_words`.
    """
    clips = collection.words(split, only)
    n_clips = sum(len(positions) for positions in clips.values())
    if n_clips < (n_words or 1):
        raise SettingsError(f"expected {n_words or 'some'} word clips in the {split} split, found {n_clips or 'none'}")
    shuffled = [rng.permutation(clips[word]).tolist() for word in rng.permutation(sorted(clips))]
    in_turn = [position for turn in itertools.zip_longest(*shuffled) for position in turn if position is not None]
    pieces = []
    for position in rng.permutation(in_turn[:n_words]).tolist():
        samples = collection[position]
        first, last = find_word(samples, sample_rate_hz)
        faded = fade(samples.astype(np.float32), sample_rate_hz // 50)
        item = collection.items[position]
        pieces.append(Piece(_to_samples(faded), first, last, word=item.word, speaker=item.speaker))
    return pieces


def speech_pieces(
    collection: Collection,
    *,
    split: Split,
    without: Sequence[str],
    only: Sequence[str] = (),
    confusable: Sequence[str] = (),
) -> list[Piece]:
    """Choose the utterances of a split that hold none of some words, or one of some others.

    Where in an utterance a word stands is not known, so utterances with a keyword are left out, not aligned, and those
    with a `confusable` word are marked as a whole. Utterances without a transcript are left out, too.

    Raises
    ------
    SettingsError
        If no utterance fits.
    """
    utterances = [(k, collection.items[k]) for k in collection.speech(split)]
    n_unknown = sum(not item.transcript for _, item in utterances)
    if n_unknown:
        log.info("%d utterances have no transcript and are left out: a keyword may be spoken in them", n_unknown)
    pieces = []
    for position, item in utterances:
        is_wanted = bool(item.transcript) and not holds_any_word(item, without)
        if is_wanted and (not only or holds_any_word(item, only)):
            held = [word for word in confusable if holds_any_word(item, [word])]
            pieces.append(Piece(collection[position], 0, len(collection[position]), confusable=" ".join(held)))
    if not pieces:
        raise SettingsError(f"expected utterances of running speech in the {split} split, found none that fit")
    return pieces


def lay_out(
    pieces: Sequence[Piece], *, gap_s: tuple[float, float], sample_rate_hz: int, rng: np.random.Generator
) -> tuple[Audio, Truth]:
    """Lay pieces one after another into silence, a second before the first and two after the last.

    The gap is the distance of the speech, not of the pieces: a pause holds what surrounds the words in their clips.
    """
    placed: list[tuple[Piece, int]] = []
    words: list[TruthWord] = []
    confusable: list[TruthWord] = []
    start = sample_rate_hz
    end = start
    for piece in pieces:
        placed.append((piece, start - piece.first))
        end = start + piece.last - piece.first
        for name, spoken in ((piece.word, words), (piece.confusable, confusable)):
            if name:
                spoken.append(TruthWord(name, start / sample_rate_hz, end / sample_rate_hz, piece.speaker or None))
        start = end + round(rng.uniform(*gap_s) * sample_rate_hz)
    stream = np.zeros(end + 2 * sample_rate_hz, dtype=np.float32)
    for piece, at in placed:
        add(stream, piece.sound.astype(np.float32), at)
    length_s = len(stream) / sample_rate_hz
    counted_s, counted_to_s = length_s, 0.0
    for utterance in confusable:
        exempt_from_s, exempt_to_s = max(counted_to_s, utterance.start_s), utterance.end_s + VALID_AFTER_END_S
        counted_s -= exempt_to_s - exempt_from_s
        counted_to_s = exempt_to_s
    return stream, Truth(words, counted_s / 3600.0, confusable)


def compose(
    pieces: Sequence[Piece],
    *,
    gap_s: tuple[float, float],
    sample_rate_hz: int,
    rng: np.random.Generator,
    noises: Sequence[NDArray[np.int16]] = (),
    snr_db: float | None = None,
) -> tuple[NDArray[np.int16], Truth]:
    """Compose a recording: pieces in a row, perhaps noise a constant number of dB below their mean level."""
    stream, truth = lay_out(pieces, gap_s=gap_s, sample_rate_hz=sample_rate_hz, rng=rng)
    if snr_db is not None:
        levels = [rms(piece.sound[piece.first : piece.last].astype(np.float32)) for piece in pieces]
        factor = noise_factor(float(np.mean(levels)), 1.0, snr_db)
        stream += noise_bed(noises, len(stream), rng) * np.float32(factor)
    stream += rng.standard_normal(len(stream), dtype=np.float32) * np.float32(SELF_NOISE)
    return _to_samples(stream), truth


def untrained_noises(collection: Collection) -> list[NDArray[np.int16]]:
    """Return the noise recordings that no training on their folders was fed.

    Raises
    ------
    SettingsError
        If there is none.
    """
    n_all, chosen = len(collection.noises()), collection.untrained_noises()
    if not chosen and n_all:
        raise SettingsError(
            f"expected noise that is not trained on, found {n_all} recordings of the training split: "
            "--split all takes them, if nothing was trained on this folder"
        )
    if not chosen:
        raise SettingsError("expected noise recordings to mix in, found none: name a folder with --noise")
    if len(chosen) < n_all:
        log.info("%d of %d noises are of the training split and left out", n_all - len(chosen), n_all)
    return [collection[k] for k in chosen]


def noise_bed(noises: Sequence[NDArray[np.int16]], n_samples: int, rng: np.random.Generator) -> Audio:
    """Return noise in pieces of 160,000 samples (ten seconds at 16 kHz) out of drawn recordings, each of RMS 1."""
    piece_samples = 160000
    bed = np.zeros(n_samples, dtype=np.float32)
    for first in range(0, n_samples, piece_samples):
        piece = cut(noises[int(rng.integers(len(noises)))], piece_samples, rng)
        add(bed, piece / np.float32(max(1.0, rms(piece))), first)
    return bed


def _to_samples(stream: Audio) -> NDArray[np.int16]:
    return np.clip(np.rint(stream), -32768, 32767).astype(np.int16)


def write_stream(samples: NDArray[np.int16], truth: Truth, file: Path, sample_rate_hz: int) -> None:
    """Write a recording and, beside it with the ending .json, its truth."""
    kind, recording = file.suffix[1:].upper(), io.BytesIO()
    if kind == "RAW":
        raise SettingsError(f"expected a file with a header, such as stream.wav, found {file}")
    try:
        soundfile.write(recording, samples, sample_rate_hz, subtype="PCM_16", format=kind)
    except (soundfile.SoundFileError, ValueError, TypeError) as exc:
        raise SettingsError(f"expected to write a recording such as stream.wav, found {file}: {exc}") from exc
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(
        {file: recording.getvalue(), file.with_suffix(".json"): msgspec.json.format(msgspec.json.encode(truth))}
    )


def read_truth(file: Path, duration_s: float) -> Truth:
    """Read the truth of a recording that is `duration_s` long.

    Raises
    ------
    AudioFileError
        If there is none.
    SettingsError
        If it is not a truth file, or not of that recording: what lies outside of it cannot be detected.
    """
    try:
        truth = msgspec.json.decode(read_file(file, MOST_TRUTH_BYTES).removeprefix(codecs.BOM_UTF8), type=Truth)
    except OSError as exc:
        raise AudioFileError(f"expected a truth file, found that {file} cannot be read ({exc.strerror})") from exc
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise SettingsError(f"expected {{'words': [...], 'hours': H}} in {file}, found: {exc}") from exc
    if truth.hours * 3600.0 > duration_s + ROUNDED_S:
        raise SettingsError(f"expected hours of the recording's {duration_s:.1f} s in {file}, found {truth.hours:g} h")
    for word in (*truth.words, *truth.confusable):
        if not 0.0 <= word.start_s < word.end_s <= duration_s + 1.0:
            raise SettingsError(
                f"expected words within the recording's {duration_s:.1f} s in {file}, "
                f"found '{word.word}' from {word.start_s:g} to {word.end_s:g} s"
            )
    return truth
