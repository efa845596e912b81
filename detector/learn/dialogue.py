"""Takes from a microphone: asks for a word, finds where it ends by itself, judges it, and asks again if need be.

Nothing is stored here. Whoever wants to end presses q, or sends a signal: the flag that is handed over is set, and no
further take comes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from detector.audio.sources import AudioSource
from detector.errors import CaptureError, CaptureFailure, DetectorError, SettingsError
from detector.learn.incoming import Incoming, capturing
from detector.learn.judge import find_words
from detector.learn.playback import play_back
from detector.learn.speech import RATE_HZ
from detector.learn.takes import Take, cut_take
from detector.learn.terminal import Screen
from detector.process.signals import StopFlag

N_TAKES = 5
BEFORE_S = 0.5
"""Of the room is in front of every take, so that it is known how loud the room is."""
ROOM_S = 1.0
"""In front of what may be the word is judged with it: a noise longer ago is none of its words."""
QUIET_S = 0.7
"""After a word end a take: twice the longest pause inside one."""
GIVE_UP_S = 6.0
"""Without a word are enough."""
MOST_SPEECH_S = 4.0
"""Of speech end a take, however it goes on: it is too long."""
REVIEW_S = 1.5
"""A good take is kept after so much of the stream, unless a key is pressed."""
MOST_SILENT = 3
"""Takes without a word, in a row, end the dialogue: nobody is there, or the microphone is deaf."""
MOST_REFUSED = 5
"""Takes that were refused, in a row, end it where nobody can press a key."""
ENTER = ("\r", "\n")
KEYS = "Enter keeps a take, p plays it, r records it again, q quits"


def record_takes(
    source: AudioSource,
    word: str,
    *,
    screen: Screen,
    stop: StopFlag,
    n_takes: int = N_TAKES,
    speaker: str | None = None,
    play: Callable[[NDArray[np.int16]], None] = play_back,
) -> Iterator[Take]:
    """Ask for a word, and yield the takes that can be learnt from, as they are accepted.

    Time is counted in samples of the source, which is opened here, and closed with the iterator.

    Parameters
    ----------
    source : AudioSource
        A `Microphone` at 16 kHz that is not open yet.
    word : str
        As it is asked for.
    screen : Screen
        A `Terminal`, inside its `with` block.
    stop : StopFlag
        Ends the dialogue when it is set; set here by the key q. Fewer takes may have come then.
    n_takes : int
    speaker : str, optional
    play : callable
        Plays a take.

    Raises
    ------
    CaptureError
        If the source fails, or nothing was heard `MOST_SILENT` times.
    SettingsError
        If takes were refused `MOST_REFUSED` times in a row, or the source ended before there were enough.
    """
    with capturing(source) as incoming:
        dialogue = _Dialogue(incoming, word, screen=screen, stop=stop, play=play, speaker=speaker, n_takes=n_takes)
        if screen.has_keys:
            screen.show(KEYS)
        for number in range(1, n_takes + 1):
            take = dialogue.record(number)
            if take is None:
                return
            yield take


def record_room(source: AudioSource, *, screen: Screen, stop: StopFlag, room_s: float = 60.0) -> NDArray[np.int16]:
    """Record the room as it is, without the word: int16 at 16 kHz, shape (n,).

    Enter ends it early, and so do q and a signal, which set `stop`; what was recorded is returned, possibly nothing.

    Raises
    ------
    CaptureError
        If the source fails.
    """
    blocks = [np.empty(0, dtype=np.int16)]
    n_left = round(room_s * RATE_HZ)
    if not n_left:
        return blocks[0]
    skip = ", Enter goes on without" if screen.has_keys else ""
    screen.show(f"now {room_s:g} s of the room as it is, without the word{skip}")
    with capturing(source) as incoming:
        while n_left and not stop.is_set() and not incoming.has_ended:
            blocks.append(incoming.take()[:n_left])
            n_left -= len(blocks[-1])
            screen.show_level(blocks[-1], f"{n_left / RATE_HZ:.0f} s left")
            key = screen.read_key()
            if key == "q":
                stop.set()
            if key in ENTER:
                break
    return np.concatenate(blocks)


class _Dialogue:
    """One stream of sound and what was asked for in it."""

    def __init__(
        self,
        incoming: Incoming,
        word: str,
        *,
        screen: Screen,
        stop: StopFlag,
        play: Callable[[NDArray[np.int16]], None],
        speaker: str | None,
        n_takes: int,
    ) -> None:
        self._incoming = incoming
        self._word = word
        self._screen = screen
        self._stop = stop
        self._play = play
        self._speaker = speaker
        self._n_takes = n_takes

    def record(self, number: int) -> Take | None:
        """Ask for a take until it is accepted; None when asked to stop."""
        n_silent = n_refused = 0
        while True:
            recorded = self._listen(f"say '{self._word}', take {number} of {self._n_takes}")
            if recorded is None:
                return None
            if not len(recorded):
                n_silent += 1
                text = f"take {number}: expected '{self._word}' within {GIVE_UP_S:g} s, found no speech"
                if n_silent == MOST_SILENT:
                    raise CaptureError(
                        CaptureFailure.LOST,
                        f"{text}, {MOST_SILENT} times: 'keyword-detector check --device NAME' shows what a microphone "
                        "delivers",
                    )
                self._screen.show(f"{text}: say it again")
                continue
            found = cut_take(recorded, f"take {number}", speaker=self._speaker)
            if isinstance(found, Take):
                if self._review(found):
                    return found
                if self._stop.is_set():
                    return None
                n_silent = n_refused = 0
                continue
            n_silent, n_refused = 0, n_refused + 1
            if n_refused == MOST_REFUSED and not self._screen.has_keys:
                raise SettingsError(f"{found.text} (refused {MOST_REFUSED} times)")
            self._screen.show(found.text)

    def _listen(self, prompt: str) -> NDArray[np.int16] | None:
        """Return the stream from before a word to the quiet after it; empty without a word, None when asked to stop."""
        incoming = self._incoming
        incoming.keep(BEFORE_S)
        asked_at: int | None = None
        while True:
            if len(incoming.recorded) < BEFORE_S * RATE_HZ:  # at the start, after a loss and after the key r
                asked_at = None
            elif asked_at is None:
                self._screen.show(prompt)
                asked_at = incoming.n_taken
            if self._take(prompt) == "r":
                incoming.keep(0.0)
            if self._stop.is_set():
                return None
            if incoming.has_ended:
                raise SettingsError(f"{prompt}: expected more sound, found that the source has ended")
            if asked_at is not None:
                # What began before it could be recorded, or was over when the word was asked for, is another sound.
                n_before = max(0, len(incoming.recorded) - (incoming.n_taken - asked_at))
                words = [word for word in find_words(incoming.recorded) if word.start > 0 and word.end > n_before]
                if words and self._is_over(words[0].start, words[-1].end):
                    return incoming.recorded[max(0, words[0].start - round(ROOM_S * RATE_HZ)) :]
                if not words and incoming.n_taken - asked_at >= GIVE_UP_S * RATE_HZ:
                    return incoming.recorded[:0]

    def _is_over(self, start: int, end: int) -> bool:
        n_samples = len(self._incoming.recorded)
        return n_samples - end >= QUIET_S * RATE_HZ or n_samples - start >= MOST_SPEECH_S * RATE_HZ

    def _review(self, take: Take) -> bool:
        """Show a take; return whether it is kept. A key decides, or that none is pressed."""
        length_s = (take.end - take.start) / RATE_HZ
        for warning in take.warnings:
            self._screen.show(warning)
        self._screen.show(f"{take.source} of {self._n_takes}: {length_s:.2f} s, good")
        if not self._screen.has_keys:
            return True
        kept_at: float = self._incoming.n_taken + REVIEW_S * RATE_HZ
        while self._incoming.n_taken < kept_at and not self._incoming.has_ended:
            key = self._take(f"{take.source}: {KEYS}")
            if self._stop.is_set() or key == "r":
                return False
            if key in ENTER:
                return True
            if key == "p":
                kept_at = np.inf  # whoever plays it decides
                self._play_back(take)
        return True

    def _play_back(self, take: Take) -> None:
        try:
            self._play(take.samples)
        except DetectorError as exc:
            self._screen.show(str(exc))
        self._incoming.drop()

    def _take(self, text: str) -> str | None:
        """Take the next piece of the stream; return a key that was pressed."""
        self._screen.show_level(self._incoming.take(), text)
        key = self._screen.read_key()
        if key == "q":
            self._stop.set()
        return key
