"""What a trained network becomes: an int8 file and its manifest, measured on validation speakers."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from detector.core.frontend import LogMel
from detector.core.golden import GoldenVector
from detector.core.manifest import FORMAT_VERSION, ClipAccuracy, Manifest
from detector.core.model import Model
from detector.core.network import Network
from detector.core.operating import describe_points, pick_points
from training.data.collection import Collection
from training.data.decode import find_word
from training.data.few import describe_measured, find_voiced
from training.data.items import Split
from training.evaluate.clips import ClipReport, evaluate_clips, gather_clips
from training.evaluate.curve import calibrate, with_points
from training.network.quantize import balance, convert_to_int8, iterate_scores, soften, to_float32
from training.run.provenance import describe_training
from training.run.recordings import open_run
from training.run.run import Evaluation, Run
from training.run.settings import TrainSettings
from training.windows.features import FeatureStore

log = logging.getLogger(__name__)

N_REPRESENTATIVE = 1024


def finish(run: Run, *, cache: Path, n_workers: int = 1) -> Evaluation:
    """Quantise the best network of a run, measure it, and write the pair into the run's folder.

    Raises
    ------
    SettingsError
        If the folder holds no trained network.
    """
    settings = run.read_settings()
    network = to_float32(run.load_best())
    collection = open_run(settings, cache=cache)
    windows = FeatureStore.build(
        settings,
        collection,
        Split.TRAINING,
        n_windows=N_REPRESENTATIVE,
        n_workers=n_workers,
    )
    features, truths = gather_clips(collection, settings)
    offsets = balance(network, features, np.array([settings.labels.index(truth) for truth in truths]))
    log.info("balanced: silence %+.2f, keywords %+.2f", *offsets)
    soften(network, settings.temperature)
    flatbuffer = convert_to_int8(network, windows.read(np.arange(N_REPRESENTATIVE)))
    manifest = describe(run, settings, collection, flatbuffer)
    int8_scores = Model(manifest, flatbuffer).score
    int8 = evaluate_clips(int8_scores, features, truths, manifest, split=Split.VALIDATION)
    floats = iterate_scores(network, features)
    float32 = evaluate_clips(lambda _: next(floats), features, truths, manifest, split=Split.VALIDATION)
    manifest = msgspec.structs.replace(manifest, clip_accuracy=_describe_accuracy(int8, settings.words, collection))
    if collection.speech(Split.VALIDATION):
        curve = calibrate(
            Model(manifest, flatbuffer),
            collection,
            split=Split.VALIDATION,
            skip_words=(*settings.skip_words, *settings.confusable),
        )
        points = pick_points(curve, manifest.words, settings.decision.false_accepts_per_hour)
        for line in describe_points(curve, points, settings.decision.false_accepts_per_hour):
            log.info(line)
        manifest = with_points(manifest, curve, points)
    else:
        log.info("no running speech is set aside for validation: thresholds stay at %g", settings.decision.threshold)
    evaluation = Evaluation(int8, float32)
    run.save_model(flatbuffer, manifest, evaluation)
    return evaluation


def _describe_accuracy(report: ClipReport, words: Sequence[str], collection: Collection) -> ClipAccuracy | None:
    """Return the accuracy on clips and what it rests on; None where nobody spoke a keyword that was measured."""
    if find_voiced(words, collection.items):
        return None
    accuracy = report.accuracy
    rests_on = describe_measured(words, collection.items)
    return ClipAccuracy(
        accuracy=accuracy.value,
        interval=(accuracy.low, accuracy.high),
        n_clips=int(accuracy.n_trials),
        measured_on=f"clips of validation speakers, mean of the recalls of {', '.join(report.present())}"
        + "".join(f"; {word} on {what}" for word, what in rests_on.items()),
    )


def describe(run: Run, settings: TrainSettings, collection: Collection, flatbuffer: bytes) -> Manifest:
    """Return the manifest of a quantised network, its clip accuracy still to be measured."""
    network, log_mel = Network(flatbuffer), LogMel(settings.frontend)
    waveform = golden_waveform(settings.window_samples, settings.frontend.sample_rate_hz)
    golden = []
    for samples in (waveform, np.zeros_like(waveform)):
        features = log_mel(samples)
        scores = network.run(features)
        golden.append(GoldenVector.encode(samples, features, scores, settings.labels[int(scores.argmax())]))
    return Manifest(
        format_version=FORMAT_VERSION,
        name=run.folder.name,
        words=settings.words,
        labels=settings.labels,
        frontend=settings.frontend,
        window_s=settings.window_s,
        stride_s=settings.decision.stride_s,
        decision=settings.decision.decide(
            {word: _median_duration_s(word, collection, settings.frontend.sample_rate_hz) for word in settings.words}
        ),
        sha256=hashlib.sha256(flatbuffer).hexdigest(),
        golden=tuple(golden),
        level=settings.level,
        training=describe_training(run, settings, collection.items),
    )


def golden_waveform(n_samples: int, sample_rate_hz: int) -> NDArray[np.int16]:
    """Return a second like a spoken "yes", made of numbers: a gliding buzz, then a hiss, in faint noise."""
    rng = np.random.default_rng(0)
    time_s = np.arange(n_samples) / sample_rate_hz
    glide = np.clip((time_s - 0.25) / 0.12, 0.0, 1.0)
    voice = np.zeros(n_samples)
    for harmonic in range(1, 40):
        frequency_hz = 120.0 * harmonic
        formants = sum(
            level * np.exp(-(((frequency_hz - (start + (end - start) * glide)) / 160.0) ** 2))
            for start, end, level in ((280.0, 560.0, 1.0), (2250.0, 1800.0, 0.5), (2900.0, 2500.0, 0.3))
        )
        voice += formants * np.sin(2.0 * np.pi * frequency_hz * time_s)
    voice *= np.interp(time_s, [0.2, 0.26, 0.42, 0.5], [0.0, 1.0, 1.0, 0.0])
    hiss = np.diff(rng.standard_normal(n_samples + 1)) * np.interp(
        time_s, [0.46, 0.54, 0.66, 0.74], [0.0, 1.0, 1.0, 0.0]
    )
    return np.rint(4000.0 * voice + 900.0 * hiss + 20.0 * rng.standard_normal(n_samples)).astype(np.int16)


def _median_duration_s(word: str, collection: Collection, sample_rate_hz: int) -> float:
    clips = collection.words(Split.TRAINING, [word])[word]
    spans = [find_word(collection[position], sample_rate_hz) for position in clips]
    return float(np.median([last - first for first, last in spans])) / sample_rate_hz
