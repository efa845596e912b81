"""The verb `listen`: months in front of a microphone, and what the world is told meanwhile."""

from __future__ import annotations

import contextlib
import faulthandler
import logging
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TextIO, cast

import numpy as np
from numpy.typing import NDArray

from detector.assembly import choose_source, choose_thresholds, open_console, open_detector
from detector.audio.gaps import Gap, GapCause, GapLedger
from detector.audio.sources import AudioSource
from detector.core.detector import Detection, Detector
from detector.daemon import listen as pipeline
from detector.daemon.health import Health, State
from detector.daemon.lateness import Load
from detector.daemon.listen import Progress
from detector.errors import EXIT_OK, SettingsError
from detector.flight.recorder import FlightRecorder
from detector.outputs.console import OutputClosed
from detector.process.memory import resident_memory_mb
from detector.process.outlet import Outlet, divert_log
from detector.process.signals import Request, StopFlag, deferred_stop
from detector.process.stderr import hide_native_messages
from detector.process.supervisor import Notifier, Watchdog, open_service
from detector.settings import Settings

log = logging.getLogger(__name__)

STATUS_EVERY_S = 60.0
WARN_EVERY_S = 60.0
"""Gaps are logged at most this often, in seconds of audio; all are counted."""
FINISH_S = 0.2
"""How long the last lines may take."""
FIXED = ("model", "device", "fallback_devices", "recover", "recovery", "record")
"""What a reload does not change."""
TROUBLES = {
    State.SILENT: "the microphone has delivered silence for 10 s: muted?",
    State.CLIPPING: "the microphone's level is too high: loud sound is cut off",
    State.DEAF: "no samples arrive",
}


def listen(settings: Settings, source_name: str | None, reread: Callable[[], Settings] | None = None) -> int:
    """Detect in a microphone, a recording in real time or standard input, until the end or a signal.

    `reread` returns the settings as they are now in their file; SIGHUP asks for it. None: SIGHUP ends the process.
    """
    log_output = None
    if source_name is None:
        if settings.log_level != "debug":
            hide_native_messages()
        log_output = divert_log()
    _check(settings)
    detector = open_detector(settings)
    source = choose_source(settings, source_name, detector.model.manifest.frontend.sample_rate_hz)
    faulthandler.enable()  # a watchdog's SIGABRT leaves the stacks behind
    faulthandler.register(signal.SIGUSR1)
    hangup = Request(signal.SIGHUP) if reread is not None else None
    with deferred_stop() as stop:
        daemon = Daemon(settings, detector, source, *open_service(os.environ), log_output=log_output, stop=stop)
        if hangup is not None and reread is not None:
            daemon.reload_on(hangup, reread)
        try:
            with contextlib.ExitStack() as stack:
                stack.callback(daemon.close)
                if settings.record.folder is not None:
                    daemon.record_with(stack.enter_context(FlightRecorder(detector, settings.record)))
                pipeline.listen(source, detector, daemon, stop=stop)
        except OutputClosed:
            raise BrokenPipeError from None
    return EXIT_OK


