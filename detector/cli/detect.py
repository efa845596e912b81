"""`keyword-detector detect`: recordings, as fast as the machine can."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence

from detector import batch
from detector.assembly import open_detector
from detector.audio.recordings import Recording
from detector.core.model import load_model
from detector.errors import EXIT_OK, AudioFileError, OutputClosed
from detector.outputs.console import Console
from detector.settings import Settings

log = logging.getLogger(__name__)


def detect(settings: Settings, files: Sequence[str]) -> int:
    """Detect in recordings. One that cannot be read is logged, and the others are read all the same."""
    model = load_model(settings.model)
    code = EXIT_OK
    for file in files:
        detector = open_detector(settings, model)
        if len(files) > 1:
            log.info("%s", file)
        try:
            with Recording(file, sample_rate_hz=model.manifest.frontend.sample_rate_hz) as source:
                n_detections = batch.detect(source, detector, Console(as_json=settings.json))
                if not n_detections and sys.stdout.isatty():  # somebody watches, and sees nothing
                    log.info("%s: nothing reached its threshold", file)
        except OutputClosed:
            raise BrokenPipeError from None
        except AudioFileError as exc:
            log.error("%s", exc)  # noqa: TRY400 - a known error is one line
            code = exc.exit_code
    return code
