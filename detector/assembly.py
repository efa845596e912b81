"""From settings to the parts they ask for: detector and source."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from detector.audio.recordings import Recording
from detector.audio.recovery import Recovering
from detector.audio.sources import AudioSource
from detector.audio.stdin import Stdin
from detector.core.detector import Detector, choose_words
from detector.core.folders import find_models
from detector.core.manifest import Manifest, read_manifest
from detector.core.model import Model, load_model
from detector.core.operating import describe_points, pick_of_model
from detector.errors import SettingsError
from detector.events import Opened
from detector.settings import Settings, thresholds_of

log = logging.getLogger(__name__)


def open_detector(settings: Settings, model: Model | None = None) -> Detector:
    """Return the detector that settings ask for.

    Raises
    ------
    DetectorError
        If the model cannot be used or the settings do not fit it.
    """
    model = model or load_model(settings.model)
    return Detector(model, words=settings.words, thresholds=choose_thresholds(settings, model.manifest))


def reload_model(settings: Settings, model: Model) -> Model:
    """Return the model that settings ask for: the same one, unless they name another or its files have changed.

    Raises
    ------
    DetectorError
        If it cannot be used.
    """
    manifests = [read_manifest(file) for file in find_models(settings.model)]
    is_same = manifests == [part.manifest for part in model.parts]
    return model if is_same else load_model(settings.model)


def choose_thresholds(settings: Settings, manifest: Manifest) -> dict[str, float]:
    """Return the thresholds that settings ask for, by word; words without one keep the model's.

    Raises
    ------
    SettingsError
        If they do not fit the model.
    """
    thresholds = thresholds_of(settings, manifest.words)
    if settings.false_accepts_per_hour is None:
        return thresholds
    if thresholds:
        raise SettingsError("expected either a threshold or false_accepts_per_hour, found both")
    words = choose_words(manifest.words, settings.words)
    return pick_thresholds(manifest, words, settings.false_accepts_per_hour)


def pick_thresholds(manifest: Manifest, words: Sequence[str], false_accepts_per_hour: float) -> dict[str, float]:
    """Return the thresholds of some words for a rate of false accepts, and say what they cost.

    Raises
    ------
    SettingsError
        If the model has no operating curve, or none of its points is that strict.
    """
    points = pick_of_model(manifest, words, false_accepts_per_hour)
    assert manifest.operating_curve is not None
    for line in describe_points(manifest.operating_curve, points, false_accepts_per_hour):
        log.info(line)
    return {word: point.threshold for word, point in points.items()}


def choose_source(settings: Settings, name: str | None, sample_rate_hz: int) -> AudioSource:
    """Return the source of a name: None is the microphone, "-" standard input, anything else a recording."""
    if name == "-":
        return Stdin(sample_rate_hz=sample_rate_hz, settings=settings.stdin, channel=settings.channel)
    if name is not None:
        return Recording(name, sample_rate_hz=sample_rate_hz, channel=settings.channel, is_real_time=True, block_s=0.04)
    from detector.audio.microphone import Microphone

    microphones = [
        Microphone(device, sample_rate_hz=sample_rate_hz, channel=settings.channel)
        for device in (settings.device, *settings.fallback_devices)
    ]
    return Recovering(microphones, settings.recovery) if settings.recover else microphones[0]


def describe_stream(detector: Detector, source_name: str, *, is_live: bool, source_id: str | None = None) -> Opened:
    """Return the event that a source is open to a detector, which `source_id` names where several run."""
    manifest = detector.model.manifest
    return Opened(
        source=source_name,
        is_live=is_live,
        model=manifest.name,
        runtime=detector.model.network.runtime,
        sample_rate_hz=manifest.frontend.sample_rate_hz,
        thresholds=detector.thresholds,
        source_id=source_id,
        models={word: name for word in detector.words if (name := manifest.model_of(word)) != manifest.name},
        labels=manifest.labels,
        checksums={part.manifest.name: part.manifest.sha256 for part in detector.model.parts},
    )
