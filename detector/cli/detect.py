"""`keyword-detector detect`: recordings, as fast as the machine can."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePath
from typing import NamedTuple, TextIO, cast

from detector import batch
from detector.assembly import open_detector
from detector.audio.files import find_recordings
from detector.audio.recordings import Recording
from detector.cli.sources import check_source
from detector.cli.tally import Tally
from detector.core.model import load_model
from detector.errors import EXIT_AUDIO_FILE, EXIT_OK, AudioFileError, OutputClosed, SettingsError
from detector.events import Listener
from detector.outputs.console import Console
from detector.outputs.fanout import Fanout
from detector.outputs.labels import Labels
from detector.process.stdout import encode
from detector.settings import Settings

log = logging.getLogger(__name__)


class Found(NamedTuple):
    """A recording to detect in."""

    file: str
    place: PurePath
    """Where it lies in the folder that was named, or its name alone."""


def detect(
    settings: Settings,
    names: Sequence[str],
    *,
    is_recursive: bool = False,
    as_csv: bool = False,
    labels: Path | None = None,
) -> int:
    """Detect in recordings. One that cannot be read is logged, and the others are read all the same.

    Parameters
    ----------
    settings : Settings
    names : sequence of str
        Files, and folders of them.
    is_recursive : bool
        Look into the folders in folders, too.
    as_csv : bool
        Print a table, whatever the settings say of JSON.
    labels : Path, optional
        Folder for a file of labels of each recording.

    Returns
    -------
    int
        The exit code: `EXIT_AUDIO_FILE` if any of them cannot be read.

    Raises
    ------
    DetectorError
        If settings and model do not fit, or what is detected cannot be written.
    """
    model = load_model(settings.model)
    rate_hz = model.manifest.frontend.sample_rate_hz
    detector = open_detector(settings, model)
    tally = Tally(detector.words)
    are_many = len(names) > 1 or _is_folder(names[0])
    found = list(_find(names, tally, is_recursive=is_recursive))
    if labels is not None:
        _prepare_labels(found, labels)
    is_watched = are_many and log.isEnabledFor(logging.INFO) and sys.stderr.isatty()
    console = Console(
        as_json=settings.json and not as_csv,
        as_csv=as_csv,
        names_source=are_many,
        stream=cast("TextIO", _AboveProgress()) if is_watched else None,
    )
    with _show_progress(found, is_shown=is_watched) as recordings:
        for file, place in recordings:
            detector.reset()
            listeners: list[Listener] = [console, tally]
            if labels is not None:
                listeners.append(Labels(_label(labels, place)))
            try:
                check_source(file)
                with (
                    Recording(file, sample_rate_hz=rate_hz, channel=settings.channel, block_s=batch.BLOCK_S) as source,
                    Fanout(listeners) as fanout,
                ):
                    n_detections = batch.detect(source, detector, fanout, source_id=settings.name)
            except OutputClosed:
                raise BrokenPipeError from None
            except AudioFileError as exc:
                tally.fail(file, exc)
            else:
                tally.add((detector.n_samples - len(detector.silence_after())) / rate_hz)
                if not n_detections and not are_many and sys.stdout.isatty():  # somebody watches, and sees nothing
                    log.info("%s: nothing reached its threshold", file)
    if are_many and found:
        log.info("%s", tally.describe())
    return EXIT_AUDIO_FILE if tally.failed else EXIT_OK


def _find(names: Sequence[str], tally: Tally, *, is_recursive: bool) -> Iterator[Found]:
    """Yield recordings in the order of their names; what is none of them counts as failed."""
    for name in names:
        if not _is_folder(name):
            yield Found(name, PurePath(PurePath(name).name))
            continue
        n_found = 0
        for file in find_recordings(Path(name), is_recursive=is_recursive):
            n_found += 1
            if isinstance(file, AudioFileError):
                tally.fail(name, file)
            else:
                yield Found(str(file), file.relative_to(name))
        if not n_found:
            where = "in it or below it" if is_recursive else "in it; --recursive looks into its folders, too"
            tally.fail(name, AudioFileError(f"expected recordings, found the folder {name} with none {where}"))


def _is_folder(name: str) -> bool:
    return os.path.isdir(name)  # noqa: PTH112 - no error for a name that is too long: whoever opens it has a line for that


def _label(folder: Path, place: PurePath) -> Path:
    return folder / place.with_name(f"{place.name}.txt")


def _prepare_labels(found: Iterable[Found], folder: Path) -> None:
    """Make the folder for labels; refuse those of two recordings in one file.

    Raises
    ------
    SettingsError
        If it cannot be made; or with the two.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise SettingsError(f"expected a folder for labels, found that {folder} is none ({exc.strerror})") from exc
    recordings: dict[PurePath, str] = {}
    for file, place in found:
        other = recordings.setdefault(place, file)
        if other != file:
            raise SettingsError(
                f"expected a file of labels for each recording, found {other} and {file} for {_label(folder, place)}: "
                "detect in one after the other, with a folder of labels each"
            )


class _AboveProgress:
    """Standard output, for lines that stand above a progress bar on the same terminal."""

    @property
    def encoding(self) -> str:
        return sys.stdout.encoding

    def reconfigure(self, *, encoding: str | None, errors: str) -> None:
        encode(sys.stdout, encoding)
        del errors  # it sees to those

    def write(self, text: str) -> None:
        from tqdm import tqdm

        tqdm.write(text, file=sys.stdout, end="")

    def flush(self) -> None:
        sys.stdout.flush()


@contextlib.contextmanager
def _show_progress(found: Sequence[Found], *, is_shown: bool) -> Iterator[Iterable[Found]]:
    """Give the recordings, one after the other; on a terminal with a bar below what is logged."""
    if not is_shown:
        yield found
        return
    from tqdm import tqdm
    from tqdm.contrib.logging import logging_redirect_tqdm

    with logging_redirect_tqdm(), tqdm(found, unit="recording", leave=False) as bar:
        yield bar
