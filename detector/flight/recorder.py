"""The flight recorder: the last minutes of sound on disk, and what was around a detection kept, to be replayed.

Off unless a folder is given: it records speech in a room. The ring is a row of FLAC files without names, the oldest of
which goes when a new one comes. What is kept is one FLAC file and a JSON file beside it, which holds all that is needed
to detect in it again to the bit: the detector's state at its first sample, its settings, gaps, every window's scores.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
from collections import deque
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Self

import msgspec
import numpy as np
import soundfile
from numpy.typing import NDArray

from detector.core.detector import Detector, DetectorState
from detector.events import Asked, Closed, Detection, Event, Gap, Opened, Progress, Scored, State
from detector.flight.folder import open_folder
from detector.flight.format import FORMAT, Change, Flight, describe_machine
from detector.settings import RecordSettings

log = logging.getLogger(__name__)

SEGMENT_S = 10.0
"""Length of a file of the ring."""
LONGEST_REASON = 50
"""In the name of what is kept, in characters."""
TRY_AGAIN_S = 10.0
"""After trouble with the disk nothing is written for this long, in seconds of audio."""


class _Segment:
    """One file of the ring, and what happened while it was written."""

    def __init__(self, descriptor: int, state: DetectorState, sample_rate_hz: int) -> None:
        self._descriptor = descriptor
        self.state = state
        self.n_samples = 0
        self.changes: list[Change] = []
        self.gaps: list[Gap] = []
        self.windows: list[Scored] = []
        self.detections: list[Detection] = []
        self._file = open_flac(descriptor, sample_rate_hz)

    def write(self, samples: NDArray[np.int16]) -> None:
        self._file.write(samples)
        self.n_samples += len(samples)

    def finish(self) -> None:
        """Write the rest; from then on it can be read."""
        self._file.close()

    def read(self) -> NDArray[np.int16]:
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        with soundfile.SoundFile(self._descriptor, closefd=False) as sound:
            samples: NDArray[np.int16] = sound.read(dtype="int16")
            return samples

    def forget(self) -> None:
        with contextlib.suppress(OSError, soundfile.SoundFileError):
            self._file.close()
        os.close(self._descriptor)


def open_flac(descriptor: int, sample_rate_hz: int) -> soundfile.SoundFile:
    """Return a sound file that writes to a descriptor, which stays its owner's."""
    return soundfile.SoundFile(descriptor, "w", sample_rate_hz, 1, subtype="PCM_16", format="FLAC", closefd=False)


