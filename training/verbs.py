"""What each verb of `keyword-trainer` does. Answers go to stdout, progress and notes to stderr."""

from __future__ import annotations

import argparse
import importlib.util
import logging
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from detector.errors import DetectorError, SettingsError
from detector.native import native_messages_to_log
from training.recipe import FOLDERS, read_recipe
from training.settings import TrainSettings

log = logging.getLogger(__name__)

COMPOSED_RATE_HZ = 16000
BACKENDS = ("tensorflow", "torch", "jax")

RUN_OPTIONS = (
    "data",
    "words",
    "synthetic",
    "noise",
    "speech",
    "validation_speakers",
    "skip_words",
    "left_out",
    "architecture",
    "epochs",
    "steps_per_epoch",
    "batch_size",
    "learning_rate",
    "distinct_windows",
    "precision",
    "strategy",
    "seed",
    "licence",
    "recipe",
)
"""Options of `train` that belong to a run for good."""


def _import_keras(backend: str = BACKENDS[0]) -> None:
    """Import Keras on a framework, with the first messages of native code in the log alone."""
    os.environ["KERAS_BACKEND"] = backend
    try:
        with native_messages_to_log():
            importlib.import_module(backend)
            importlib.import_module("keras")
    except ImportError as exc:
        extra = "pip install 'keyword-detector[train]'" if backend == "tensorflow" else f"pip install {backend} keras"
        raise SettingsError(f"expected {backend} and Keras for training, found none: {extra}") from exc


def run_train(options: argparse.Namespace) -> None:
    """Train, or go on with a run; then quantise and measure."""
    given = {name: value for name in RUN_OPTIONS if (value := getattr(options, name)) not in (None, [])}
    if options.resume and given:
        flag = next(iter(given)).replace("_", "-")
        raise SettingsError(f"expected no --{flag} with --resume: a run goes on with the settings it began with")
    settings = None if options.resume else _new_settings(given, options.root)
    _import_keras(options.backend)
    from training.provenance import check_licences
    from training.train import train

    if settings is not None:
        check_licences(settings.licences, (*settings.data, *settings.synthetic, *settings.noise, *settings.speech))
    show = sys.stderr.isatty()
    train(settings, options.out, cache=options.cache, n_workers=options.workers, show_progress=show)
    if options.backend != "tensorflow":
        _finish_elsewhere(options)
        return
    from training.export import finish

    evaluation = finish(options.out, cache=options.cache, n_workers=options.workers, show_progress=show)
    _print(evaluation.int8.lines())
    _print([f"before quantisation: {evaluation.float32.accuracy.percent()}"])
    log.info("next: keyword-trainer export %s --name NAME", options.out)


def _new_settings(given: dict[str, Any], root: Path) -> TrainSettings:
    """Return the settings of a new run: the recipe's, where flags say nothing else."""
    fields = read_recipe(given.pop("recipe"), root) if "recipe" in given else {}
    for name in FOLDERS:
        if name in given:
            given[name] = [str(Path(folder).resolve()) for folder in given[name]]
    if "licence" in given:
        given["licences"] = {**fields.get("licences", {}), **dict(given.pop("licence"))}
    fields |= given
    if not (fields.get("data") and fields.get("words")):
        raise SettingsError("expected --data and --words for a new run, or a --recipe, or --resume to go on with one")
    settings: TrainSettings = _convert(TrainSettings, fields)
    return settings


def _finish_elsewhere(options: argparse.Namespace) -> None:
    """Quantise and measure in a process of its own, as Keras cannot change its backend."""
    if importlib.util.find_spec("tensorflow") is None:
        log.info(
            "trained. TensorFlow exports it: where it is installed, keyword-trainer train --resume --out %s",
            options.out,
        )
        return
    command = [sys.executable, "-m", "training", "train", "--resume", "--out", str(options.out)]
    command += ["--cache", str(options.cache), "--workers", str(options.workers)]
    code = subprocess.run(command, check=False).returncode
    if code:
        raise DetectorError(f"expected TensorFlow to export the run, found that it ended with {code}")


def _convert(kind: type[Any], fields: dict[str, Any]) -> Any:
    try:
        return msgspec.convert(fields, kind)
    except msgspec.ValidationError as exc:
        raise SettingsError(f"expected settings that fit, found: {exc}") from exc


def _index(options: argparse.Namespace, sample_rate_hz: int) -> Any:
    """Return the recordings that the options name, and their samples."""
    from training.dataset import WaveformStore, index_folders

    items = index_folders(
        data=options.data,
        noise=getattr(options, "noise", ()),
        speech=getattr(options, "speech", ()),
        validation_speakers=getattr(options, "validation_speakers", None) or (),
    )
    show = sys.stderr.isatty()
    return items, WaveformStore.build(items, folder=options.cache, sample_rate_hz=sample_rate_hz, show_progress=show)


