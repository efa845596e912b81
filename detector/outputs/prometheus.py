"""Metrics as Prometheus reads them, and the health of the detector, as pages. Needs the extra "metrics"."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from http import HTTPStatus
from itertools import accumulate

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from detector.events import Condition, GapCause
from detector.outputs.metrics import SCORE_BOUNDS, Metrics, Scores
from detector.outputs.pages import Page, Write
from detector.text import encode_json, printable

PREFIX = "keyword_detector_"
LABELS = ("output", "outcome")
WAITING = "waiting"
CountOutputs = Callable[[], Mapping[str, Mapping[str, int]]]
"""Returns what each output has done, failed at and dropped so far: counts by outcome, by the output's name."""


def make_pages(metrics: Metrics, count_outputs: CountOutputs, *, version: str) -> dict[str, Write]:
    """Return the pages of some metrics, by path."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Exposition(metrics, count_outputs, version))
    ProcessCollector(registry=registry)

    def write_metrics(accept: str) -> Page:
        encode, content_type = choose_encoder(accept)
        return Page(encode(registry), content_type)

    return {"/metrics": write_metrics, "/healthz": lambda _accept: _describe_health(metrics)}


class _Exposition(Collector):
    """Reads metrics whenever somebody asks, so that between two questions nothing but counting is done."""

    def __init__(self, metrics: Metrics, count_outputs: CountOutputs, version: str) -> None:
        self._metrics = metrics
        self._count_outputs = count_outputs
        self._version = version

    def describe(self) -> Iterable[Metric]:
        """Return no names: nothing else is registered beside."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Return all metrics, of one moment."""
        with self._metrics.lock:
            families = [*_expose(self._metrics)]
        yield from families
        yield _info("build", "Version of the detector.", [{"version": self._version}])
        yield from _expose_outputs(self._count_outputs())


def _expose_outputs(counts: Mapping[str, Mapping[str, int]]) -> Iterator[Metric]:
    """Yield what became of what outputs were given; what waits is no count, since it gets fewer, too."""
    outcomes = CounterMetricFamily(
        f"{PREFIX}output", "Lines, commands and messages of an output, by what became of them.", labels=LABELS
    )
    for name, by_outcome in counts.items():
        for outcome, count in by_outcome.items():
            if outcome != WAITING:
                outcomes.add_metric([name, outcome], count)
    yield outcomes
    waiting = {name: float(by_outcome[WAITING]) for name, by_outcome in counts.items() if WAITING in by_outcome}
    yield _gauge("output_waiting", "Commands and messages of an output that wait.", waiting, label="output")


def _expose(metrics: Metrics) -> Iterator[Metric]:
    yield _gauge("uptime_seconds", "Time since the start.", metrics.uptime_s)
    yield _counter("captured_samples", "Samples that the source has delivered.", metrics.n_captured)
    yield _counter("processed_samples", "Samples that were detected in.", metrics.n_processed)
    yield _counter("skipped_samples", "Samples that were left out because the detector was late.", metrics.n_skipped)
    causes = {cause.value: float(metrics.gaps[cause]) for cause in GapCause}
    yield _counter("gaps", "Discontinuities of the sound, by cause.", causes, label="cause")
    yield _counter("lost_seconds", "Sound that is known to be lost at gaps.", metrics.lost_s)
    yield _counter("decisions", "Windows that were scored.", metrics.n_decisions)
    yield _counter("detections", "Keywords that were detected.", dict(metrics.detections), label="keyword")
    yield _histogram("score", "Scores of all windows, by keyword.", metrics.scores)
    yield _gauge("lag_seconds", "Sound that waited to be scored, at the latest turn.", metrics.lag_s)
    yield _gauge("stride_factor", "Windows are this many of the model's strides apart.", metrics.stride_factor)
    yield _counter(
        "widened", "How often windows were set further apart, the machine being too slow.", metrics.n_widened
    )
    states = {condition.value: float(condition is metrics.condition) for condition in Condition}
    yield _gauge("state", "How hearing stands: 1 for the state that it is in.", states, label="state")
    yield _gauge("hearing", "Whether sound arrives and is scored, as /healthz answers.", metrics.is_hearing)
    if metrics.level is not None:
        yield _gauge("level_ratio", "Root mean square of the latest second, of full scale.", metrics.level)
    stream = metrics.stream
    if stream is not None:
        yield _gauge("threshold", "Score from which on a keyword is reported.", stream.thresholds, label="keyword")
        yield _gauge("sample_rate_hertz", "Samples a second.", stream.sample_rate_hz)
        models = [{"model": name, "sha256": sha256} for name, sha256 in stream.checksums.items()]
        yield _info("model", "Models that listen.", models, runtime=stream.runtime)
        yield _info(
            "source",
            "Where the sound is from.",
            [{"source": printable(stream.source), "name": printable(stream.source_id or "")}],
        )


Values = float | Mapping[str, float]


def _gauge(name: str, text: str, values: Values, *, label: str | None = None) -> Metric:
    return _add(GaugeMetricFamily(PREFIX + name, text, labels=[label] if label else []), values)


def _counter(name: str, text: str, values: Values, *, label: str | None = None) -> Metric:
    return _add(CounterMetricFamily(PREFIX + name, text, labels=[label] if label else []), values)


def _add(family: GaugeMetricFamily | CounterMetricFamily, values: Values) -> Metric:
    if isinstance(values, Mapping):
        for value_of, value in values.items():
            family.add_metric([value_of], value)
    else:
        family.add_metric([], values)
    return family


def _histogram(name: str, text: str, scores: Mapping[str, Scores]) -> Metric:
    family = HistogramMetricFamily(PREFIX + name, text, labels=["keyword"])
    bounds = [*map(str, SCORE_BOUNDS), "+Inf"]
    for word, of_word in scores.items():
        cumulated = [float(count) for count in accumulate(of_word.counts)]
        family.add_metric([word], list(zip(bounds, cumulated, strict=True)), of_word.total)
    return family


def _info(name: str, text: str, values: Iterable[dict[str, str]], **common: str) -> Metric:
    family = InfoMetricFamily(PREFIX + name, text)
    for value in values:
        family.add_metric([], value | common)
    return family


def _describe_health(metrics: Metrics) -> Page:
    with metrics.lock:
        is_hearing, decided_s = metrics.is_hearing, metrics.decided_s_ago
        states = {
            "healthy": is_hearing,
            "state": metrics.condition.value,
            "source": None if metrics.stream is None else metrics.stream.source,
            "stride_factor": metrics.stride_factor,
            "lag_s": round(metrics.lag_s, 3),
            "turned_s_ago": round(metrics.turned_s_ago, 3),
            "decided_s_ago": None if decided_s is None else round(decided_s, 3),
            "uptime_s": round(metrics.uptime_s, 1),
        }
    status = HTTPStatus.OK if is_hearing else HTTPStatus.SERVICE_UNAVAILABLE
    return Page(f"{encode_json(states)}\n".encode(), "application/json", status)
