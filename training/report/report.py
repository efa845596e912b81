"""The report of a run: one HTML page that needs nothing else."""

from __future__ import annotations

import base64
import io
import platform
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
import msgspec
import numpy as np
import soundfile
from numpy.typing import NDArray

from detector.cli import bench
from detector.core.detector import Detector
from detector.core.frontend import LogMel
from detector.core.model import Model
from detector.core.operating import describe_points, pick_points
from detector.errors import SettingsError
from training.data.items import Split
from training.evaluate.clips import ClipReport, choose_clips, fit_word
from training.progress import progress
from training.report.figures import curve_figure, draw_mel, learning_figure, to_svg
from training.run.recordings import find_recordings, open_recordings
from training.run.run import Run
from training.run.settings import SILENCE, TrainSettings
from training.windows.features import compute_features

MOST_MISTAKES = 24
MEASURED_S = 10.0
"""Length of the sound that costs are measured on."""


class Mistakes(NamedTuple):
    """What a model got wrong."""

    n_clips: int
    """Clips of words that were scored."""
    n_wrong: int
    """Those of them that were given a wrong label."""
    surest: list[dict[str, str]]
    """For the page, up to `MOST_MISTAKES` of them."""


def write_report(run: Run, file: Path, *, cache: Path) -> None:
    """Write the report of a finished run.

    Raises
    ------
    SettingsError
        If the run is not finished, or the file cannot be written.
    """
    settings, evaluation, manifest = run.read_settings(), run.read_evaluation(), run.read_manifest()
    model = Model(manifest, run.read_flatbuffer())
    history = run.read_history()
    if not history:
        raise SettingsError(f"expected the epochs of a run in {run.folder}, found none: train anew in another folder")
    curve = manifest.operating_curve
    points = {} if curve is None else pick_points(curve, manifest.words, settings.decision.false_accepts_per_hour)
    costs = bench.measure(Detector(model), seconds=MEASURED_S)
    counts = dict(zip(evaluation.int8.labels, evaluation.int8.confusion, strict=True))
    mistakes = _find_mistakes(settings, model, cache=cache)
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("training.report"),
        autoescape=True,
        trim_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    page = environment.get_template("report.html").render(
        name=manifest.name,
        words=manifest.words,
        cautions=manifest.cautions,
        architecture=settings.architecture,
        size_kb=round(model.size_bytes / 1000),
        trained_on=", ".join(sorted(manifest.training.get("data", {}))),
        summary={
            "clips right, mean recall": ("" if manifest.clip_accuracy else "not known of people; of synthetic voices ")
            + evaluation.int8.accuracy.percent(),
            "before quantisation": evaluation.float32.accuracy.percent(),
            "keywords against each other": evaluation.int8.words_alone.percent(),
        },
        learning=to_svg(learning_figure(history)),
        labels=evaluation.int8.labels,
        confusion=_confusion_rows(evaluation.int8),
        curve=None if curve is None else to_svg(curve_figure(curve, points, title=manifest.name)),
        points=[] if curve is None else describe_points(curve, points, settings.decision.false_accepts_per_hour),
        measured_on="" if curve is None else curve.measured_on,
        costs=costs.lines()[:2],  # the memory is that of training's libraries
        machine=platform.machine(),
        mistakes=mistakes,
        n_measured=sum(sum(row) for label, row in counts.items() if label != SILENCE),
        settings=_pretty(settings),
        provenance=_pretty({name: value for name, value in manifest.training.items() if name != "epochs"}),
    )
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(page, encoding="utf-8")
    except OSError as exc:
        raise SettingsError(f"expected to write a page such as report.html, found {file}: {exc.strerror}") from exc


def _confusion_rows(report: ClipReport) -> list[dict[str, Any]]:
    rows = []
    for label, counts in zip(report.labels, report.confusion, strict=True):
        most = max(1, sum(counts))
        rows.append(
            {
                "label": label,
                # The square root lets single mistakes be seen beside hundreds of right answers.
                "cells": [{"count": count, "share": round(0.75 * (count / most) ** 0.5, 3)} for count in counts],
                "recall": report.recall[label].brief_percent(),
                "precision": report.precision[label].brief_percent(),
            }
        )
    return rows


def _find_mistakes(settings: TrainSettings, model: Model, *, cache: Path) -> Mistakes | None:
    """Score the clips of the validation speakers again; None if the recordings are not there."""
    manifest = model.manifest
    rate_hz, log_mel = manifest.frontend.sample_rate_hz, LogMel(manifest.frontend)
    try:
        collection = open_recordings(settings, find_recordings(settings), cache=cache)
        chosen = choose_clips(collection, manifest.words, Split.VALIDATION, np.random.default_rng(0))
    except SettingsError:
        return None
    wrong = []
    for position, truth in progress(chosen, "clips", unit="clip"):
        window = fit_word(collection[position], manifest.window_samples, rate_hz)
        scores = model.score(compute_features(log_mel, window[None], manifest.level)[0])
        answer, own = int(scores.argmax()), manifest.labels.index(truth)
        if answer != own:
            wrong.append((float(scores[answer]), float(scores[own]), answer, own, position))
    wrong.sort(key=lambda clip: clip[1] - clip[0])
    surest = []
    for score, own_score, answer, own, position in wrong[:MOST_MISTAKES]:
        samples = fit_word(collection[position], manifest.window_samples, rate_hz)
        surest.append(
            {
                "spoken": collection.items[position].word,
                "heard": manifest.labels[answer],
                "scores": f"{score:.2f}, {own_score:.2f} for {manifest.labels[own]}",
                "file": "/".join(Path(collection.items[position].path).parts[-2:]),
                "sound": _encode_sound(samples, rate_hz),
                "picture": base64.b64encode(draw_mel(log_mel(samples), manifest.frontend)).decode(),
            }
        )
    return Mistakes(len(chosen), len(wrong), surest)


def _encode_sound(samples: NDArray[np.int16], sample_rate_hz: int) -> str:
    """Return samples as FLAC, which browsers play, in base64."""
    file = io.BytesIO()
    soundfile.write(file, samples, sample_rate_hz, format="FLAC")
    return base64.b64encode(file.getvalue()).decode()


def _pretty(value: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
