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
ARCHIVE_NAMES = ("speech-commands", "speech-commands-v0.01")
TUTORIAL_CNN = "tutorial-cnn"
SPLITS_BY = ("speaker", "clip")
IMAGE_KINDS = ("spectrogram", "mel", "mfcc")

RUN_OPTIONS = (
    "data",
    "words",
    "synthetic",
    "noise",
    "speech",
    "validation_speakers",
    "skip_words",
    "confusable",
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


def run_download(options: argparse.Namespace) -> None:
    """Fetch an archive and unpack it."""
    from training.download import ARCHIVES, download

    archive = ARCHIVES[options.name]
    if options.url:
        archive = msgspec.structs.replace(archive, url=options.url)
    folder = options.out or Path(options.name)
    download(archive, folder, show_progress=sys.stderr.isatty())
    _print([f"{folder}: {archive.licence}"])


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
    if settings is not None and settings.architecture == TUTORIAL_CNN:
        from training.tutorial import train_tutorial

        report = train_tutorial(
            settings, options.out, split_by=options.split_by, cache=options.cache, show_progress=show
        )
        _print_report(report, as_json=False)
        return
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
    from training.dataset import WaveformStore
    from training.layouts import index_folders

    items = index_folders(
        data=getattr(options, "data", ()),
        noise=getattr(options, "noise", ()),
        speech=getattr(options, "speech", ()),
        validation_speakers=getattr(options, "validation_speakers", None) or (),
    )
    show = sys.stderr.isatty()
    return items, WaveformStore.build(items, folder=options.cache, sample_rate_hz=sample_rate_hz, show_progress=show)


def run_evaluate(options: argparse.Namespace) -> None:
    """Measure clip accuracy, or how much scores depend on where windows fall."""
    from detector.model import load_model
    from training.evaluate_clips import evaluate_clips, gather_clips
    from training.spread import measure_spread

    model = load_model(options.model)
    items, store = _index(options, model.manifest.frontend.sample_rate_hz)
    show = sys.stderr.isatty()
    if options.offsets:
        spread = measure_spread(
            model,
            items,
            store,
            split=options.split,
            n_offsets=options.offsets,
            n_clips_per_word=options.clips_per_word,
            seed=options.seed,
            show_progress=show,
        )
        _print_report(spread, as_json=options.json)
        return
    features, truths = gather_clips(items, store, model.manifest, split=options.split, seed=options.seed)
    report = evaluate_clips(model.score, features, truths, model.manifest, split=options.split, show_progress=show)
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

    from training.compose import (
        SPEECH_GAP_S,
        Piece,
        compose,
        speech_pieces,
        untrained_noises,
        word_pieces,
        write_stream,
    )

    if not options.data and not options.speech:
        raise SettingsError("expected --data (single words), --speech (running speech), or both")
    if options.speech and not options.without and not options.only:
        raise SettingsError(
            "expected --without yes,no with --speech: where a keyword stands in running speech is not known, "
            "so that utterances that hold one have to be left out"
        )
    if options.gap_s[0] > options.gap_s[1]:
        raise SettingsError(f"expected --gap-s MIN MAX, found {options.gap_s[0]:g} above {options.gap_s[1]:g}")
    items, store = _index(options, COMPOSED_RATE_HZ)
    rng = np.random.default_rng(options.seed)
    pieces: list[Piece] = []
    if options.data:
        pieces += word_pieces(
            items,
            store,
            split=options.split,
            n_words=options.n_words,
            sample_rate_hz=COMPOSED_RATE_HZ,
            rng=rng,
            only=() if options.speech else options.only,
        )
    if options.speech:
        pieces += speech_pieces(
            items,
            store,
            split=options.split,
            without=options.without,
            only=options.only,
            confusable=options.confusable,
        )
    if options.data and options.speech:
        pieces = [pieces[k] for k in rng.permutation(len(pieces))]
    samples, truth = compose(
        pieces,
        gap_s=tuple(options.gap_s) if options.data else SPEECH_GAP_S,
        sample_rate_hz=COMPOSED_RATE_HZ,
        rng=rng,
        noises=untrained_noises(items, store) if options.snr_db is not None else (),
        snr_db=options.snr_db,
    )
    write_stream(samples, truth, options.out, COMPOSED_RATE_HZ)
    confusable = f", {len(truth.confusable)} confusable utterances apart" if truth.confusable else ""
    _print([f"{options.out}: {truth.hours:.2f} h, {len(truth.words)} words{confusable}"])


def run_evaluate_stream(options: argparse.Namespace) -> None:
    """Measure misses, false accepts and delay on a recording, perhaps under several conditions."""
    import numpy as np

    from detector.detector import Detector
    from training.compose import read_truth, untrained_noises
    from training.conditions import CONDITIONS, apply, detect_passages, table
    from training.dataset import read_recording
    from training.judge import judge

    listener = Detector.load(options.model, thresholds=dict(options.threshold))
    truth = read_truth(options.truth)
    rate_hz = listener.model.manifest.frontend.sample_rate_hz
    samples = read_recording(str(options.recording), rate_hz)
    conditions = CONDITIONS if "all" in options.condition else tuple(options.condition) or ("clean",)
    noises = []
    if options.noise:
        items, store = _index(options, rate_hz)
        noises = untrained_noises(items, store)
    reports = {}
    for condition in conditions:
        if len(conditions) > 1:
            log.info("%s", condition)
        passages = apply(
            condition,
            samples,
            truth,
            sample_rate_hz=rate_hz,
            noises=noises,
            rng=np.random.default_rng(options.seed),
        )
        listener.reset()
        detections = detect_passages(listener, passages, show_progress=sys.stderr.isatty())
        reports[condition] = judge(detections, truth, listener.words)
    if not options.condition:
        _print_report(reports["clean"], as_json=options.json)
    else:
        _print([msgspec.json.encode(reports).decode()] if options.json else table(reports))


def run_compare(options: argparse.Namespace) -> None:
    """Compare two models on one recording."""
    from detector.detector import Detector
    from training.compare import compare
    from training.compose import read_truth
    from training.conditions import detect_stream
    from training.dataset import read_recording

    truth = read_truth(options.truth)
    listeners = [Detector.load(name) for name in (options.first, options.second)]
    if listeners[0].words != listeners[1].words:
        raise SettingsError(
            f"expected two models of the same words, found {', '.join(listeners[0].words)} and "
            f"{', '.join(listeners[1].words)}"
        )
    detections = []
    for listener in listeners:
        samples = read_recording(str(options.recording), listener.model.manifest.frontend.sample_rate_hz)
        detections.append(detect_stream(listener, samples, show_progress=sys.stderr.isatty()))
    report = compare(detections[0], detections[1], truth, listeners[0].words, seed=options.seed)
    _print_report(report, as_json=options.json)


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


def run_inspect(options: argparse.Namespace) -> None:
    """Draw clips, or write a tree of images."""
    from detector.model import load_model
    from training.dataset import read_recording
    from training.images import write_images
    from training.pictures import draw_clips
    from training.views import view

    if bool(options.clips) != (options.out is not None) or not (options.clips or options.images):
        raise SettingsError("expected CLIP... and --out PNG, or --data DIR and --images DIR")
    model = load_model(options.model)
    settings = model.manifest.frontend
    if options.clips:
        clips = [
            (Path(clip).name, view(read_recording(clip, settings.sample_rate_hz), model)) for clip in options.clips
        ]
        draw_clips(clips, model.manifest, options.out)
        _print([f"{options.out}: {len(clips)} clips"])
    if options.images:
        items, store = _index(options, settings.sample_rate_hz)
        show = sys.stderr.isatty()
        _print(write_images(items, store, options.images, kind=options.kind, settings=settings, show_progress=show))


def run_report(options: argparse.Namespace) -> None:
    """Write the page on a run."""
    _import_keras()
    from training.report import write_report

    file = options.out or options.run / "report.html"
    write_report(options.run, file, cache=options.cache, show_progress=sys.stderr.isatty())
    _print([str(file)])


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
    "download": run_download,
    "train": run_train,
    "evaluate": run_evaluate,
    "synthesize": run_synthesize,
    "compose": run_compose,
    "evaluate-stream": run_evaluate_stream,
    "compare": run_compare,
    "calibrate": run_calibrate,
    "inspect": run_inspect,
    "report": run_report,
    "export": run_export,
}
