"""`keyword-detector check`: whether settings, model and microphone fit, and what is in effect."""

from __future__ import annotations

import math
import time
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from detector.assembly import describe_stream, open_detector
from detector.cli.arguments import print_json, print_lines
from detector.core.folders import find_models
from detector.core.manifest import DecisionSettings
from detector.errors import EXIT_OK
from detector.flight.folder import check_folder
from detector.outputs.opening import check_outputs
from detector.process.stderr import hide_native_messages
from detector.settings import Settings, check_events

MICROPHONE_CHECK_S = 1.0


class Heard(msgspec.Struct, frozen=True):
    """What a microphone delivered."""

    name: str
    rate_hz: int
    """Its own; it is converted to the model's."""
    level_dbfs: float | None
    """Root mean square against full scale; None for digital silence."""

    def describe(self) -> str:
        """Return it for people to read."""
        level = "digital silence: muted?" if self.level_dbfs is None else f"{self.level_dbfs:.0f} dBFS"
        return f"{self.name} at {self.rate_hz} Hz, level {level}"


def check(settings: Settings, *, is_device_asked: bool) -> int:
    """Validate settings, model and, when asked, the microphone; print what is in effect.

    Raises
    ------
    DetectorError
        What `listen` would end with at its start.
    """
    check_events(settings)
    detector = open_detector(settings)
    if settings.record.folder is not None:
        check_folder(Path(settings.record.folder))
    stream = describe_stream(detector, "", is_live=True, source_id=settings.name)
    check_outputs(settings, detector.model.manifest.words, stream)
    manifest, decision = detector.model.manifest, detector.decision_settings
    files = [str(file.with_suffix(".tflite")) for file in find_models(settings.model)]
    answer = {
        "model": manifest.name,
        "model_file": ",".join(files),
        "runtime": detector.model.network.runtime,
        "words": detector.thresholds,
        "stride_s": manifest.stride_s,
        "smoothing_windows": decision.smoothing_windows,
        "refractory_s": decision.refractory_s,
        "log_level": settings.log_level,
        "json": settings.json,
        "device": "default" if settings.device is None else settings.device,
        "record": settings.record.folder,
        "on": settings.on,
        "output": settings.output.path,
        "mqtt": settings.mqtt.url,
        "metrics": settings.metrics.address,
    }
    microphone: Heard | None = None
    if is_device_asked:
        from detector.audio.devices import answer_in_time

        hide_native_messages()
        microphone = answer_in_time(lambda: _check_microphone(settings, manifest.frontend.sample_rate_hz))
        answer["microphone"] = microphone
    if settings.json:
        print_json(answer)
        return EXIT_OK
    lines = [
        f"model      {answer['model']}: checksum, shapes and golden vectors agree ({answer['runtime']})",
        *(f"file       {file}" for file in files),
        *(f"word       {word}: {_describe_word(decision, word)}" for word in detector.words),
        (
            f"decision   every {1000 * manifest.stride_s:g} ms, mean of {answer['smoothing_windows']} windows, "
            f"refractory {answer['refractory_s']:g} s"
        ),
        f"output     text, log level {settings.log_level}",
        f"device     {answer['device']}",
    ]
    if settings.record.folder is not None:
        lines.append(f"record     {settings.record.folder}: can be recorded into")
    lines += [f"on         {word}: {command}" for word, command in settings.on.items()]
    if settings.output.path is not None:
        lines.append(f"output     {settings.output.path}: can be written to")
    if settings.mqtt.url is not None:
        lines.append(f"mqtt       {settings.mqtt.url}: not tried")
    if settings.metrics.address is not None:
        lines.append(f"metrics    {settings.metrics.address}: not tried")
    if microphone is not None:
        lines.append(f"microphone {microphone.describe()}")
    print_lines(lines)
    return EXIT_OK


def _describe_word(decision: DecisionSettings, word: str) -> str:
    """Return how a word is decided on, as far as it is not as for all words."""
    limits = decision.words[word]
    text = f"threshold {limits.threshold:g}, armed again below {limits.rearm:g}"
    if limits.smoothing_windows is not None:
        text += f", mean of {limits.smoothing_windows} windows"
    if limits.refractory_s is not None:
        text += f", refractory {limits.refractory_s:g} s"
    return text if limits.model is None else f"{text}, of {limits.model}"


def _check_microphone(settings: Settings, sample_rate_hz: int) -> Heard:
    """Capture for a second and describe what came."""
    from detector.audio.delivery import GRACE_S
    from detector.audio.microphone import Microphone

    blocks: list[NDArray[np.int16]] = []
    with Microphone(settings.device, sample_rate_hz=sample_rate_hz, channel=settings.channel) as microphone:
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
        level_dbfs = round(20 * math.log10(rms / 32768), 1) if rms > 0 else None
        return Heard(microphone.name, microphone.rate_hz, level_dbfs)
