"""A table of where words are said, of all utterances below some folders: goes on where it was interrupted."""

from __future__ import annotations

import csv
import io
import itertools
import logging
import multiprocessing
import os
import re
import shutil
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import msgspec

from detector.errors import AudioFileError, DetectorError
from training.align.aligner import SAMPLE_RATE_HZ, Aligner, Skipped, SpokenWord, check_aligner
from training.align.pronounce import FLITE
from training.data.decode import read_recording
from training.data.folders import read_folder
from training.data.notes import Notes
from training.data.speech import find_transcripts, find_words, index_speech
from training.progress import progress
from training.run.files import write_whole
from training.run.workers import work_for_parent

log = logging.getLogger(__name__)

COLUMNS = ("file", "word", "start_s", "end_s", "speaker")
NOT_SPELT = re.compile(r"[\d$%&+=@#/\u00a3\u20ac]")
"""In a transcript: something is said there, and which words is not written."""
MOST_NAMED = 5
"""Words without a pronunciation that a line names."""


class Utterance(msgspec.Struct, frozen=True):
    """A recording, and what is said in it."""

    path: str
    n_bytes: int
    """Of the file: another recording under the same name is aligned anew."""
    words: tuple[str, ...]
    speaker: str
    is_spelt: bool
    """False where the transcript holds what may be read in several ways."""


class Aligned(msgspec.Struct, frozen=True):
    """What became of an utterance."""

    utterance: Utterance
    length_s: float = 0.0
    words: tuple[SpokenWord, ...] = ()
    skipped: Skipped | None = None
    unknown: tuple[str, ...] = ()
    """Words whose pronunciation is not known."""


class Origin(msgspec.Struct, frozen=True):
    """First line of what is kept of an interrupted table: what made the others."""

    aligner: str
    has_flite: bool


def align(names: Sequence[str], table: Path, *, n_workers: int) -> list[str]:
    """Write a table of all words that are said in the utterances below some folders; return what is in it, in lines.

    The same recordings, versions and programs give the same table, whatever the number of workers and interruptions.
    While it is made, what is done is kept beside it, in `TABLE.partial`.

    Parameters
    ----------
    names : sequence of str
        Folders of running speech in LibriSpeech's or LJ Speech's layout.
    table : Path
        Rows of file (from the table's folder where it lies below that, else absolute), word in lower case, start and
        end in seconds, speaker.
    n_workers : int

    Raises
    ------
    SettingsError
        If the aligner is not installed, or a folder holds no running speech.
    DetectorError
        If a worker ends by itself.
    OSError
        If the table cannot be written.
    """
    origin = Origin(aligner=check_aligner(), has_flite=shutil.which(FLITE) is not None)
    notes = Notes()
    utterances = find_utterances(names, notes)
    for line in notes.lines():
        log.info(line)
    partial = table.with_name(f"{table.name}.partial")
    table.parent.mkdir(parents=True, exist_ok=True)
    done = _read_partial(partial, origin)
    missing = [utterance for utterance in utterances if utterance not in done]
    if len(missing) < len(utterances):
        log.info("going on: %d of %d utterances were done before", len(utterances) - len(missing), len(utterances))
    started_s = time.monotonic()
    with open(partial, "ab") as kept:
        if not kept.tell():
            kept.write(msgspec.json.encode(origin) + b"\n")
        for aligned in progress(_align_all(missing, n_workers), "aligning", len(missing), unit="utterance"):
            kept.write(msgspec.json.encode(aligned) + b"\n")
            kept.flush()
            done[aligned.utterance] = aligned
    took_s = time.monotonic() - started_s
    results = [done[utterance] for utterance in utterances]
    write_whole({table: compose_table(results, table.parent)})
    partial.unlink()
    fresh_s = sum(done[utterance].length_s for utterance in missing)
    return describe(results, table) + ([f"{fresh_s / took_s:.0f} times real time"] if fresh_s else [])


def find_utterances(names: Sequence[str], notes: Notes | None = None) -> list[Utterance]:
    """Return the utterances below some folders, in their order, each recording once.

    Raises
    ------
    SettingsError
        If there is no such folder, or no running speech in it.
    """
    found: dict[str, Utterance] = {}
    for name in names:
        transcripts = find_transcripts(read_folder(name))
        for item in index_speech(name, (), notes):
            text = transcripts.get(Path(item.path).stem, "")
            path = os.path.realpath(item.path)
            found.setdefault(
                path,
                Utterance(
                    path=path,
                    n_bytes=Path(path).stat().st_size,
                    words=tuple(word.lower().replace("\u2019", "'") for word in find_words(text)),
                    speaker=item.speaker,
                    is_spelt=not NOT_SPELT.search(text),
                ),
            )
    return list(found.values())


