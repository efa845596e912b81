"""The verb `listen`: a daemon that runs for months. What starts in an order stops in the reverse, in this module."""

from __future__ import annotations

import contextlib
import faulthandler
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import TextIO, cast

from detector.assembly import choose_source, describe_stream, open_detector
from detector.audio.sources import AudioSource
from detector.core.detector import Detector
from detector.daemon.health import Health
from detector.daemon.lateness import Lateness
from detector.daemon.listen import listen as listen_to
from detector.daemon.reload import reload
from detector.daemon.status import Status
from detector.errors import EXIT_OK, OutputClosed, ThreadStuckError
from detector.events import Asked, Closed, Condition, Event, Listener, Progress, State
from detector.flight.recorder import FlightRecorder
from detector.outputs.console import Console
from detector.outputs.fanout import Fanout
from detector.outputs.opening import Outputs, open_outputs
from detector.outputs.stamps import Stamps
from detector.process.outlet import Outlet, divert_log
from detector.process.signals import Request, deferred_stop
from detector.process.stacks import describe_threads
from detector.process.stderr import hide_native_messages
from detector.process.supervisor import Notifier, Watchdog, open_service
from detector.settings import Settings, check_events

log = logging.getLogger(__name__)

FINISH_S = 0.2
"""The last lines are written for at most this long."""


def listen(settings: Settings, source_name: str | None, reread: Callable[[], Settings] | None = None) -> int:
    """Detect in the audio of a microphone, a recording in real time or standard input, until its end or a signal.

    `reread` reads the settings from their file again, on SIGHUP. None: SIGHUP ends the process.
    """
    hangup = Request(signal.SIGHUP) if reread is not None else None
    keep, stacks = Request(signal.SIGUSR2), Request(signal.SIGUSR1)
    log_output = None
    if source_name is None:
        if settings.log_level != "debug":
            hide_native_messages()
        log_output = divert_log()
    check_events(settings)
    detector = open_detector(settings)
    source = choose_source(settings, source_name, detector.model.manifest.frontend.sample_rate_hz)
    # A microphone does not wait, so its output must not block. Where the source can wait, output may block.
    output = None if source.can_wait else Outlet(sys.stdout.fileno(), encoding=sys.stdout.encoding)
    faulthandler.enable()  # the watchdog's SIGABRT prints the stacks
    notifier, watchdog = open_service(os.environ)
    with deferred_stop() as stop, contextlib.ExitStack() as stack:
        stack.callback(flush_log, log_output, FINISH_S)
        stack.callback(notifier.stopping)
        stamps = Stamps()
        console = Console(
            as_json=settings.json,
            with_events=settings.events,
            stream=None if output is None else cast("TextIO", output),
            stop=stop,
            stamps=stamps,
        )
        # What happens before the source is open is written with the name that it was asked for by.
        opened = describe_stream(detector, source.name, is_live=source.is_live, source_id=settings.name)
        console.hear(opened)

        def count_dropped() -> int:
            return 0 if output is None else output.n_dropped

        outputs = open_outputs(
            settings, detector.model.manifest.words, opened, stack, stop, stamps=stamps, count_dropped=count_dropped
        )
        status = Status(
            detector,
            source,
            notifier,
            count_dropped=count_dropped,
            count_outputs=outputs.count,
            publish=lambda report: fanout.hear(report),  # noqa: PLW0108 - it is made of the status
        )
        listeners: list[Listener] = [console, *outputs.in_order, status]
        if settings.record.folder is not None:
            listeners.insert(0, stack.enter_context(FlightRecorder(detector, settings.record)))
        fanout = stack.enter_context(Fanout(listeners, aside=outputs.aside))
        daemon = Daemon(
            settings,
            detector,
            source,
            fanout,
            console=console,
            outputs=outputs,
            notifier=notifier,
            watchdog=watchdog,
            output=output,
            log_output=log_output,
            keep=keep,
            stacks=stacks,
            hangup=hangup,
            reread=reread,
        )
        try:
            listen_to(source, detector, daemon, stop=stop, source_id=settings.name)
        except OutputClosed:
            raise BrokenPipeError from None
        except ThreadStuckError as exc:
            if not stop.is_set():
                raise
            log.warning("%s; it is left behind", exc)  # who asks for the end gets it, whatever hangs
    return EXIT_OK