class Daemon:
    """Prints detections, and tells people and the supervisor how things stand. One thread only.

    A microphone does not wait: neither does what is printed of it. Where the source waits, so does the output.
    """

    def __init__(
        self,
        settings: Settings,
        detector: Detector,
        source: AudioSource,
        notifier: Notifier,
        watchdog: Watchdog,
        *,
        log_output: Outlet | None,
        stop: StopFlag,
    ) -> None:
        self._settings = settings
        self._detector = detector
        self._source = source
        self._notifier = notifier
        self._watchdog = watchdog
        self._stop = stop
        self._rate_hz = detector.model.manifest.frontend.sample_rate_hz
        now_s = time.monotonic()
        self._started_s = self._told_s = now_s
        self._cpu_s = time.process_time()
        self._n_windows_told = 0
        self._health = Health(self._rate_hz, now_s)
        self._load = Load()
        self._gaps = GapLedger()
        self._warned_at_s = -WARN_EVERY_S
        self._detections: Counter[str] = Counter()
        self._was_opened = False
        self._is_ready = False
        self._n_heard = 0
        self._trouble: str | None = None
        self._recorder: FlightRecorder | None = None
        self._keep_request = Request(signal.SIGUSR2)
        self._hangup: Request | None = None
        self._reread: Callable[[], Settings] | None = None
        self._output: Outlet | None = None
        self._log_output = log_output
        self._stream: TextIO = sys.stdout
        if not source.can_wait:
            self._output = Outlet(sys.stdout.fileno())
            self._stream = cast("TextIO", self._output)

    def close(self) -> None:
        """Say what was heard and lost, and print what still waits, if somebody takes it."""
        self._notifier.stopping()
        try:
            self._flush(FINISH_S)
        finally:
            if self._was_opened or self._stop.is_set():
                n_waiting = self._output.n_waiting if self._output is not None else 0
                lost = self._gaps.describe() + self._describe_dropped(n_waiting)
                log.info("stopped after %.1f s of audio; %s", self._heard_s, lost)
            self._flush_log(FINISH_S)

    def record_with(self, recorder: FlightRecorder) -> None:
        """Record what is heard; SIGUSR2 asks to keep what is around it."""
        self._recorder = recorder

    def reload_on(self, hangup: Request, reread: Callable[[], Settings]) -> None:
        """Read the settings anew whenever the terminal, or a supervisor, hangs up."""
        self._hangup, self._reread = hangup, reread

    # ---- what the pipeline tells

    def on_open(self) -> None:
        """Say who listens to what."""
        self._was_opened = True
        manifest, runtime = self._detector.model.manifest, self._detector.model.network.runtime
        words = ", ".join(self._detector.words)
        log.info("listening to %s for %s with %s on %s", self._source.name, words, manifest.name, runtime)

    def on_audio(self, samples: NDArray[np.int16], gaps: Sequence[Gap], n_skipped: int) -> None:
        """Record it, where that is wanted."""
        if self._recorder is not None:
            self._recorder.before(samples, gaps, n_skipped)

    def on_detection(self, detection: Detection) -> None:
        """Print a detection, and keep what is around it."""
        self._detections[detection.keyword] += 1
        with self._stop.interruptible():
            open_console(self._settings, self._detector, self._source, self._stream).write(detection)
        if self._recorder is not None:
            self._recorder.note_detection(detection)

    def on_gap(self, gap: Gap) -> None:
        """Note a gap, print it where events are wanted, and warn."""
        self._gaps.add(gap)
        now_s = self._detector.n_samples / self._rate_hz
        is_news = gap.cause is not GapCause.RECONNECT  # a source that comes back says so itself
        if is_news and now_s - self._warned_at_s >= WARN_EVERY_S:
            self._warned_at_s = now_s
            log.warning("audio was lost, this machine may be too busy: %s so far", self._gaps.describe())
        if self._settings.events:
            with self._stop.interruptible():
                open_console(self._settings, self._detector, self._source, self._stream).write_gap(gap, self._rate_hz)

    def on_progress(self, progress: Progress) -> None:
        """Look after health, load, watchdog, outputs and settings."""
        now_s = time.monotonic()
        self._n_heard = self._detector.n_samples - progress.n_skipped
        self._flush()
        self._watchdog.progress(progress.n_captured, self._detector.n_windows, now_s)
        if self._source.is_live:
            self._health.hear(progress.samples, now_s)
            self._judge(now_s)
        if not self._source.can_wait and self._load.observe(progress.n_waited / self._rate_hz, now_s):
            is_slower = self._load.factor > self._detector.stride_factor
            why = "too slow for the moment" if is_slower else "no longer late"
            self._detector.stride_factor = self._load.factor
            if self._recorder is not None:
                self._recorder.note_stride()
            log.warning("%s: windows are now %d ms apart", why, round(1000 * self._stride_s))
        is_asked = self._keep_request.take()
        if self._recorder is not None:
            if is_asked:
                self._recorder.ask("asked")
            self._recorder.after()
        elif is_asked:
            log.warning("nothing is recorded, so nothing can be kept: expected --record at the start")
        if now_s - self._told_s >= STATUS_EVERY_S:
            self._tell_status(progress, now_s)
        if self._hangup is not None and self._hangup.take():
            self._reload()

    # ---- parts

    @property
    def _stride_s(self) -> float:
        return self._detector.stride_factor * self._detector.model.manifest.stride_s

    @property
    def _heard_s(self) -> float:
        return self._n_heard / self._rate_hz

    def _describe_dropped(self, n_waiting: int = 0) -> str:
        n_dropped = n_waiting + (self._output.n_dropped if self._output is not None else 0)
        return f", {n_dropped} lines of output dropped" if n_dropped else ""

    def _flush(self, timeout_s: float = 0.0) -> None:
        """Write what waits, as far as somebody takes it."""
        self._flush_log()
        if self._output is not None:
            self._output.finish(timeout_s)
            if self._output.trouble and not self._trouble:
                log.warning("detections wait, they cannot be written: %s", self._output.trouble)
            self._trouble = self._output.trouble

    def _flush_log(self, timeout_s: float = 0.0) -> None:
        """Write what is logged; nobody needs to read it."""
        if self._log_output is not None:
            with contextlib.suppress(OSError):
                self._log_output.finish(timeout_s)

    def _judge(self, now_s: float) -> None:
        before, has_scored = self._health.state, self._detector.n_windows > 0
        state = self._health.judge(now_s, is_waiting=self._source.is_waiting, has_scored=has_scored)
        if has_scored and not self._is_ready:
            self._is_ready = self._notifier.ready()
        if state is None:
            return
        self._notifier.status(f"{state.value}: {self._source.name}")
        if state in TROUBLES:
            log.warning(TROUBLES[state])
        elif before in TROUBLES and state is State.LISTENING:
            log.warning("no longer %s: listening", before.value)

    def _tell_status(self, progress: Progress, now_s: float) -> None:
        detector, wall_s = self._detector, now_s - self._told_s
        cpu_s = time.process_time()
        windows = detector.n_windows - self._n_windows_told
        words = ", ".join(f"{word} {self._detections[word]}" for word in detector.words)
        text = (
            f"{self._health.state.value}; up {now_s - self._started_s:.0f} s, "
            f"heard {self._heard_s:.0f} s, "
            f"{windows / wall_s:.1f} decisions a second, "
            f"{progress.n_skipped // detector.model.manifest.stride_samples} windows dropped, "
            f"windows widened {self._load.n_widened} times, {self._gaps.describe()}{self._describe_dropped()}, "
            f"detections: {words}, {100 * (cpu_s - self._cpu_s) / wall_s:.1f} % CPU, {resident_memory_mb():.0f} MB"
        )
        log.info("status: %s", text)
        self._notifier.status(text)
        self._told_s, self._cpu_s, self._n_windows_told = now_s, cpu_s, detector.n_windows

    def _reload(self) -> None:
        """Take over settings that have changed; what does not fit is refused in one line, and the old ones stay."""
        assert self._reread is not None
        if self._is_ready:
            self._notifier.reloading()
        try:
            new = self._reread()
            _check_reload(self._settings, new)
            self._detector.reconfigure(
                words=new.words, thresholds=choose_thresholds(new, self._detector.model.manifest)
            )
        except SettingsError as exc:
            log.error("settings stay as they were: %s", exc)  # noqa: TRY400 - a known error is one line
        else:
            self._settings = new
            if self._recorder is not None:
                self._recorder.note_settings()
            logging.getLogger().setLevel(new.log_level.upper())
            log.warning("settings were read anew")
        if self._is_ready:
            self._is_ready = self._notifier.ready()


def _check(settings: Settings) -> None:
    if settings.events and not settings.json:
        raise SettingsError("expected --json with --events, found --events alone: people are told of gaps by the log")


def _check_reload(old: Settings, new: Settings) -> None:
    _check(new)
    for name in FIXED:
        if getattr(new, name) != getattr(old, name):
            raise SettingsError(f"expected the same {name} as at the start, found another: restart instead")
