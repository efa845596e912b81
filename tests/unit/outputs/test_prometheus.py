"""What Prometheus reads is what was counted, by the parsers of its own library."""

import json

import numpy as np
import pytest
from clocks import Clock

pytest.importorskip("prometheus_client", reason="needs the extra metrics: pip install 'keyword-detector[metrics]'")

import prometheus_client
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from detector.events import Condition, Detection, Gap, GapCause, Opened, Progress, Scored, State
from detector.outputs.metrics import Metrics
from detector.outputs.prometheus import make_pages

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
FORMS = [("", parse_text), ("text/plain;version=0.0.4", parse_text), (OPENMETRICS, parse_openmetrics)]
OPENED = Opened(
    source="USB",
    is_live=True,
    model="a,b",
    runtime="a runtime",
    sample_rate_hz=16000,
    thresholds={"yes": 0.8, "no": 0.9},
    source_id="kitchen",
    labels=("silence", "yes", "no"),
    checksums={"a": "12" * 32, "b": "ef" * 32},
)


@pytest.fixture
def metrics():
    metrics = Metrics(clock=Clock())
    metrics.hear(OPENED)
    metrics.hear(State(Condition.LISTENING, before=Condition.STARTING))
    metrics.hear(Gap(7, GapCause.SKIP, 0.5))
    metrics.hear(Scored(16000, [0.25, 0.5, 0.25]))
    metrics.hear(Scored(16960, [0.0, 0.96, 0.02]))
    metrics.hear(Detection("yes", 0.96, 1.06, 0.5))
    metrics.hear(Progress(np.full(16000, 3, dtype=np.int16), 40000, 8000, 1000))
    return metrics


@pytest.fixture
def pages(metrics):
    return make_pages(
        metrics, lambda: {"console": {"dropped": 3}, "mqtt": {"published": 2, "waiting": 7}}, version="1.2.3"
    )


def read(pages, accept="", parse=parse_text):
    """Return what is exposed: the value of each sample by its name and its labels' values, by name."""
    families = parse(pages["/metrics"](accept).body.decode())
    samples = [sample for family in families for sample in family.samples]
    return {(sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value for sample in samples}


@pytest.mark.parametrize(("accept", "parse"), FORMS)
def test_a_scraper_reads_what_was_counted(pages, accept, parse):
    found = read(pages, accept, parse)
    name = "keyword_detector_"
    assert found[(f"{name}captured_samples_total",)] == 40000
    assert found[(f"{name}processed_samples_total",)] == 16000
    assert found[(f"{name}skipped_samples_total",)] == 1000
    assert found[(f"{name}lag_seconds",)] == 0.5
    assert found[(f"{name}gaps_total", "skip")] == 1
    assert found[(f"{name}gaps_total", "drift")] == 0
    assert found[(f"{name}lost_seconds_total",)] == 0.5
    assert found[(f"{name}decisions_total",)] == 2
    assert found[(f"{name}detections_total", "yes")] == 1
    assert found[(f"{name}detections_total", "no")] == 0
    assert found[(f"{name}threshold", "no")] == 0.9
    assert found[(f"{name}output_total", "dropped", "console")] == 3
    assert found[(f"{name}output_total", "published", "mqtt")] == 2
    assert (f"{name}output_total", "waiting", "mqtt") not in found
    assert found[(f"{name}output_waiting", "mqtt")] == 7
    assert found[(f"{name}model_info", "a", "a runtime", "12" * 32)] == 1
    assert found[(f"{name}model_info", "b", "a runtime", "ef" * 32)] == 1
    assert found[(f"{name}source_info", "kitchen", "USB")] == 1
    assert found[(f"{name}build_info", "1.2.3")] == 1
    assert found[(f"{name}hearing",)] == 1
    states = {key[1]: value for key, value in found.items() if key[0] == f"{name}state"}
    assert states == {condition.value: float(condition is Condition.LISTENING) for condition in Condition}
    assert found[("process_cpu_seconds_total",)] > 0
    assert found[("process_resident_memory_bytes",)] > 1e6


@pytest.mark.parametrize(("accept", "parse"), FORMS)
def test_the_histogram_of_a_word_adds_up(pages, accept, parse):
    found = read(pages, accept, parse)
    name = "keyword_detector_score"
    buckets = {key[2]: value for key, value in found.items() if key[:2] == (f"{name}_bucket", "yes")}
    assert (buckets["0.4"], buckets["0.5"], buckets["0.95"], buckets["0.99"], buckets["+Inf"]) == (0, 1, 1, 2, 2)
    assert list(buckets.values()) == sorted(buckets.values())
    assert (found[(f"{name}_count", "yes")], found[(f"{name}_sum", "yes")]) == (2, pytest.approx(1.46))
    assert (f"{name}_count", "silence") not in found


def test_the_form_is_the_one_that_is_asked_for(pages):
    assert pages["/metrics"]("").content_type == "text/plain; version=0.0.4; charset=utf-8"
    assert pages["/metrics"](OPENMETRICS).content_type.startswith("application/openmetrics-text; version=1.0.0")
    assert pages["/metrics"](OPENMETRICS).body.endswith(b"# EOF\n")


def test_before_anything_is_open_all_is_zero():
    found = read(make_pages(Metrics(), dict, version="1.2.3"))
    assert found[("keyword_detector_decisions_total",)] == 0
    assert found[("keyword_detector_hearing",)] == 0
    assert ("keyword_detector_level_ratio",) not in found


def test_nothing_is_added_to_what_a_program_of_its_own_exposes(pages):
    ours = b"keyword_detector_decisions_total"
    assert ours in pages["/metrics"]("").body
    assert ours not in prometheus_client.generate_latest()


def test_names_from_outside_break_no_line(metrics, pages):
    metrics.hear(Opened('US"B\n# EOF\udcff\\', True, "a", "r", 16000, {"ja\nnein": 0.5}, source_id="\udce9"))
    found = read(pages)
    assert found[("keyword_detector_source_info", r"\xe9", 'US"B\\n# EOF\\xff\\')] == 1
    assert found[("keyword_detector_detections_total", "ja\nnein")] == 0


def test_health_states_what_is_heard(metrics, pages):
    page = pages["/healthz"]("")
    assert (page.status, page.content_type) == (200, "application/json")
    assert json.loads(page.body) == {
        "healthy": True,
        "state": "listening",
        "source": "USB",
        "stride_factor": 1,
        "lag_s": 0.5,
        "turned_s_ago": 0.0,
        "decided_s_ago": 0.0,
        "uptime_s": 0.0,
    }
    metrics.hear(State(Condition.DEAF, 2, before=Condition.LISTENING))
    page = pages["/healthz"]("")
    assert page.status == 503
    health = json.loads(page.body)
    assert (health["healthy"], health["state"], health["stride_factor"]) == (False, "deaf", 2)