class Daemon:
    """Passes events on, and maintains health, lateness, watchdog, outputs and settings. One thread only."""

    def __init__(
        self,
        settings: Settings,
        detector: Detector,
        source: AudioSource,
        listener: Listener,
        *,
        console: Console,
        outputs: Outputs,
        notifier: Notifier,
        watchdog: Watchdog,
        output: Outlet | None,
        log_output: Outlet | None,
        keep: Request,
        stacks: Request,
        hangup: Request | None = None,
        reread: Callable[[], Settings] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Pass the events of a detector on to a listener.

        Parameters
        ----------
        output, log_output : Outlet, optional
            Queues of lines that are not written yet: detections, the log.
        keep, stacks, hangup : Request
            Signals that request a recording to be kept, a line on each thread, and the settings to be read again by
            `reread`.
        clock : callable
            Returns seconds of a monotonic clock.
        """
        self._settings = settings
        self._detector = detector
        self._source = source
        self._listener = listener
        self._console = console
        self._outputs = outputs
        self._notifier = notifier
        self._watchdog = watchdog
        self._output = output
        self._log_output = log_output
        self._keep = keep
        self._stacks = stacks
        self._hangup = hangup
        self._reread = reread
        self._clock = clock
        self._rate_hz = detector.model.manifest.frontend.sample_rate_hz
        self._health = Health(self._rate_hz, clock=clock)
        self._lateness = Lateness()
        self._is_ready = False
        self._trouble: str | None = None

    def hear(self, event: Event) -> None:
        """Pass an event on; at each Progress, several times a second, do what is due."""
        try:
            if isinstance(event, Closed):
                self._finish()
        finally:
            self._listener.hear(event)
        if isinstance(event, Progress):
            self._maintain(event, self._clock())

    def _maintain(self, progress: Progress, now_s: float) -> None:
        self._flush()
        self._watchdog.progress(progress.n_captured, self._detector.n_whole_windows, now_s)
        if self._source.is_live:
            self._health.hear(progress)
            self._assess(now_s)
        if not self._source.can_wait and self._lateness.observe(progress.n_waiting / self._rate_hz, now_s):
            self._detector.stride_factor = self._lateness.factor
            self._listener.hear(State(self._health.condition, self._lateness.factor))
        if self._keep.take():
            if self._settings.record.folder is None:
                log.warning("nothing is recorded, so nothing can be kept: expected --record at the start")
            self._listener.hear(Asked("asked"))
        if self._stacks.take():
            for line in describe_threads():
                log.warning("%s", line)
        if self._hangup is not None and self._hangup.take():
            self._reload()

    def _assess(self, now_s: float) -> None:
        before, n_windows = self._health.condition, self._detector.n_whole_windows
        condition = self._health.assess(is_waiting=self._source.is_waiting, n_windows=n_windows)
        if n_windows > 0 and not self._is_ready:
            self._is_ready = self._notifier.ready()
        if not self._is_ready:  # from then on the supervisor itself misses the signs of life
            self._watchdog.check_start(is_deaf=self._health.condition is Condition.DEAF, now_s=now_s)
        if condition is not None:
            self._listener.hear(State(condition, self._detector.stride_factor, before, self._health.detail))

    def _finish(self) -> None:
        """Write the last lines; what nobody takes is dropped, and counted when the end is reported."""
        try:
            self._flush(FINISH_S)
        finally:
            if self._output is not None:
                self._output.drop()

    def _flush(self, timeout_s: float = 0.0) -> None:
        """Write the lines that wait, for at most timeout_s."""
        flush_log(self._log_output, timeout_s)
        if self._output is not None:
            self._output.finish(timeout_s)
            if self._output.trouble and not self._trouble:
                log.warning("detections wait, they cannot be written: %s", self._output.trouble)
            self._trouble = self._output.trouble

    def _reload(self) -> None:
        """Apply settings that have changed, have outputs opened anew, and notify the supervisor."""
        assert self._reread is not None
        if self._is_ready:
            self._notifier.reloading()
        new = reload(self._settings, self._reread, self._detector)
        if new is not None:
            self._settings = new
            self._console.as_json, self._console.with_events = new.json, new.events
            stream = describe_stream(
                self._detector, self._source.name, is_live=self._source.is_live, source_id=new.name
            )
            self._listener.hear(stream)
        self._outputs.reopen(self._settings)  # also where the file of settings does not fit
        if self._is_ready:
            self._is_ready = self._notifier.ready()


def flush_log(log_output: Outlet | None, timeout_s: float) -> None:
    """Write the lines of the log that wait, for at most timeout_s; that nobody takes them is no failure."""
    if log_output is not None:
        with contextlib.suppress(OSError):
            log_output.finish(timeout_s)
