"""`keyword-detector replay`: what the flight recorder kept, detected in once more."""

from __future__ import annotations

from pathlib import Path

from detector.errors import EXIT_OK
from detector.flight.replay import replay
from detector.outputs.console import Console, OutputClosed


def replay_file(file: str, model_name: str | None, *, as_json: bool) -> int:
    """Hear what the flight recorder kept again."""
    detector, detections = replay(Path(file), model_name)
    console = Console(model_name=detector.model.manifest.name, source_name=file, is_live=False, as_json=as_json)
    try:
        for detection in detections:
            console.write(detection)
    except OutputClosed:
        raise BrokenPipeError from None
    return EXIT_OK
