"""Reports on a running daemon, to the log and the supervisor: at start and end, every minute, and on trouble."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping

from detector.audio.gaps import GapLedger
from detector.audio.sources import AudioSource
from detector.core.detector import Detector
from detector.daemon.lateness import FACTORS
from detector.events import Closed, Condition, Detection, Event, Gap, GapCause, Opened, Progress, State, StatusReport
from detector.outputs.opening import describe_counts
from detector.process.memory import resident_memory_mb
from detector.process.supervisor import Notifier

log = logging.getLogger(__name__)

STATUS_EVERY_S = 60.0
WARN_EVERY_S = 60.0
"""Gaps are logged at most this often, in seconds of audio; all are counted."""
TROUBLES = {
    Condition.SILENT: "the microphone has delivered silence for 10 s: muted?",
    Condition.QUIET: "the microphone is quiet",
    Condition.CLIPPING: "the microphone's level is too high: loud sound is cut off",
    Condition.DEAF: "no samples arrive",
}


class Status:
    """A listener that counts, and reports to the log and the supervisor. One thread only."""

    def __init__(
        self,
        detector: Detector,
        source: AudioSource,
        notifier: Notifier,
        *,
        count_dropped: Callable[[], int] = int,
        count_outputs: Callable[[], Mapping[str, Mapping[str, int]]] = dict,
        publish: Callable[[StatusReport], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Report on a detector and the source that it listens to.

        Parameters
        ----------
        detector : Detector
        source : AudioSource
        notifier : Notifier
        count_dropped : callable
            Returns how many lines of output were dropped so far.
        count_outputs : callable
            Returns what each output has done, failed at and dropped so far, by its name.
        publish : callable
            Takes the report of each minute, in numbers.
        clock : callable
            Returns seconds of a monotonic clock.
        """
        self._detector = detector
        self._source = source
        self._notifier = notifier
        self._count_dropped = count_dropped
        self._count_outputs = count_outputs
        self._publish = publish
        self._clock = clock
        self._rate_hz = detector.model.manifest.frontend.sample_rate_hz
        self._started_s = self._reported_s = clock()
        self._cpu_s = time.process_time()
        self._n_windows_reported = 0
        self._was_opened = False
        self._condition = Condition.STARTING
        self._stride_factor = FACTORS[0]
        self._n_widened = 0
        self._gaps = GapLedger()
        self._warned_at_s = -WARN_EVERY_S
        self._detections: Counter[str] = Counter()
        self._n_processed = 0

    def hear(self, event: Event) -> None:
        """Count an event, and report it where it is worth a line of the log."""
        if isinstance(event, Progress):
            self._n_processed = self._detector.n_samples - event.n_skipped
            if self._clock() - self._reported_s >= STATUS_EVERY_S:
                self._report(event)
        elif isinstance(event, Detection):
            self._detections[event.keyword] += 1
        elif isinstance(event, Gap):
            self._note_gap(event)
        elif isinstance(event, State):
            self._note_state(event)
        elif isinstance(event, Opened):
            if not self._was_opened:
                words = ", ".join(event.thresholds)
                log.info("listening to %s for %s with %s on %s", event.source, words, event.model, event.runtime)
            self._was_opened = True
        elif isinstance(event, Closed) and (self._was_opened or event.was_stopped):
            lost = self._gaps.describe() + self._describe_dropped()
            log.info("stopped after %.1f s of audio; %s", self._n_processed / self._rate_hz, lost)

    def _note_gap(self, gap: Gap) -> None:
        self._gaps.add(gap)
        now_s = self._detector.n_samples / self._rate_hz
        is_unreported = gap.cause is not GapCause.RECONNECT  # the source itself logs that it is back
        if is_unreported and now_s - self._warned_at_s >= WARN_EVERY_S:
            self._warned_at_s = now_s
            log.warning("audio was lost, this machine may be too busy: %s so far", self._gaps.describe())

    def _note_state(self, state: State) -> None:
        if state.stride_factor != self._stride_factor:
            is_wider = state.stride_factor > self._stride_factor
            self._n_widened += is_wider
            self._stride_factor = state.stride_factor
            why = "too slow for the moment" if is_wider else "no longer late"
            stride_s = state.stride_factor * self._detector.model.manifest.stride_s
            log.warning("%s: windows are now %d ms apart", why, round(1000 * stride_s))
        if state.before is not None:
            self._condition = state.condition
            self._notifier.status(f"{state.condition.value}: {self._source.name}")
            if state.condition in TROUBLES:
                log.warning(state.detail or TROUBLES[state.condition])
            elif state.before in TROUBLES and state.condition is Condition.LISTENING:
                log.warning("no longer %s: listening", state.before.value)

    def _describe_dropped(self) -> str:
        n_dropped = self._count_dropped()
        return f", {n_dropped} lines of output dropped" if n_dropped else ""

    def _report(self, progress: Progress) -> None:
        report = self._measure(progress)
        words = ", ".join(f"{word} {count}" for word, count in report.detections.items())
        text = (
            f"{report.condition.value}; up {report.uptime_s:.0f} s, processed {report.processed_s:.0f} s, "
            f"{report.decisions_per_s:.1f} decisions a second, {report.n_windows_dropped} windows dropped, "
            f"windows widened {report.n_widened} times, {self._gaps.describe()}{self._describe_dropped()}, "
            f"{''.join(f'{name}: {describe_counts(counts)}, ' for name, counts in report.outputs.items())}"
            f"detections: {words}, {report.cpu_percent:.1f} % CPU, {report.memory_mb:.0f} MB"
        )
        log.info("status: %s", text)
        self._notifier.status(text)
        self._publish(report)

    def _measure(self, progress: Progress) -> StatusReport:
        """Return the report that is due, and begin the time of the next."""
        detector, now_s, cpu_s = self._detector, self._clock(), time.process_time()
        wall_s = now_s - self._reported_s
        report = StatusReport(
            condition=self._condition,
            uptime_s=now_s - self._started_s,
            processed_s=self._n_processed / self._rate_hz,
            decisions_per_s=(detector.n_windows - self._n_windows_reported) / wall_s,
            n_windows_dropped=progress.n_skipped // detector.model.manifest.stride_samples,
            n_widened=self._n_widened,
            gaps=self._gaps.counts,
            lost_s=self._gaps.lost_s,
            n_lines_dropped=self._count_dropped(),
            detections={word: self._detections[word] for word in detector.words},
            cpu_percent=100 * (cpu_s - self._cpu_s) / wall_s,
            memory_mb=resident_memory_mb(),
            outputs={name: dict(counts) for name, counts in self._count_outputs().items()},
        )
        self._reported_s, self._cpu_s, self._n_windows_reported = now_s, cpu_s, detector.n_windows
        return report
