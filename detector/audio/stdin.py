"""Standard input: raw samples of any kind, or a WAV stream, as they arrive."""

from __future__ import annotations

import logging
import os
import select
from types import TracebackType
from typing import NamedTuple, Self

from detector.audio import wav
from detector.audio.links import FRAME_HEADER_BYTES, frame_bytes
from detector.audio.pcm import CODINGS, name_coding
from detector.audio.raw import PLAIN, RawDecoder
from detector.audio.sources import NOTHING, Block
from detector.errors import AudioFileError, SettingsError
from detector.settings import StdinSettings
from detector.types import Channel

log = logging.getLogger(__name__)

WAV_BYTES = 12
"""By so many a WAV is known."""
STARTS = {
    b"fLaC": "FLAC",
    b"OggS": "Ogg",
    b"ID3": "MP3",
    b"FORM": "AIFF",
    b"caff": "CAF",
    b".snd": "AU",
    b"#!AMR": "AMR",
    b"\x1a\x45\xdf\xa3": "WebM",
    b"\x30\x26\xb2\x75": "WMA",
    b"wvpk": "WavPack",
}
"""What raw samples do not begin with."""


class _Form(NamedTuple):
    """How the samples on standard input are written."""

    coding: str
    rate_hz: int
    n_channels: int
    n_bytes: int | None = None
    """Of samples; None where only the end says so."""


class _CutShort(Exception):  # noqa: N818 - no error: more comes
    """A header goes on in what has not arrived yet."""


