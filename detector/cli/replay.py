"""`keyword-detector replay`: what the flight recorder kept, detected in once more."""

from __future__ import annotations

from pathlib import Path

from detector.assembly import describe_stream
from detector.errors import EXIT_OK, OutputClosed
from detector.flight.replay import replay
from detector.outputs.console import Console


def replay_file(file: str, model_name: str | None, *, as_json: bool) -> int:
    """Detect again in what the flight recorder kept, and print what is detected."""
    detector, detections = replay(Path(file), model_name)
    console = Console(as_json=as_json)
    try:
        for event in (describe_stream(detector, file, is_live=False), *detections):
            console.hear(event)
    except OutputClosed:
        raise BrokenPipeError from None
    return EXIT_OK