class FlightRecorder:
    """A listener that records what a detector is fed, and keeps what is around a detection. In the detector's thread.

    It must hear every event before the detector goes on: the state of the detector at the first sample of a segment is
    that after the turn before.
    """

    def __init__(self, detector: Detector, settings: RecordSettings) -> None:
        """Record into the folder of the settings, which is made if it is missing.

        While another process records into it, this one does not, and tries again.

        Raises
        ------
        SettingsError
            If the folder cannot be written to.
        """
        assert settings.folder is not None
        self._detector = detector
        self._settings = settings
        self._rate_hz = detector.model.manifest.frontend.sample_rate_hz
        self._folder = open_folder(Path(settings.folder))
        self._segments: deque[_Segment] = deque()
        self._open: _Segment | None = None
        self._due_at: int | None = None
        self._first = 0
        self._reason = ""
        self._is_in_trouble = False
        self._try_again_at = 0
        self._model, self._thresholds = detector.model, detector.thresholds

    def __enter__(self) -> Self:
        """Begin to record."""
        self._begin_segment()
        return self

    def __exit__(self, *_: object) -> None:
        """Keep what is still to be kept, and remove the ring."""
        self._keep_asked()
        self._forget_all()
        self._folder.close()

    def hear(self, event: Event) -> None:
        """Note an event, record its samples, keep what is asked for or due."""
        if isinstance(event, Progress):
            self._record(event.samples)
            self._keep_due()
        elif isinstance(event, Opened):
            self._take_settings()
        elif isinstance(event, Detection | Asked):
            if isinstance(event, Detection) and self._open is not None:
                self._open.detections.append(event)
            self._ask(event.keyword if isinstance(event, Detection) else event.reason)
        elif isinstance(event, Closed):
            self._keep_asked()
        elif self._open is not None:
            self._note(event, self._open)

    # ---- parts

    def _note(self, event: Event, segment: _Segment) -> None:
        """Note what a replay will need to do the same."""
        now = self._detector.n_samples
        if isinstance(event, Scored):
            segment.windows.append(event)
        elif isinstance(event, Gap):
            segment.gaps.append(event)
            segment.changes.append(Change(now, n_skipped=event.at_sample - now))
        elif isinstance(event, State) and event.before is None:  # the stride has changed
            segment.changes.append(Change(now, stride_factor=event.stride_factor))

    def _record(self, samples: NDArray[np.int16]) -> None:
        if self._open is None:
            if self._detector.n_samples >= self._try_again_at:
                self._begin_segment()
            return
        if len(samples):
            with self._watch_disk():
                self._open.write(samples)
        if self._open is not None and self._open.n_samples >= SEGMENT_S * self._rate_hz:
            self._close_segment()
            self._begin_segment()

    def _take_settings(self) -> None:
        """Take over what the detector listens for; nothing from before can be kept with what follows a change."""
        detector = self._detector
        if detector.thresholds != self._thresholds or detector.model is not self._model:
            self._keep_asked()
            self._forget_all()
            self._model, self._thresholds = detector.model, detector.thresholds
            self._begin_segment()

    def _ask(self, reason: str) -> None:
        """Keep what is around this moment, once what follows was recorded; one recording for requests in a row.

        It is named after the first of them, and ends after the last, but not later than the ring is long.
        """
        now, longest = self._detector.n_samples, round(60.0 * self._settings.minutes * self._rate_hz)
        if self._due_at is None:
            self._first = now - round(self._settings.before_s * self._rate_hz)
            self._reason = reason
        self._due_at = max(now, min(now + round(self._settings.after_s * self._rate_hz), self._first + longest))

    def _keep_due(self) -> None:
        if self._due_at is not None and self._detector.n_samples >= self._due_at:
            self._keep_asked()
            if self._open is None and self._detector.n_samples >= self._try_again_at:
                self._begin_segment()

    def _begin_segment(self) -> None:
        """Begin a file of the ring with the detector's present state, and forget files that are too old."""
        with self._watch_disk():
            descriptor = self._folder.create_nameless()
            try:
                self._open = _Segment(descriptor, self._detector.snapshot(), self._rate_hz)
            except (OSError, soundfile.SoundFileError):
                os.close(descriptor)
                raise
        kept_samples = (60.0 * self._settings.minutes - SEGMENT_S) * self._rate_hz
        while self._segments and sum(s.n_samples for s in self._segments) > kept_samples:
            self._segments.popleft().forget()

    def _close_segment(self) -> None:
        if self._open is not None:
            segment, self._open = self._open, None
            self._segments.append(segment)
            with self._watch_disk():
                segment.finish()
                if self._is_in_trouble:
                    self._is_in_trouble = False
                    log.warning("recording again")

    def _forget_all(self) -> None:
        """Forget what is recorded and not kept, half written or not."""
        if self._open is not None:
            self._segments.append(self._open)
            self._open = None
        while self._segments:
            self._segments.popleft().forget()

    def _keep_asked(self) -> None:
        """Keep what is around the moment that was asked for, if any was."""
        if self._due_at is not None:
            self._due_at = None
            self._close_segment()
            with self._watch_disk():
                self._keep()

    def _keep(self) -> None:
        """Put together the segments around the moment that was asked for."""
        chosen = [s for s in self._segments if s.state.n_samples + s.n_samples > self._first]
        chosen = chosen or [*self._segments][-1:]
        if not chosen:
            log.info("nothing was recorded of '%s', so nothing is kept of it", self._reason)
            return
        now = datetime.now().astimezone()
        reason = re.sub(r"[^\w-]", "_", self._reason)[:LONGEST_REASON]
        manifest = self._model.manifest
        flight = Flight(
            format=FORMAT,
            reason=self._reason,
            saved_at=now.isoformat(timespec="milliseconds"),
            model=manifest.name,
            model_sha256=manifest.sha256,
            words=list(self._thresholds),
            thresholds=self._thresholds,
            state=chosen[0].state,
            changes=[change for s in chosen for change in s.changes],
            gaps=[gap for s in chosen for gap in s.gaps],
            windows=[window for s in chosen for window in s.windows],
            detections=[detection for s in chosen for detection in s.detections],
            made_with=describe_machine(),
            level=manifest.level,
            heads=self._model.heads,
        )
        self._write(f"{now:%Y%m%d-%H%M%S}-{now.microsecond // 1000:03d}-{reason}", flight, chosen)
        self._folder.make_room(self._settings.most_mb * 1e6)

    def _write(self, stem: str, flight: Flight, segments: Sequence[_Segment]) -> None:
        """Write a recording, and name its two files when both are whole."""
        with contextlib.ExitStack() as drafts:
            beside, sound = (self._folder.create() for _ in range(2))
            for draft in (beside, sound):
                drafts.callback(os.close, draft.descriptor)
                drafts.callback(self._folder.discard, draft)
            with open_flac(sound.descriptor, self._rate_hz) as out:
                for segment in segments:
                    if segment.n_samples:
                        out.write(segment.read())
            with open(beside.descriptor, "wb", closefd=False) as out:
                out.write(msgspec.json.encode(flight))
            while self._folder.has(f"{stem}.json") or self._folder.has(f"{stem}.flac"):
                stem += "_"
            self._folder.name(beside, f"{stem}.json")
            self._folder.name(sound, f"{stem}.flac")
        log.info("kept %s.flac", self._folder.path / stem)

    @contextlib.contextmanager
    def _watch_disk(self) -> Iterator[None]:
        """Report once when the disk takes nothing, and go on without; what follows is not joined to what was before."""
        try:
            yield
        except (OSError, soundfile.SoundFileError) as exc:
            if not self._is_in_trouble:
                log.warning("nothing can be recorded: %s", exc)
            self._is_in_trouble = True
            self._try_again_at = self._detector.n_samples + round(TRY_AGAIN_S * self._rate_hz)
            self._forget_all()
