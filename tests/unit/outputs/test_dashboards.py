"""The dashboard and the alerts ask for nothing that is not exposed, and their own tools accept them."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"
if not DOCS.is_dir():
    pytest.skip("needs the documents: a checkout", allow_module_level=True)

DASHBOARD = DOCS / "grafana" / "keyword-detector.json"
RULES = DOCS / "prometheus" / "keyword-detector.rules.yml"
PROMTOOL = shutil.which("promtool") or shutil.which("promtool", path=ROOT / ".venv" / "prometheus" / "usr" / "bin")
OF_PROMETHEUS = {"up"}
"""What Prometheus itself adds to what it scrapes."""
METRIC = re.compile(r"\b(?:keyword_detector|process)_\w+|\bup\b")

needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="needs promtool: apt-get install prometheus")


@pytest.fixture
def board():
    return json.loads(DASHBOARD.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def exposed():
    """What is exposed after a little of everything, as text."""
    pytest.importorskip("prometheus_client", reason="needs the extra metrics: pip install 'keyword-detector[metrics]'")
    import numpy as np

    from detector.events import Opened, Progress, Scored
    from detector.outputs.metrics import Metrics
    from detector.outputs.prometheus import make_pages

    metrics = Metrics()
    metrics.hear(Opened("USB", True, "a", "r", 16000, {"yes": 0.5}, labels=("yes",), checksums={"a": "ab" * 32}))
    metrics.hear(Scored(16000, [0.5]))
    metrics.hear(Progress(np.ones(16000, dtype=np.int16), 16000, 0, 0))
    return make_pages(metrics, lambda: {"console": {"dropped": 0}, "mqtt": {"waiting": 0}}, version="1.2.3")[
        "/metrics"
    ]("").body.decode()


def expressions(board):
    variables = {"$instance": "kitchen", "$__rate_interval": "1m", "$__all": ".*"}
    for panel in board["panels"]:
        for target in panel["targets"]:
            expression = target["expr"]
            for name, value in variables.items():
                expression = expression.replace(name, value)
            yield panel["title"], expression


def find_differences(asked, understood, place=""):
    """Yield where something that was asked for is missing or another; defaults may be added."""
    if isinstance(asked, dict) and isinstance(understood, dict):
        for key, value in asked.items():
            yield from find_differences(value, understood.get(key), f"{place}/{key}")
    elif isinstance(asked, list) and isinstance(understood, list) and len(asked) == len(understood):
        for number, (one, other) in enumerate(zip(asked, understood, strict=True)):
            yield from find_differences(one, other, f"{place}/{number}")
    elif asked != understood:
        yield place


def promtool(*arguments, **options):
    return subprocess.run([PROMTOOL, *arguments], capture_output=True, text=True, check=False, timeout=120, **options)


def test_only_what_is_exposed_is_asked_for(board, exposed):
    names = {line.partition("{")[0].partition(" ")[0] for line in exposed.splitlines() if not line.startswith("#")}
    asked = " ".join(expression for _, expression in expressions(board))
    asked += " ".join(re.findall(r"^ *expr: (.*)$", RULES.read_text(encoding="utf-8"), re.MULTILINE))
    asked += board["templating"]["list"][1]["definition"]
    found = set(METRIC.findall(asked))
    assert len(found) > 15
    assert found - names - OF_PROMETHEUS == set()


def test_what_is_exposed_is_in_the_document(exposed):
    text = (DOCS / "metrics.md").read_text(encoding="utf-8")
    families = re.findall(r"^# TYPE (keyword_detector_\w+) ", exposed, re.MULTILINE)
    assert len(families) > 20
    for family in families:
        assert f"`{family.removeprefix('keyword_detector_')}" in text, family
    for alert in re.findall(r"alert: (\w+)", RULES.read_text(encoding="utf-8")):
        assert f"`{alert}`" in text


def test_a_dashboard_is_what_grafana_imports(board):
    assert board["schemaVersion"] >= 36
    assert (board["uid"], board["title"]) == ("keyword-detector", "Keyword detectors")
    assert "id" not in board  # Grafana gives it one of its own
    variables = [variable["name"] for variable in board["templating"]["list"]]
    assert variables == ["datasource", "instance"]
    numbers = [panel["id"] for panel in board["panels"]]
    assert len(set(numbers)) == len(numbers) > 10
    cells = set()
    for panel in board["panels"]:
        assert panel["type"] in {"stat", "table", "timeseries", "state-timeline", "heatmap"}
        assert panel["title"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        taken = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not taken & cells, panel["title"]
        cells |= taken
        references = [target["refId"] for target in panel["targets"]]
        assert len(set(references)) == len(references) > 0


def test_grafana_reads_all_that_the_dashboard_says(board):
    """Grafana's own library drops what it does not know, and changes what is of another form."""
    models = pytest.importorskip(
        "grafana_foundation_sdk.models.dashboard", reason="needs the group test: pip install --group test"
    )
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.cog.plugins import register_default_plugins

    register_default_plugins()
    understood = json.loads(JSONEncoder(sort_keys=True).encode(models.Dashboard.from_json(board)))
    del board["templating"]["list"][1]["definition"]  # what Grafana writes for itself
    assert list(find_differences(board, understood)) == []


@needs_promtool
def test_prometheus_can_evaluate_what_the_dashboard_asks(board, tmp_path):
    rules = [{"record": f"panel:{number}", "expr": expr} for number, (_, expr) in enumerate(expressions(board))]
    file = tmp_path / "panels.yml"
    file.write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))  # JSON is YAML
    finished = promtool("check", "rules", file)
    assert finished.returncode == 0, finished.stderr + finished.stdout


@needs_promtool
def test_the_alerts_are_valid_and_raised_by_their_troubles_alone():
    assert "SUCCESS: 8 rules found" in promtool("check", "rules", RULES).stdout
    finished = promtool("test", "rules", RULES.with_name("keyword-detector.tests.yml"))
    assert finished.returncode == 0, finished.stdout + finished.stderr


@needs_promtool
def test_names_and_types_are_as_prometheus_wants_them(exposed):
    finished = promtool("check", "metrics", input=exposed)
    assert (finished.returncode, finished.stdout, finished.stderr) == (0, "", "")
