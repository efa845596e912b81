"""What a finished run becomes: an int8 file and its manifest, measured on validation speakers."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from detector.core.detector import override_thresholds
from detector.core.frontend import LogMel
from detector.core.manifest import (
    FORMAT_VERSION,
    ClipAccuracy,
    GoldenVector,
    Manifest,
    encode_manifest,
    read_manifest,
)
from detector.core.model import Model, Network
from detector.core.operating import describe_points, pick_points
from detector.errors import SettingsError
from training.dataset import SPEECH, TRAINING, VALIDATION, WORD, Item, WaveformStore, find_word
from training.evaluate_clips import ClipReport, evaluate_clips, gather_clips
from training.features import FeatureStore
from training.files import write_whole
from training.layouts import index
from training.operating import calibrate, with_points
from training.provenance import describe_training
from training.quantize import balance, convert_to_int8, iterate_scores, soften, to_float32
from training.settings import TrainSettings
from training.train import BEST_FILE, load_network, read_history, read_settings

log = logging.getLogger(__name__)

MODEL_FILE = "model.tflite"
MANIFEST_FILE = "model.json"
EVALUATION_FILE = "evaluation.json"
N_REPRESENTATIVE = 1024


class Evaluation(msgspec.Struct, frozen=True):
    """The clip reports of a run: what ships, and the network it was quantised from."""

    int8: ClipReport
    float32: ClipReport


def finish(run: Path, *, cache: Path, n_workers: int = 1) -> Evaluation:
    """Quantise the best network of a run, measure it, and write the pair into the run's folder.

    Raises
    ------
    SettingsError
        If the folder holds no trained network.
    """
    settings = read_settings(run)
    best = run / BEST_FILE
    if not best.exists():
        raise SettingsError(
            f"expected a trained network in {run}, found no {BEST_FILE}: train it, or go on with --resume"
        )
    items = index(settings)
    rate_hz = settings.frontend.sample_rate_hz
    store = WaveformStore.build(items, folder=cache, sample_rate_hz=rate_hz)
    network = to_float32(load_network(best, with_optimiser=False), settings.architecture)

    windows = FeatureStore.build(
        settings,
        items,
        store,
        TRAINING,
        n_windows=N_REPRESENTATIVE,
        n_workers=n_workers,
    )
    features, truths = gather_clips(items, store, settings)
    offsets = balance(network, features, np.array([settings.labels.index(truth) for truth in truths]))
    log.info("balanced: silence %+.2f, keywords %+.2f", *offsets)
    soften(network, settings.temperature)
    flatbuffer = convert_to_int8(network, windows.read(np.arange(N_REPRESENTATIVE)))
    manifest = describe(settings, items, store, flatbuffer, run)
    int8_scores = Model(manifest, flatbuffer).score
    int8 = evaluate_clips(int8_scores, features, truths, manifest, split=VALIDATION)
    floats = iterate_scores(network, features)
    float32 = evaluate_clips(lambda _: next(floats), features, truths, manifest, split=VALIDATION)
    accuracy = int8.accuracy
    manifest = msgspec.structs.replace(
        manifest,
        clip_accuracy=ClipAccuracy(
            accuracy=accuracy.value,
            interval=(accuracy.low, accuracy.high),
            n_clips=int(accuracy.n_trials),
            measured_on=f"clips of validation speakers, mean of the recalls of {', '.join(int8.present())}",
        ),
    )
    if any(item.kind == SPEECH and item.split == VALIDATION for item in items):
        curve = calibrate(
            Model(manifest, flatbuffer),
            items,
            store,
            split=VALIDATION,
            skip_words=(*settings.skip_words, *settings.confusable),
        )
        points = pick_points(curve, manifest.words, settings.decision.false_accepts_per_hour)
        for line in describe_points(curve, points, settings.decision.false_accepts_per_hour):
            log.info(line)
        manifest = with_points(manifest, curve, points)
    else:
        log.info("no running speech is set aside for validation: thresholds stay at %g", settings.decision.threshold)
    evaluation = Evaluation(int8, float32)
    write_whole(
        {
            run / MODEL_FILE: flatbuffer,
            run / EVALUATION_FILE: msgspec.json.format(msgspec.json.encode(evaluation)),
            run / MANIFEST_FILE: encode_manifest(manifest),
        }
    )
    return evaluation


def export(
    run: Path,
    *,
    name: str,
    folder: Path,
    thresholds: Mapping[str, float],
    smoothing_windows: int | None = None,
    stride_s: float | None = None,
    refractory_s: float | None = None,
    is_replaced: bool = False,
) -> tuple[Path, Path]:
    """Copy a run's pair to `folder` under a name, with the decision it shall have.

    Raises
    ------
    SettingsError
        If the run is not finished, a threshold names no word of it, or another model has the name and is not to be
        replaced.
    """
    source = run / MANIFEST_FILE
    if not source.exists():
        raise SettingsError(f"expected a finished run in {run}, found no {MANIFEST_FILE}: go on with --resume")
    manifest = read_manifest(source)
    if Path(name).name != name:
        raise SettingsError(f"expected a name without slashes, found '{name}'")
    changes = {
        "name": name,
        "stride_s": stride_s,
    }
    decision_changes = {"smoothing_windows": smoothing_windows, "refractory_s": refractory_s}
    fields = msgspec.to_builtins(
        msgspec.structs.replace(manifest, decision=override_thresholds(manifest.decision, thresholds))
    )
    fields |= {key: value for key, value in changes.items() if value is not None}
    fields["decision"] |= {key: value for key, value in decision_changes.items() if value is not None}
    given = (smoothing_windows, stride_s, refractory_s)
    had = (manifest.decision.smoothing_windows, manifest.stride_s, manifest.decision.refractory_s)
    is_other = any(new not in (None, old) for new, old in zip(given, had, strict=True))
    is_curve_lost = is_other and manifest.operating_curve is not None
    if is_curve_lost:
        fields["operating_curve"] = None
    try:
        manifest = msgspec.convert(fields, Manifest)
    except msgspec.ValidationError as exc:
        raise SettingsError(f"expected a decision that fits, found: {exc}") from exc
    flatbuffer = (run / MODEL_FILE).read_bytes()
    Model(manifest, flatbuffer)  # what is written is what loads
    if is_curve_lost:
        log.info("the operating curve was measured with another decision and is left out: keyword-trainer calibrate")
    folder.mkdir(parents=True, exist_ok=True)
    pair = folder / f"{name}.tflite", folder / f"{name}.json"
    if not is_replaced and pair[0].exists() and pair[0].read_bytes() != flatbuffer:
        raise SettingsError(f"expected a new name, found another model in {pair[0]}: choose one, or --force")
    write_whole({pair[0]: flatbuffer, pair[1]: encode_manifest(manifest)})
    return pair


def describe(
    settings: TrainSettings, items: Sequence[Item], store: WaveformStore, flatbuffer: bytes, run: Path
) -> Manifest:
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
        name=run.name,
        words=settings.words,
        labels=settings.labels,
        frontend=settings.frontend,
        window_s=settings.window_s,
        stride_s=settings.decision.stride_s,
        decision=settings.decision.decide(
            {word: _median_duration_s(word, items, store, settings.frontend.sample_rate_hz) for word in settings.words}
        ),
        sha256=hashlib.sha256(flatbuffer).hexdigest(),
        golden=tuple(golden),
        training=describe_training(settings, items, run, read_history(run)),
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


def _median_duration_s(word: str, items: Sequence[Item], store: WaveformStore, sample_rate_hz: int) -> float:
    spans = [
        find_word(store[position], sample_rate_hz)
        for position, item in enumerate(items)
        if item.kind == WORD and item.word == word and item.split == TRAINING
    ]
    return float(np.median([last - first for first, last in spans])) / sample_rate_hz
