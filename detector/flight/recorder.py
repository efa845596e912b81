"""The flight recorder: the last minutes of sound on disk, and what was around a detection kept, to be replayed.

Off unless a folder is given: it records speech in a room. The ring is a row of FLAC files, the oldest of which
goes when a new one comes. What is kept is one FLAC file and a JSON file beside it, which holds all that is needed to
detect in it again to the bit: the detector's state at its first sample, its settings, gaps, and every window's scores.
"""

from __future__ import annotations

import contextlib
import logging
import re
from collections import deque
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Self

import msgspec
import numpy as np
import soundfile
from numpy.typing import NDArray

from detector.core.detector import Detector, DetectorState
from detector.errors import SettingsError
from detector.events import Asked, Closed, Detection, Event, Gap, Opened, Progress, Scored, State
from detector.flight.format import FORMAT, Change, Flight, describe_machine
from detector.settings import RecordSettings

log = logging.getLogger(__name__)

SEGMENT_S = 10.0
"""Length of a file of the ring."""
RING_FOLDER = "ring"
PARTIAL, PARTIAL_FLIGHT = PARTIALS = ("partial", "partial.json")
"""What is being written; renamed when both are whole."""
SEGMENT_NAME = re.compile(r"\d{9}\.flac")
KEPT_NAME = re.compile(r"\d{8}-\d{6}-\d{3}-.+\.flac")
"""The folder may hold other files too; those are left alone."""
TRY_AGAIN_S = 10.0
"""After trouble with the disk nothing is written for this long, in seconds of audio."""


class _Segment:
    """One file of the ring, and what happened while it was written."""

    def __init__(self, path: Path, state: DetectorState, sample_rate_hz: int) -> None:
        self.path = path
        self.state = state
        self.n_samples = 0
        self.changes: list[Change] = []
        self.gaps: list[Gap] = []
        self.windows: list[Scored] = []
        self.detections: list[Detection] = []
        self._file = soundfile.SoundFile(path, "w", sample_rate_hz, 1, subtype="PCM_16", format="FLAC")

    def write(self, samples: NDArray[np.int16]) -> None:
        self._file.write(samples)
        self.n_samples += len(samples)

    def close(self) -> None:
        self._file.close()


class FlightRecorder:
    """A listener that records what a detector is fed, and keeps what is around a detection. In the detector's thread.

    It must hear every event before the detector goes on: the state of the detector at the first sample of a segment is
    that after the turn before.
    """

    def __init__(self, detector: Detector, settings: RecordSettings) -> None:
        """Record into the folder of the settings, which is made if it is missing.

        Raises
        ------
        SettingsError
            If the folder cannot be written to.
        """
        assert settings.folder is not None
        self._detector = detector
        self._settings = settings
        self._rate_hz = detector.model.manifest.frontend.sample_rate_hz
        self._folder = Path(settings.folder)
        self._ring = self._folder / RING_FOLDER
        try:
            for folder in (self._folder, self._ring):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            for old in self._ring.iterdir():  # of a process that has ended: nobody knows its state any more
                if SEGMENT_NAME.fullmatch(old.name) or old.name in PARTIALS:
                    old.unlink()
        except OSError as exc:
            raise SettingsError(f"expected a folder to record into, found {self._folder}: {exc.strerror}") from exc
        self._segments: deque[_Segment] = deque()
        self._open: _Segment | None = None
        self._n_opened = 0
        self._due_at: int | None = None
        self._first = 0
        self._reason = ""
        self._is_in_trouble = False
        self._try_again_at = 0
        self._thresholds = detector.thresholds

    def __enter__(self) -> Self:
        """Begin to record."""
        self._begin_segment()
        return self

    def __exit__(self, *_: object) -> None:
        """Keep what is still to be kept, and remove the ring."""
        self._keep_asked()
        self._forget_all()
        with contextlib.suppress(OSError):
            self._ring.rmdir()  # it stays if somebody else's files are in it

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
        if self._detector.thresholds != self._thresholds:
            self._keep_asked()
            self._forget_all()
            self._thresholds = self._detector.thresholds
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
        path = self._ring / f"{self._n_opened:09d}.flac"
        self._n_opened += 1
        with self._watch_disk():
            try:
                self._open = _Segment(path, self._detector.snapshot(), self._rate_hz)
            except (OSError, soundfile.SoundFileError):
                path.unlink(missing_ok=True)
                raise
        kept_samples = (60.0 * self._settings.minutes - SEGMENT_S) * self._rate_hz
        while self._segments and sum(s.n_samples for s in self._segments) > kept_samples:
            self._forget_oldest()

    def _close_segment(self) -> None:
        if self._open is not None:
            segment, self._open = self._open, None
            self._segments.append(segment)
            with self._watch_disk():
                segment.close()
                if self._is_in_trouble:
                    self._is_in_trouble = False
                    log.warning("recording again")

    def _forget_oldest(self) -> None:
        with contextlib.suppress(OSError):
            self._segments.popleft().path.unlink(missing_ok=True)

    def _forget_all(self) -> None:
        """Remove what is recorded and not kept, half written or not."""
        if self._open is not None:
            with contextlib.suppress(OSError, soundfile.SoundFileError):
                self._open.close()
            self._segments.append(self._open)
            self._open = None
        while self._segments:
            self._forget_oldest()
        for name in PARTIALS:
            with contextlib.suppress(OSError):
                (self._ring / name).unlink(missing_ok=True)

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
        reason = re.sub(r"[^\w-]", "_", self._reason)
        stem = self._folder / f"{now:%Y%m%d-%H%M%S}-{now.microsecond // 1000:03d}-{reason}"
        manifest = self._detector.model.manifest
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
        )
        sound, beside = self._ring / PARTIAL, self._ring / PARTIAL_FLIGHT
        with soundfile.SoundFile(sound, "w", self._rate_hz, 1, subtype="PCM_16", format="FLAC") as out:
            for segment in (s for s in chosen if s.n_samples):
                out.write(soundfile.read(segment.path, dtype="int16")[0])
        beside.write_bytes(msgspec.json.encode(flight))
        for partial, suffix in ((beside, ".json"), (sound, ".flac")):
            partial.chmod(0o600)
            partial.replace(f"{stem}{suffix}")
        log.info("kept %s.flac", stem)
        self._make_room()

    def _make_room(self) -> None:
        """Remove the oldest of what was kept until the rest fits."""
        kept = []
        for file in self._folder.iterdir():
            if KEPT_NAME.fullmatch(file.name):
                pair = [half for half in (file, file.with_suffix(".json")) if half.exists()]
                kept.append((file.stat().st_mtime_ns, sum(half.stat().st_size for half in pair), pair))
        kept.sort()
        while len(kept) > 1 and sum(size for _, size, _ in kept) > self._settings.most_mb * 1e6:
            for half in kept.pop(0)[2]:
                half.unlink(missing_ok=True)

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
