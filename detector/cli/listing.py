"""`keyword-detector devices` and `models`: what can be named."""

from __future__ import annotations

import logging

from detector.cli.arguments import print_lines
from detector.core.manifest import read_manifest
from detector.core.model import list_models as find_models
from detector.errors import EXIT_OK, CaptureError, CaptureFailure, DetectorError
from detector.process.stderr import hide_native_messages

log = logging.getLogger(__name__)


def list_devices() -> int:
    """Print the capture devices."""
    from detector.audio import devices as audio_devices

    hide_native_messages()
    devices = audio_devices.answer_in_time(audio_devices.list_devices)
    if not devices:
        raise CaptureError(
            CaptureFailure.NOT_FOUND, "expected a capture device, found none: is a microphone plugged in?"
        )
    lines = []
    for device in devices:
        mark = "*" if device.is_default else " "
        channels = f"{device.n_channels} channel{'s' if device.n_channels > 1 else ''}"
        what = f"{device.host_api}, {channels}, {device.default_rate_hz} Hz"
        lines.append(f"{mark} {device.index:2d}  {device.name}  [{what}]")
    print_lines(lines)
    return EXIT_OK


def list_models() -> int:
    """Print the models that can be named."""
    rows = []
    for file in find_models():
        try:
            manifest = read_manifest(file)
            size_bytes = file.with_suffix(".tflite").stat().st_size
        except (DetectorError, OSError) as exc:
            log.warning("%s: %s", file.stem, exc)
            continue
        accuracy = manifest.clip_accuracy
        figures = "not measured"
        if accuracy is not None:
            low, high = accuracy.interval
            figures = f"{100 * accuracy.accuracy:.1f} % of clips right ({100 * low:.1f}-{100 * high:.1f} %)"
        rows.append((file.stem, ",".join(manifest.words), f"{size_bytes / 1000:.0f}", figures))
    widths = [max(len(row[k]) for row in rows) for k in range(3)] if rows else []
    print_lines(
        f"{name:{widths[0]}}  {words:{widths[1]}}  {size:>{widths[2]}} kB  {figures}"
        for name, words, size, figures in rows
    )
    return EXIT_OK