def run_evaluate(options: argparse.Namespace) -> None:
    """Measure clip accuracy."""
    from detector.model import load_model
    from training.evaluate_clips import evaluate_clips, gather_clips

    model = load_model(options.model)
    items, store = _index(options, model.manifest.frontend.sample_rate_hz)
    features, truths = gather_clips(items, store, model.manifest, split=options.split, seed=options.seed)
    report = evaluate_clips(
        model.score, features, truths, model.manifest, split=options.split, show_progress=sys.stderr.isatty()
    )
    _print_report(report, as_json=options.json)


def run_synthesize(options: argparse.Namespace) -> None:
    """Speak words with speech synthesisers."""
    from training.settings import SynthesisSettings
    from training.synthesize import synthesize

    if not options.vocabulary and not options.also:
        raise SettingsError("expected --vocabulary TEXT or --also go,down: without other words there are no negatives")
    fields = {name: getattr(options, name) for name in SynthesisSettings.__struct_fields__}
    settings = _convert(SynthesisSettings, fields)
    _print(synthesize(settings, options.out, show_progress=sys.stderr.isatty()))


def run_compose(options: argparse.Namespace) -> None:
    """Compose a recording and its truth."""
    import numpy as np

    from training.streams import compose_speech, compose_words, write_stream

    if bool(options.data) == bool(options.speech):
        raise SettingsError("expected either --data (single words) or --speech (running speech)")
    if options.speech and not options.without and not options.only:
        raise SettingsError(
            "expected --without yes,no with --speech: where a keyword stands in running speech is not known, "
            "so that utterances that hold one have to be left out"
        )
    if options.gap_s[0] > options.gap_s[1]:
        raise SettingsError(f"expected --gap-s MIN MAX, found {options.gap_s[0]:g} above {options.gap_s[1]:g}")
    items, store = _index(options, COMPOSED_RATE_HZ)
    if options.data:
        samples, truth = compose_words(
            items,
            store,
            split=options.split,
            n_words=options.n_words,
            gap_s=tuple(options.gap_s),
            snr_db=options.snr_db,
            sample_rate_hz=COMPOSED_RATE_HZ,
            rng=np.random.default_rng(options.seed),
            only=options.only,
        )
    else:
        samples, truth = compose_speech(
            items,
            store,
            split=options.split,
            without=options.without,
            only=options.only,
            sample_rate_hz=COMPOSED_RATE_HZ,
        )
    write_stream(samples, truth, options.out, COMPOSED_RATE_HZ)
    _print([f"{options.out}: {truth.hours:.2f} h, {len(truth.words)} words"])


def run_evaluate_stream(options: argparse.Namespace) -> None:
    """Measure misses, false accepts and delay on a recording."""
    from detector.detector import Detector
    from training.dataset import read_recording
    from training.streams import detect_stream, judge, read_truth

    listener = Detector.load(options.model, thresholds=dict(options.threshold))
    truth = read_truth(options.truth)
    rate_hz = listener.model.manifest.frontend.sample_rate_hz
    samples = read_recording(str(options.recording), rate_hz)
    detections = detect_stream(listener, samples, show_progress=sys.stderr.isatty())
    _print_report(judge(detections, truth, listener.words), as_json=options.json)


def run_calibrate(options: argparse.Namespace) -> None:
    """Measure the operating curve and write it into the manifest."""
    from detector.manifest import read_manifest, write_manifest
    from detector.model import Model, find_model
    from detector.operating import describe_points, pick_points
    from training.operating import calibrate, with_points

    file = find_model(options.model)
    manifest = read_manifest(file)
    model = Model(manifest, file.with_suffix(".tflite").read_bytes())
    if not options.speech:
        raise SettingsError("expected --speech: false accepts are counted in running speech")
    items, store = _index(options, manifest.frontend.sample_rate_hz)
    curve = calibrate(
        model,
        items,
        store,
        split=options.split,
        skip_words=options.skip_words,
        seed=options.seed,
        show_progress=sys.stderr.isatty(),
    )
    points = pick_points(curve, manifest.words, options.false_accepts_per_hour)
    for line in describe_points(curve, points, options.false_accepts_per_hour):
        log.info(line)
    if not options.dry_run:
        write_manifest(with_points(manifest, curve, points), file)
        log.info("wrote %s", file)
    if options.picture:
        from training.pictures import draw_curve

        draw_curve(curve, points, options.picture, title=manifest.name)
    if options.json:
        _print([msgspec.json.encode(curve).decode()])


def run_export(options: argparse.Namespace) -> None:
    """Write the pair of a finished run."""
    _import_keras()
    from training.export import export

    pair = export(
        options.run,
        name=options.name,
        folder=options.to,
        thresholds=dict(options.threshold),
        smoothing_windows=options.smoothing_windows,
        stride_s=options.stride_s,
        refractory_s=options.refractory_s,
    )
    _print([str(file) for file in pair])


def _print_report(report: Any, *, as_json: bool) -> None:
    _print([msgspec.json.encode(report).decode()] if as_json else report.lines())


def _print(lines: Sequence[str]) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


VERBS = {
    "train": run_train,
    "evaluate": run_evaluate,
    "synthesize": run_synthesize,
    "compose": run_compose,
    "evaluate-stream": run_evaluate_stream,
    "calibrate": run_calibrate,
    "export": run_export,
}
