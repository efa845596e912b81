"""Whether samples still come from the microphone, where a sound server hands them over and may have moved the stream.

A microphone is never silent to the last bit. Where its samples are zeros for a while, or some are missing, the server
is asked where they come from; what it says then is compared with what it said when the stream was opened.
"""

from __future__ import annotations

import logging

import numpy as np
from numpy.typing import NDArray

from detector.audio.inquiry import Answer, Inquiry, Origin

log = logging.getLogger(__name__)

ZEROS_S = 0.01
"""Zeros for as long as this may be the moment in which a stream is moved."""
SILENCE_S = 0.3
"""Zeros for as long as this are asked about at once."""
ASK_EVERY_S = 0.5
"""While nothing changes this pause between two questions doubles"""
ASK_AT_LEAST_S = 60.0
"""up to this: a microphone that is muted, or has a gate, delivers zeros, too."""


class OriginWatch:
    """Watches the samples of a stream and asks its server. One thread only.

    Parameters
    ----------
    inquiry : Inquiry
        Who asks the server.
    """

    def __init__(self, inquiry: Inquiry) -> None:
        self._inquiry = inquiry
        self._opened: Origin | None = None
        self._microphone: Origin | None = None
        """The last origin that was not the monitor of a sink."""
        self._is_replaced = False
        self._rate_hz = 0
        self._n_samples = self._n_zeros = 0
        self._has_sound = self._has_burst = False
        self._sign_at = self._asked_at = self._confirmed_at = 0
        """Positions: where the latest zeros or loss begin; of the latest question, and of the latest that confirmed."""
        self._pause_s = ASK_EVERY_S
        self._asked_s = 0.0

    @property
    def replaced_s(self) -> float:
        """For how long the samples have not been the microphone's, once it is known that they are not.

        Since the latest zeros or loss, which are the sign of a move, but not since before the server was last asked and
        still named the microphone: one that is muted delivers zeros, too.
        """
        return (self._n_samples - max(self._sign_at, self._confirmed_at)) / self._rate_hz

    def check_return(self) -> str | None:
        """Return why not to open the stream again, if its source was replaced and no microphone has come yet."""
        if not self._is_replaced:
            return None
        answer = self._inquiry.wait()
        if answer is not None and not answer.sources:
            return "no source but monitors of what is played"
        self._is_replaced = False
        return None

    def begin(self, rate_hz: int, now_s: float) -> None:
        """Note that the stream was opened."""
        self._rate_hz = rate_hz
        self._opened, self._has_sound, self._has_burst = None, False, False
        self._n_samples = self._n_zeros = self._sign_at = self._confirmed_at = 0
        self._pause_s = ASK_EVERY_S
        self._ask(now_s)

    def end(self) -> None:
        """Ask no longer."""
        self._inquiry.cancel()

    def observe(self, samples: NDArray[np.int16], now_s: float, *, has_loss: bool) -> str | None:
        """Note samples, shape (n, channels); return why the stream is not the microphone's any more, if it is not.

        Parameters
        ----------
        samples : array of int16
            What has arrived.
        now_s : float
            Of a clock that never steps.
        has_loss : bool
            Whether some are missing before these.
        """
        if has_loss:
            self._has_burst, self._sign_at = True, self._n_samples
        is_silent = self._count_zeros(samples)
        if self._inquiry.is_pending:
            answer = self._inquiry.poll()
            return self._judge(answer) if answer is not None else None
        is_due = now_s - self._asked_s >= self._pause_s
        if is_silent or (is_due and (self._has_burst or self._opened is None)):
            self._pause_s = min(2.0 * self._pause_s, ASK_AT_LEAST_S)
            self._has_burst = False
            self._ask(now_s)
        return None

    def _ask(self, now_s: float) -> None:
        self._asked_s, self._asked_at = now_s, self._n_samples
        self._inquiry.ask()

    def _count_zeros(self, samples: NDArray[np.int16]) -> bool:
        """Count the zeros at the end; return whether a silence, after sound, has just become long."""
        sounding = np.flatnonzero(samples.any(axis=1))
        if len(sounding):
            before = np.concatenate([[-1 - self._n_zeros], sounding])
            bursts = np.flatnonzero(np.diff(before) - 1 >= ZEROS_S * self._rate_hz)
            if len(bursts):
                self._has_burst, self._sign_at = True, self._n_samples + int(before[bursts[-1]]) + 1
            self._has_sound, self._n_zeros = True, len(samples) - 1 - int(sounding[-1])
        else:
            self._n_zeros += len(samples)
        self._n_samples += len(samples)
        if self._n_zeros >= ZEROS_S * self._rate_hz:
            self._has_burst, self._sign_at = True, self._n_samples - self._n_zeros
        is_long = self._has_sound and self._n_zeros >= SILENCE_S * self._rate_hz
        self._has_sound &= not is_long
        return is_long

    def _judge(self, answer: Answer) -> str | None:
        """Return why the origin is not the microphone, if the server says so."""
        origin, before = answer.origin, self._opened
        if origin is None:  # connected to nothing: no samples come, which is noticed elsewhere
            return None
        is_gone = self._microphone is not None and self._microphone.name not in answer.sources
        if origin.is_dummy or (origin.is_monitor and is_gone):
            self._is_replaced = True
            of = f"'{self._microphone.name}'" if self._microphone is not None else "a microphone"
            return f"expected samples of {of}, found it replaced by the monitor of '{origin.name}'"
        if not origin.is_monitor:
            self._microphone = origin
        if before is None or origin.serial == before.serial:
            self._opened, self._confirmed_at = origin, self._asked_at
            return None
        if self._n_zeros >= SILENCE_S * self._rate_hz:
            return f"expected samples of '{before.name}', found zeros of '{origin.name}' that the stream was moved to"
        self._pause_s = ASK_EVERY_S
        if self._n_zeros < ZEROS_S * self._rate_hz:
            log.warning("the sound server has moved the stream from '%s' to '%s'", before.name, origin.name)
            self._opened, self._confirmed_at = origin, self._asked_at
        return None