class Stdin:
    """Samples from a pipe or a file descriptor, raw or behind the header of a WAV."""

    is_live = True
    can_wait = True
    is_waiting = False
    name = "stdin"

    def __init__(
        self,
        *,
        sample_rate_hz: int,
        settings: StdinSettings | None = None,
        channel: Channel = "auto",
        file_descriptor: int = 0,
        block_s: float = 0.2,
        poll_s: float = 0.05,
    ) -> None:
        """Wait to be opened.

        Parameters
        ----------
        sample_rate_hz : int
            Of the blocks.
        settings : StdinSettings, optional
            How raw samples are written; a WAV says so itself.
        channel : int, "mix" or "auto"
            Which channels are used.
        file_descriptor : int
        block_s : float
            Of sound that is read at once, at most, in seconds.
        poll_s : float
            `read` waits for at most this long, in seconds.
        """
        self._sample_rate_hz = sample_rate_hz
        settings = settings or StdinSettings()
        self._given = _Form(settings.format, settings.rate or sample_rate_hz, settings.channels)
        self._channel = channel
        self._form: _Form | None = None
        self._decoder: RawDecoder
        self._descriptor = file_descriptor
        self._block_s = block_s
        self._poll_s = poll_s
        self._pending = b""
        self._n_decoded_bytes = 0
        self._has_ended = False

    def __enter__(self) -> Self:
        """Use the descriptor, which stays its owner's.

        Raises
        ------
        AudioFileError
            If it is not open.
        """
        try:
            os.fstat(self._descriptor)
        except OSError as exc:
            raise AudioFileError("expected samples on standard input, found it closed") from exc
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the descriptor open."""

    def read(self) -> Block | None:
        """Return what has arrived, waiting a short while for it. An odd last byte is dropped with a warning.

        Raises
        ------
        AudioFileError
            If standard input cannot be read, holds samples that are not finite, or is neither raw nor a WAV.
        """
        if self._has_ended:
            return None
        form = self._form or self._given
        n_asked = max(4096, round(self._block_s * form.rate_hz) * form.n_channels * CODINGS[form.coding].sample_bytes)
        try:
            readable, _, _ = select.select([self._descriptor], [], [], self._poll_s)
            if not readable:
                return Block(NOTHING)
            arrived = os.read(self._descriptor, n_asked)
        except OSError as exc:
            raise AudioFileError(f"expected samples on standard input, found: {exc.strerror}") from exc
        self._pending += arrived
        if self._form is None and not self._find_form(is_end=not arrived):
            return Block(NOTHING)
        return self._decode(is_end=not arrived)

    def _find_form(self, *, is_end: bool) -> bool:
        """Find out how the samples are written, and leave a header out; return False while it has not arrived."""
        start = self._pending
        kind, n_needed = _find_kind(start)
        if kind is not None:
            raise AudioFileError(
                f"expected raw samples or a WAV on standard input, found {kind}: decode it first, "
                "ffmpeg -i - -f wav - | keyword-detector listen -"
            )
        may_be_wav = len(start) < WAV_BYTES and any(start[:4] == name[: len(start)] for name in wav.STARTS)
        if not is_end and (may_be_wav or len(start) < n_needed):
            return False
        form = self._given
        if wav.is_wav(start):
            try:
                form = self._read_wav(start)
            except _CutShort:
                if is_end:
                    raise AudioFileError("expected samples on standard input, found the start of a WAV alone") from None
                return False
        self._form = form
        if isinstance(self._channel, int) and self._channel > form.n_channels:
            raise SettingsError(
                f"expected channel {self._channel} of standard input, found {form.n_channels} channels: "
                "--channels says how many raw samples have"
            )
        self._decoder = RawDecoder(
            form.coding,
            rate_hz=form.rate_hz,
            n_channels=form.n_channels,
            to_hz=self._sample_rate_hz,
            name="standard input",
            channel=self._channel,
        )
        return True

    def _read_wav(self, start: bytes) -> _Form:
        position = 0

        def read(n_bytes: int) -> bytes:
            nonlocal position
            found = start[position : position + n_bytes]
            if len(found) < n_bytes:
                raise _CutShort
            position += n_bytes
            return found

        header = wav.read_header(read)
        if header is None or header.subtype is None:
            raise AudioFileError(
                "expected raw samples or a WAV of plain samples on standard input, found a WAV in another coding: "
                "decode it first, ffmpeg -i - -f wav - | keyword-detector listen -"
            )
        self._pending = start[header.first_byte :]
        coding = name_coding(header.subtype, is_big_endian=header.is_big_endian)
        found = coding, header.rate_hz, header.n_channels
        log.info("standard input is a WAV: %s, %d Hz, %d channels", *found)
        plain = (PLAIN, self._sample_rate_hz, 1)
        if any(given not in (default, there) for given, default, there in zip(self._given, plain, found, strict=False)):
            log.warning("standard input is a WAV, and what its header says counts: %s, %d Hz, %d channels", *found)
        return _Form(coding, header.rate_hz, header.n_channels, header.n_bytes)

    def _decode(self, *, is_end: bool) -> Block | None:
        """Return what is pending, decoded as far as it goes; None at the end, where what is left is dropped."""
        form = self._form
        assert form is not None
        step = self._decoder.frame_bytes
        content = self._pending
        if form.n_bytes is not None:
            content = content[: form.n_bytes - self._n_decoded_bytes]
            is_end = is_end or self._n_decoded_bytes + len(content) == form.n_bytes
        n_bytes = len(content) // step * step
        self._pending = self._pending[n_bytes:]
        self._n_decoded_bytes += n_bytes
        self._has_ended = is_end
        if is_end and self._pending[len(content) - n_bytes :].startswith(wav.STARTS):
            log.warning("standard input has another WAV behind the first, which is left out")
        if is_end and len(content) > n_bytes:
            log.warning("standard input ended in the middle of a sample; its odd last byte was dropped")
        samples = self._decoder.decode(content[:n_bytes], is_last=is_end)
        return Block(samples) if len(samples) or not is_end else None


def _find_kind(start: bytes) -> tuple[str | None, int]:
    """Return what a stream is that is neither raw nor a WAV, by its start; and how many bytes would decide that."""
    for name, kind in STARTS.items():
        if start[: len(name)] == name[: len(start)]:
            return (kind if len(start) >= len(name) else None), len(name)
    if start[:1] == b"\0" and start[4:8] == b"ftyp"[: len(start[4:8])]:
        return ("MP4" if len(start) >= 8 else None), 8
    n_bytes = frame_bytes(start)
    if n_bytes is None:
        return None, FRAME_HEADER_BYTES if start[:1] == b"\xff" else 0
    # Raw samples may begin like a frame, but another one does not follow where the first would end.
    follows = start[n_bytes : n_bytes + 2] == start[:2]
    return ("MP3 or AAC" if follows else None), n_bytes + 2
