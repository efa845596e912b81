"""What each verb of `keyword-detector` does. Answers go to stdout, everything else to stderr."""

from __future__ import annotations

import faulthandler
import logging
import signal
import sys
import time
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from detector import benchmark, pipeline
from detector.audio.gaps import Gap
from detector.audio.recovery import Recovering
from detector.audio.sources import AudioSource, RawStdin, Recording
from detector.detector import Detection, Detector, choose_words
from detector.errors import (
    EXIT_OK,
    AudioFileError,
    CaptureError,
    CaptureFailure,
    DetectorError,
    SettingsError,
)
from detector.manifest import Manifest, read_manifest
from detector.model import Model, find_model, load_model
from detector.model import list_models as find_models
from detector.native import hide_native_messages
from detector.operating import describe_points, pick_points
from detector.outputs.console import Console, OutputClosed
from detector.settings import Settings, thresholds_of
from detector.stopping import deferred_stop

log = logging.getLogger(__name__)

MICROPHONE_CHECK_S = 1.0


def open_detector(settings: Settings, model: Model | None = None) -> Detector:
    """Return the detector that settings ask for.

    Raises
    ------
    DetectorError
        If the model cannot be used or the settings do not fit it.
    """
    model = model or load_model(settings.model)
    thresholds = thresholds_of(settings, model.manifest.words)
    if settings.false_accepts_per_hour is not None:
        if thresholds:
            raise SettingsError("expected either a threshold or false_accepts_per_hour, found both")
        words = choose_words(model.manifest.words, settings.words)
        thresholds = pick_thresholds(model.manifest, words, settings.false_accepts_per_hour)
    return Detector(model, words=settings.words, thresholds=thresholds)


def pick_thresholds(manifest: Manifest, words: Sequence[str], false_accepts_per_hour: float) -> dict[str, float]:
    """Return the thresholds of some words for a rate of false accepts, and say what they cost.

    Raises
    ------
    SettingsError
        If the model has no operating curve, or none of its points is that strict.
    """
    curve = manifest.operating_curve
    if curve is None:
        raise SettingsError(
            f"expected a model with an operating curve for --false-accepts-per-hour, found none in '{manifest.name}': "
            "set a --threshold instead"
        )
    points = pick_points(curve, words, false_accepts_per_hour)
    for line in describe_points(curve, points, false_accepts_per_hour):
        log.info(line)
    return {word: point.threshold for word, point in points.items()}


def listen(settings: Settings, source_name: str | None) -> int:
    """Detect in a microphone, a recording in real time or standard input, until the end or a signal."""
    if settings.events and not settings.json:
        raise SettingsError("expected --json with --events, found --events alone: people are told of gaps by the log")
    detector = open_detector(settings)
    rate_hz = detector.model.manifest.frontend.sample_rate_hz
    source: AudioSource
    if source_name is None:
        from detector.audio.microphone import Microphone

        if settings.log_level != "debug":
            hide_native_messages()
        microphones = [
            Microphone(device, sample_rate_hz=rate_hz) for device in (settings.device, *settings.fallback_devices)
        ]
        source = Recovering(microphones, settings.recovery) if settings.recover else microphones[0]
    elif source_name == "-":
        source = RawStdin()
    else:
        source = Recording(source_name, sample_rate_hz=rate_hz, is_real_time=True, block_s=0.04)
    faulthandler.register(signal.SIGUSR1)
    try:
        with deferred_stop() as stop:

            def emit(detection: Detection) -> None:
                with stop.interruptible():
                    _open_console(settings, detector, source).write(detection)

            def say_listening() -> None:
                words = ", ".join(detector.words)
                log.info("listening to %s for %s with %s", source.name, words, _describe(detector))

            def say_gap(gap: Gap) -> None:
                if settings.events:
                    with stop.interruptible():
                        _open_console(settings, detector, source).write_gap(gap, rate_hz)

            heard = pipeline.listen(source, detector, emit, stop=stop, on_open=say_listening, on_gap=say_gap)
    except OutputClosed:
        raise BrokenPipeError from None
    log.info("stopped after %.1f s of audio; %s", heard.n_samples / rate_hz, heard.gaps.describe())
    return EXIT_OK


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
                pipeline.detect(source, detector, _open_console(settings, detector, source).write)
        except OutputClosed:
            raise BrokenPipeError from None
        except AudioFileError as exc:
            log.error("%s", exc)  # noqa: TRY400 - a known error is one line
            code = exc.exit_code
    return code


def _open_console(settings: Settings, detector: Detector, source: AudioSource) -> Console:
    return Console(
        model_name=detector.model.manifest.name,
        source_name=source.name,
        is_live=source.is_live,
        as_json=settings.json,
    )


def _describe(detector: Detector) -> str:
    return f"{detector.model.manifest.name} on {detector.model.network.runtime}"


def list_devices() -> int:
    """Print the capture devices."""
    from detector.audio import microphone

    devices = microphone.list_devices()
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
        _print(f"{file.stem}  {','.join(manifest.words)}  {size_bytes / 1000:.0f} kB  {figures}")
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
        answer["microphone"] = _check_microphone(settings, manifest.frontend.sample_rate_hz)
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
    from detector.audio.microphone import GRACE_S, Microphone

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