def compose_table(results: Sequence[Aligned], folder: Path) -> bytes:
    """Return the table of words, as CSV in UTF-8, for a file in a folder."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    here = folder.resolve()
    for result in results:
        file = Path(result.utterance.path)
        shown = file.relative_to(here) if file.is_relative_to(here) else file
        for word, start_s, end_s in result.words:
            writer.writerow([shown.as_posix(), word, f"{start_s:.2f}", f"{end_s:.2f}", result.utterance.speaker])
    return out.getvalue().encode(errors="surrogateescape")


def describe(results: Sequence[Aligned], table: Path) -> list[str]:
    """Return how much is in a table, and what is not, and why."""
    aligned = [result for result in results if result.skipped is None]
    speakers = {result.utterance.speaker for result in aligned}
    hours = sum(result.length_s for result in aligned) / 3600.0
    n_words = sum(len(result.words) for result in aligned)
    of_speakers = f"{len(speakers)} speaker{'' if len(speakers) == 1 else 's'}"
    lines = [f"{table}: {n_words} words in {len(aligned)} of {len(results)} utterances ({hours:.2f} h), {of_speakers}"]
    notes = Notes()
    for result in results:
        if result.skipped is not None:
            notes.leave_out(f"utterances {result.skipped}", result.utterance.path)
    lines += notes.lines()
    unknown = Counter(word for result in results for word in result.unknown).most_common()
    if unknown:
        named = ", ".join(word for word, _ in unknown[:MOST_NAMED])
        more = f", and {len(unknown) - MOST_NAMED} more" if len(unknown) > MOST_NAMED else ""
        hint = "" if shutil.which(FLITE) else f"; {FLITE} derives most: sudo apt-get install {FLITE}"
        lines.append(f"words whose pronunciation is not known: {named}{more}{hint}")
    return lines


def _read_partial(partial: Path, origin: Origin) -> dict[Utterance, Aligned]:
    """Return what an interrupted call did; delete what is of another origin, and cut off a line that is not whole."""
    if not partial.is_file():
        return {}
    done: dict[Utterance, Aligned] = {}
    with open(partial, "r+b") as kept:
        try:
            is_ours = msgspec.json.decode(kept.readline(), type=Origin) == origin
        except msgspec.MsgspecError:
            is_ours = False
        end = kept.tell() if is_ours else 0
        for line in kept if is_ours else ():
            try:
                aligned = msgspec.json.decode(line, type=Aligned)
            except msgspec.MsgspecError:
                break
            done[aligned.utterance] = aligned
            end += len(line)
        kept.truncate(end)
    return done


def _align_all(utterances: Sequence[Utterance], n_workers: int) -> Iterator[Aligned]:
    """Yield what becomes of each utterance, in order."""
    if not utterances:
        return
    n_workers = min(n_workers, len(utterances))
    with ProcessPoolExecutor(
        n_workers, mp_context=multiprocessing.get_context("spawn"), initializer=_start_worker
    ) as pool:
        waiting = iter(utterances)
        # A few ahead of what is written: so that Ctrl-C need not wait for a queue.
        tasks = [pool.submit(_align_one, utterance) for utterance in itertools.islice(waiting, 4 * n_workers)]
        try:
            while tasks:
                yield tasks.pop(0).result()
                tasks += [pool.submit(_align_one, utterance) for utterance in itertools.islice(waiting, 1)]
        except BrokenProcessPool as exc:
            raise DetectorError(
                "expected worker processes to align words, found that one ended by itself: look above for why; if "
                "nothing stands there, memory may have run out, and --workers 1 takes least"
            ) from exc
        finally:
            pool.shutdown(cancel_futures=True)


_aligner: Aligner


def _start_worker() -> None:
    work_for_parent()
    global _aligner  # noqa: PLW0603 - the one state of a worker process, set once by its initialiser
    _aligner = Aligner()


def _align_one(utterance: Utterance) -> Aligned:
    if not utterance.is_spelt:
        return Aligned(utterance, skipped=Skipped.NOT_SPELT)
    if not utterance.words:
        return Aligned(utterance, skipped=Skipped.NO_TRANSCRIPT)
    try:
        samples = read_recording(utterance.path, SAMPLE_RATE_HZ)
    except AudioFileError:
        return Aligned(utterance, skipped=Skipped.UNREADABLE)
    length_s = len(samples) / SAMPLE_RATE_HZ
    spoken = _aligner.align(samples, utterance.words)
    if not isinstance(spoken, Skipped):
        return Aligned(utterance, length_s=length_s, words=tuple(spoken))
    unknown = tuple(_aligner.find_unknown(utterance.words)) if spoken is Skipped.UNKNOWN_WORD else ()
    return Aligned(utterance, length_s=length_s, skipped=spoken, unknown=unknown)
