"""What clients are answered, in the words of the Wyoming protocol: bytes. The only module that imports its library."""

from __future__ import annotations

import io
from collections.abc import Sequence

from wyoming.error import Error
from wyoming.event import Eventable, write_event
from wyoming.info import Attribution, Info, WakeModel, WakeProgram
from wyoming.ping import Pong
from wyoming.wake import Detection, NotDetected

from detector import __version__
from detector.core.manifest import Manifest
from detector.core.model import Model
from detector.server.session import Found

PROJECT = Attribution(name="keyword-detector", url="")
OF_SHIPPED = "speech_commands"
"""Recordings of English, which the shipped models are trained on."""


def describe(model: Model, words: Sequence[str]) -> bytes:
    """Return what is on offer: each word is what a client may ask for by its name."""
    manifests = {part.manifest.name: part.manifest for part in model.parts}
    models = [_describe_word(word, manifests[model.manifest.model_of(word)]) for word in words]
    program = WakeProgram(
        name="keyword-detector",
        description="Keyword detector",
        attribution=PROJECT,
        installed=True,
        version=__version__,
        models=models,
    )
    return _encode(Info(wake=[program]))


def _describe_word(word: str, manifest: Manifest) -> WakeModel:
    data = manifest.training.get("data")
    recordings = [str(name) for name in data] if isinstance(data, dict) else []
    return WakeModel(
        name=word,
        phrase=word,
        description=word,
        attribution=Attribution(name=", ".join([PROJECT.name, *recordings]), url=""),
        installed=True,
        version=manifest.sha256[:12],
        languages=["en"] if OF_SHIPPED in recordings else [],
    )


def detected(found: Found) -> bytes:
    """Return that a word was detected."""
    return _encode(Detection(name=found.detection.keyword, timestamp=found.timestamp))


def not_detected() -> bytes:
    """Return that a stream has ended in which no word was detected."""
    return _encode(NotDetected())


def pong(text: object) -> bytes:
    """Return the answer to a ping."""
    return _encode(Pong(text=text if isinstance(text, str) else None))


def refusal(text: str) -> bytes:
    """Return what does not fit, for a client to log."""
    return _encode(Error(text=text, code="refused"))


def _encode(answer: Eventable) -> bytes:
    encoded = io.BytesIO()
    write_event(answer.event(), encoded)
    return encoded.getvalue()
