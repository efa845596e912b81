"""One client's own: the words that it wants, its stream, and what is detected in that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from detector.audio.raw import RawDecoder
from detector.core.detector import Detector
from detector.core.model import Model
from detector.events import Detection
from detector.server.reading import Chunk, Form
from detector.types import Channel

PIECE_S = 0.25
"""Sound of one client that is worked on before another's turn."""
CODINGS = {1: "u8", 2: "s16le", 3: "s24le", 4: "s32le"}
"""By the bytes of a sample."""


class Offer(NamedTuple):
    """What all clients are offered, and share."""

    model: Model
    words: tuple[str, ...]
    thresholds: Mapping[str, float]
    channel: Channel = "auto"


class Found(NamedTuple):
    """A detection, and where it is by the client's own clock."""

    detection: Detection
    timestamp: int
    """Of the chunk of sound that completed it; of one without, milliseconds since the stream began."""


class Session:
    """A client's stream, or one after another. One thread at a time.

    `add` takes sound, and `work` detects in it, a piece at a time, wherever work `is_due`.
    """

    def __init__(self, offer: Offer, name: str) -> None:
        """Serve a client of some name, which stands in the log."""
        self._offer = offer
        self._name = name
        self._rate_hz = offer.model.manifest.frontend.sample_rate_hz
        self._words = offer.words
        self._detector: Detector | None = None
        self._decoder: RawDecoder | None = None
        self._form: Form | None = None
        self._sound = bytearray()
        self._timestamp: int | None = None
        self._n_left_out = 0
        """Samples that were left out before the first that were not."""
        self.is_paused = False
        """Sound is left out."""
        self.n_detections = 0
        """In this stream."""

    def select(self, names: Sequence[str] | None) -> list[str]:
        """Detect these words from now on, of no names all of them; return those that are no words on offer.

        Where none is, nothing is detected.
        """
        wanted = set(names or self._offer.words)
        self._words = tuple(word for word in self._offer.words if word in wanted)
        if self._detector is not None and self._words:
            self._detector.reconfigure(words=self._words, thresholds=self._offer.thresholds)
        return sorted(wanted - set(self._offer.words))

    def start(self) -> None:
        """Begin another stream."""
        self._sound.clear()
        self._detector = self._decoder = self._form = self._timestamp = None
        self._n_left_out = 0
        self.is_paused = False
        self.n_detections = 0

    def add(self, chunk: Chunk, sound: bytes) -> None:
        """Take the next sound of the stream, once no work is due; `change` comes first where its form is another."""
        if self.is_paused or not self._words:
            n_samples = round(len(sound) / chunk.frame_bytes / chunk.rate * self._rate_hz)
            if self._detector is None:
                self._n_left_out += n_samples
            else:
                self._detector.skip(n_samples)
            return
        self._form = self._form or chunk.form
        self._timestamp = None if chunk.timestamp is None else round(chunk.timestamp)
        self._sound += sound

    def is_other_form(self, chunk: Chunk) -> bool:
        """Return whether some sound is written in another form than what came before it."""
        return self._form is not None and chunk.form != self._form

    def change(self) -> list[Found]:
        """Return what is detected in the last sound of a form, once no work is due; another may come."""
        found = self._flush()
        self._form = self._decoder = None
        return found

    @property
    def is_due(self) -> bool:
        """Whether there is sound for another window, or for a piece of work."""
        if self._form is None or not self._words:
            return False
        if self._detector is None:
            return len(self._sound) >= self._form.frame_bytes
        needed_s = self._detector.n_samples_to_next_window / self._rate_hz
        return len(self._sound) >= min(needed_s, PIECE_S) * self._form.rate * self._form.frame_bytes

    def work(self) -> list[Found]:
        """Return what is detected in the next piece of the sound that was taken."""
        form, detector, decoder = self._open()
        n_bytes = min(max(1, round(PIECE_S * form.rate)) * form.frame_bytes, len(self._sound))
        n_bytes -= n_bytes % form.frame_bytes
        piece = bytes(self._sound[:n_bytes])
        del self._sound[:n_bytes]
        return self._note(detector.feed(decoder.decode(piece)))

    def finish(self) -> list[Found]:
        """Return what is detected at the end of the stream, once no work is due."""
        found = self._flush()
        return found + self._note(self._detector.finish()) if self._detector is not None and self._words else found

    def _flush(self) -> list[Found]:
        """Return what is detected in the sound that is left, of less than a window."""
        if self._form is None or not self._words:
            return []
        form, detector, decoder = self._open()
        rest = bytes(self._sound[: len(self._sound) // form.frame_bytes * form.frame_bytes])
        self._sound.clear()
        return self._note(detector.feed(decoder.decode(rest, is_last=True)))

    def _open(self) -> tuple[Form, Detector, RawDecoder]:
        assert self._form is not None
        form, offer = self._form, self._offer
        if self._detector is None:
            self._detector = Detector(offer.model, words=self._words, thresholds=offer.thresholds)
            if self._n_left_out:
                self._detector.skip(self._n_left_out)
        if self._decoder is None:
            # A channel that there is not is that of a client with fewer: of one there is no choice.
            channel = offer.channel if isinstance(offer.channel, str) or offer.channel <= form.channels else "auto"
            self._decoder = RawDecoder(
                CODINGS[form.width],
                rate_hz=form.rate,
                n_channels=form.channels,
                to_hz=self._rate_hz,
                name=self._name,
                channel=channel,
            )
        return form, self._detector, self._decoder

    def _note(self, detections: Sequence[Detection]) -> list[Found]:
        self.n_detections += len(detections)
        return [
            Found(one, round(one.time_s * 1000) if self._timestamp is None else self._timestamp) for one in detections
        ]
