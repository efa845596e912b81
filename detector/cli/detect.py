"""What each verb of `keyword-detector` does but `listen`. Answers go to stdout, everything else to stderr."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from detector.assembly import open_console, open_detector
from detector.audio.sources import Recording
from detector.cli import bench as benchmark
from detector.core.manifest import read_manifest
from detector.core.model import find_model, load_model
from detector.core.model import list_models as find_models
from detector.daemon import listen as pipeline
from detector.errors import EXIT_OK, AudioFileError, CaptureError, CaptureFailure, DetectorError, SettingsError
from detector.flight.replay import replay
from detector.outputs.console import Console, OutputClosed
from detector.process.stderr import hide_native_messages
from detector.settings import Settings

log = logging.getLogger(__name__)

MICROPHONE_CHECK_S = 1.0


def detect(settings: Settings, files: Sequence[str]) -> int:
    """Detect in recordings. One that cannot be read does not keep the others from being heard."""
    model = load_model(settings.model)
    code = EXIT_OK
    for file in files:
        detector = open_detector(settings, model)
        if len(files) > 1:
            log.info("%s", file)
        try:
            with Recording(file, sample_rate_hz=model.manifest.frontend.sample_rate_hz) as source:
                heard = pipeline.detect(source, detector, open_console(settings, detector, source).write)
                if not heard and sys.stdout.isatty():  # somebody looks, and sees nothing
                    log.info("%s: nothing reached its threshold", file)
        except OutputClosed:
            raise BrokenPipeError from None
        except AudioFileError as exc:
            log.error("%s", exc)  # noqa: TRY400 - a known error is one line
            code = exc.exit_code
    return code


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


def list_devices() -> int:
    """Print the capture devices."""
    from detector.audio import devices as audio_devices

    hide_native_messages()
    devices = audio_devices.answer_in_time(audio_devices.list_devices)
    if not devices:
        raise CaptureError(
            CaptureFailure.NOT_FOUND, "expected a capture device, found none: is a microphone plugged in?"
        )
    for device in devices:
        mark = "*" if device.is_default else " "
        channels = f"{device.n_channels} channel{'s' if device.n_channels > 1 else ''}"
        _print(f"{mark} {device.index:2d}  {device.name}  [{device.host_api}, {channels}, {device.default_rate_hz} Hz]")
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
    for name, words, size, figures in rows:
        _print(f"{name:{widths[0]}}  {words:{widths[1]}}  {size:>{widths[2]}} kB  {figures}")
    return EXIT_OK


def check(settings: Settings, *, is_device_asked: bool) -> int:
    """Validate settings, model and, when asked, the microphone; print what is in effect."""
    detector = open_detector(settings)
    manifest = detector.model.manifest
    answer = {
        "model": manifest.name,
        "model_file": str(find_model(settings.model).with_suffix(".tflite")),
        "runtime": detector.model.network.runtime,
        "words": {word: detector.decision_settings.words[word].threshold for word in detector.words},
        "stride_s": manifest.stride_s,
        "smoothing_windows": detector.decision_settings.smoothing_windows,
        "refractory_s": detector.decision_settings.refractory_s,
        "log_level": settings.log_level,
        "json": settings.json,
        "device": "default" if settings.device is None else settings.device,
    }
    if is_device_asked:
        from detector.audio.devices import answer_in_time

        hide_native_messages()
        answer["microphone"] = answer_in_time(lambda: _check_microphone(settings, manifest.frontend.sample_rate_hz))
    if settings.json:
        _print(msgspec.json.encode(answer).decode())
        return EXIT_OK
    _print(f"model      {answer['model']}: checksum, shapes and golden vectors agree ({answer['runtime']})")
    _print(f"file       {answer['model_file']}")
    for word in detector.words:
        limits = detector.decision_settings.words[word]
        _print(f"word       {word}: threshold {limits.threshold:g}, armed again below {limits.rearm:g}")
    _print(
        f"decision   every {1000 * manifest.stride_s:g} ms, mean of {answer['smoothing_windows']} windows, "
        f"refractory {answer['refractory_s']:g} s"
    )
    _print(f"output     {'JSON Lines' if settings.json else 'text'}, log level {settings.log_level}")
    _print(f"device     {answer['device']}")
    if is_device_asked:
        _print(f"microphone {answer['microphone']}")
    return EXIT_OK


def _check_microphone(settings: Settings, sample_rate_hz: int) -> str:
    """Capture for a second and tell what came."""
    from detector.audio.delivery import GRACE_S
    from detector.audio.microphone import Microphone

    blocks: list[NDArray[np.int16]] = []
    with Microphone(settings.device, sample_rate_hz=sample_rate_hz) as microphone:
        deadline_s = time.monotonic() + GRACE_S + MICROPHONE_CHECK_S
        n_wanted = round(MICROPHONE_CHECK_S * sample_rate_hz)
        while sum(len(block) for block in blocks) < n_wanted and time.monotonic() < deadline_s:
            block = microphone.read()
            if block is None:
                break
            blocks.append(block.samples)
            time.sleep(0.02)
        samples = np.concatenate(blocks).astype(np.float64)
        rms = float(np.sqrt(np.mean(samples**2))) if len(samples) else 0.0
        level = f"{20 * np.log10(rms / 32768):.0f} dBFS" if rms > 0 else "digital silence: muted?"
        return f"{microphone.name} at {microphone.rate_hz} Hz, level {level}"


def bench(settings: Settings, *, seconds: float) -> int:
    """Measure the cost of detection and print it."""
    if not 2 <= seconds <= 600:
        raise SettingsError(f"expected 2 to 600 seconds to measure on, found {seconds:g}")
    costs = benchmark.measure(open_detector(settings), seconds=seconds)
    if settings.json:
        _print(msgspec.json.encode(costs).decode())
    else:
        for line in costs.lines():
            _print(line)
    return EXIT_OK


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
