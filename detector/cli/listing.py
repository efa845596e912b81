"""`keyword-detector devices` and `models`: what can be named."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import msgspec

from detector.cli.arguments import print_json, print_lines
from detector.core.folders import is_own
from detector.core.folders import list_models as find_models
from detector.core.manifest import ClipAccuracy, read_manifest
from detector.errors import EXIT_OK, CaptureError, CaptureFailure, DetectorError
from detector.learn.report import Report, read_report
from detector.process.stderr import hide_native_messages

log = logging.getLogger(__name__)


class Listed(msgspec.Struct, frozen=True):
    """A model that can be named, and how good it is."""

    name: str
    words: tuple[str, ...]
    thresholds: dict[str, float]
    """Those of the model itself: the score from which on each word is reported."""
    size_bytes: int
    clip_accuracy: ClipAccuracy | None
    learnt: Report | None
    """What is expected of a learnt word."""
    has_operating_curve: bool
    """Whether `--false-accepts-per-hour` works with it."""
    cautions: tuple[str, ...]
    """What its training could not know of it."""
    path: str
    """Of its manifest."""


def list_devices(*, as_json: bool) -> int:
    """Print the capture devices."""
    from detector.audio import devices as audio_devices

    hide_native_messages()
    devices = audio_devices.answer_in_time(audio_devices.list_devices)
    if not devices:
        raise CaptureError(
            CaptureFailure.NOT_FOUND, "expected a capture device, found none: is a microphone plugged in?"
        )
    if as_json:
        print_json({"devices": devices})
        return EXIT_OK
    lines = []
    for device in devices:
        mark = "*" if device.is_default else " "
        channels = f"{device.n_channels} channel{'s' if device.n_channels > 1 else ''}"
        what = f"{device.host_api}, {channels}, {device.default_rate_hz} Hz"
        lines.append(f"{mark} {device.index:2d}  {device.name}  [{what}]")
    print_lines(lines)
    return EXIT_OK


def list_models(*, as_json: bool) -> int:
    """Print the models that can be named."""
    models = list(_read_models())
    if as_json:
        print_json({"models": models})
        return EXIT_OK
    rows = []
    for model in models:
        figures = "not measured"
        if model.clip_accuracy is not None:
            low, high = model.clip_accuracy.interval
            figures = f"{100 * model.clip_accuracy.accuracy:.1f} % of clips right ({100 * low:.1f}-{100 * high:.1f} %)"
        elif model.learnt is not None:
            figures = _describe_learnt(model.learnt)
        figures = "; caution: ".join((figures, *model.cautions))
        if is_own(Path(model.path)):
            figures += f"; in {Path(model.path).parent}"
        rows.append((model.name, ",".join(model.words), f"{model.size_bytes / 1000:.0f}", figures))
    widths = [max(len(row[k]) for row in rows) for k in range(3)] if rows else []
    print_lines(
        f"{name:{widths[0]}}  {words:{widths[1]}}  {size:>{widths[2]}} kB  {figures}"
        for name, words, size, figures in rows
    )
    return EXIT_OK


def _describe_learnt(report: Report) -> str:
    misses = "misses not known"
    if report.misses is not None and report.misses_interval is not None:
        low, high = report.misses_interval
        misses = f"misses {100 * report.misses:.0f} % ({100 * low:.0f}-{100 * high:.0f} %)"
    low, high = report.false_accepts_per_hour_interval
    accepts = f"false accepts {report.false_accepts_per_hour:.1f} an hour ({low:.1f}-{high:.0f})"
    only = "" if report.veto is None else ", some other voices refused"
    return f"learnt from {report.n_takes} takes: {misses}, {accepts} expected{only}"


def _read_models() -> Iterator[Listed]:
    for file in find_models():
        try:
            manifest = read_manifest(file)
            size_bytes = file.with_suffix(".tflite").stat().st_size
        except (DetectorError, OSError) as exc:
            log.warning("%s: %s", file.stem, exc)
            continue
        yield Listed(
            name=file.stem,
            words=tuple(manifest.words),
            thresholds={word: manifest.decision.words[word].threshold for word in manifest.words},
            size_bytes=size_bytes,
            clip_accuracy=manifest.clip_accuracy,
            learnt=read_report(manifest.training),
            has_operating_curve=manifest.operating_curve is not None,
            cautions=manifest.cautions,
            path=str(file),
        )
