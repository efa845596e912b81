"""Metrics of a detector that listens, as a scraper reads them, and what asking costs it: nothing."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import shutil
import socket
import subprocess
import sys
import threading
import urllib.parse
from pathlib import Path

import numpy as np
import pytest
import soundfile

pytest.importorskip("prometheus_client", reason="needs the extra metrics: pip install 'keyword-detector[metrics]'")

from commands import (
    ENVIRONMENT,
    WITHIN_S,
    assert_one_line,
    end,
    keywords,
    patched,
    read_until_heard,
    run,
    start,
    wait_until,
    wait_until_idle,
    wait_until_says,
)
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

LOCAL = "127.0.0.1"
PREFIX = "keyword_detector_"
STATUS_OFTEN = "from detector.daemon import status\nstatus.STATUS_EVERY_S = 0.5"
N_SCRAPES = 1000
ROOT = Path(__file__).parents[2]
RULES = ROOT / "docs" / "prometheus" / "keyword-detector.rules.yml"
PROMETHEUS = shutil.which("prometheus") or shutil.which(
    "prometheus", path=ROOT / ".venv" / "prometheus" / "usr" / "bin"
)
ASKED = ("--metrics", f"{LOCAL}:0")


def find_port(process):
    """Return the port that a detector answers at, once it says so."""
    line = wait_until_says(process, "answering /metrics and /healthz at")
    (port,) = re.findall(r"http://[\d.]+:(\d+)", line)
    return int(port)


def ask(port, path, accept=""):
    with contextlib.closing(http.client.HTTPConnection(LOCAL, port, timeout=WITHIN_S)) as connection:
        connection.request("GET", path, headers={"Accept": accept})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def scrape(port, accept="", parse=parse_text):
    """Return the value of each sample by its name and its labels' values, by name."""
    status, text = ask(port, "/metrics", accept)
    assert status == 200
    samples = [sample for family in parse(text) for sample in family.samples]
    return {(sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value for sample in samples}


@pytest.fixture
def long_file(demo_samples, tmp_path):
    """The demo, then silence for as long as any test takes."""
    file = tmp_path / "long.flac"
    soundfile.write(file, np.concatenate((demo_samples, np.zeros(16000 * 600, dtype=np.int16))), 16000)
    return file


def test_counters_are_what_the_status_says(demo_samples, demo_words):
    arguments = ("listen", "-", "--json", "--events", *ASKED)
    process = start(*arguments, command=patched(STATUS_OFTEN), stdin=subprocess.PIPE)
    port = find_port(process)
    process.stdin.buffer.write(demo_samples.tobytes())
    process.stdin.buffer.write(bytes(2 * 16000))
    process.stdin.flush()
    read_until_heard(process, len(demo_words))
    wait_until_idle(process)
    name, n_samples = PREFIX, len(demo_samples) + 16000
    wait_until(lambda: scrape(port)[(f"{name}processed_samples_total",)] == n_samples)
    metrics = scrape(port, "application/openmetrics-text; version=1.0.0", parse_openmetrics)
    statuses = []
    while len(statuses) < 2:  # the first may have been written before
        line = json.loads(process.stdout.readline())
        statuses += [line] if line.get("event") == "status" else []
    status = statuses[-1]
    assert metrics[(f"{name}captured_samples_total",)] == n_samples
    assert metrics[(f"{name}processed_samples_total",)] / 16000 == pytest.approx(status["processed_s"], abs=0.05)
    assert metrics[(f"{name}skipped_samples_total",)] == status["windows_dropped"] == 0
    assert metrics[(f"{name}widened_total",)] == status["windows_widened"]
    assert metrics[(f"{name}lost_seconds_total",)] == status["lost_s"]
    assert metrics[(f"{name}output_total", "dropped", "console")] == status["lines_dropped"]
    for word in ("yes", "no"):
        found = metrics[(f"{name}detections_total", word)]
        assert found == status["detections"][word] == demo_words.count(word)
        assert metrics[(f"{name}score_count", word)] == metrics[(f"{name}decisions_total",)]
    assert metrics[(f"{name}decisions_total",)] > n_samples / 16000 / 0.06 - 20
    gaps = {key[1]: value for key, value in metrics.items() if key[0] == f"{name}gaps_total" and value}
    assert gaps == status["gaps"]
    assert metrics[("process_resident_memory_bytes",)] / 1e6 == pytest.approx(status["memory_mb"], rel=0.2)
    end(process)


def test_a_thousand_scrapes_and_clients_that_say_nothing_take_no_sample_and_no_word(
    demo_file, demo_words, demo_samples
):
    process = start("listen", demo_file, "--json", *ASKED)
    port = find_port(process)
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            held = stack.enter_context(socket.create_connection((LOCAL, port), WITHIN_S))
            held.sendall(b"GET /metrics HTTP/1.1\r\n")
        for number in range(N_SCRAPES):
            metrics = scrape(port) if number % 10 == 0 else ask(port, "/metrics")
        metrics = scrape(port)
        assert metrics[(f"{PREFIX}hearing",)] == 1
        assert metrics[(f"{PREFIX}state", "listening")] == 1
        assert [value for key, value in metrics.items() if key[0] == f"{PREFIX}gaps_total"] == [0, 0, 0, 0]
        assert metrics[(f"{PREFIX}skipped_samples_total",)] == 0
    assert keywords(read_until_heard(process, len(demo_words)) + end(process)[0]) == demo_words


@pytest.mark.microphone
def test_a_microphone_is_heard_while_a_thousand_questions_are_asked(microphone, words, demo_words):
    process = start("listen", "--json", *ASKED, env=ENVIRONMENT | microphone.environment)
    port = find_port(process)
    assert ask(port, "/healthz")[0] in (200, 503)
    wait_until(lambda: ask(port, "/healthz")[0] == 200)
    player = threading.Thread(target=microphone.play, args=(words,))
    player.start()
    for _ in range(N_SCRAPES):
        ask(port, "/metrics")
    player.join()
    read_until_heard(process, 2)
    metrics = scrape(port)
    assert metrics[(f"{PREFIX}skipped_samples_total",)] == 0
    assert sum(metrics[(f"{PREFIX}detections_total", word)] for word in set(demo_words[:2])) == 2
    end(process)
    with pytest.raises(ConnectionError):
        ask(port, "/metrics")


@pytest.mark.skipif(PROMETHEUS is None, reason="needs Prometheus: apt-get install prometheus")
def test_prometheus_scrapes_it_and_evaluates_the_alerts(long_file, tmp_path):
    process = start("listen", long_file, *ASKED)
    settings = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(RULES)],
        "scrape_configs": [
            {
                "job_name": "keyword-detector",
                "static_configs": [{"targets": [f"{LOCAL}:{find_port(process)}"], "labels": {"instance": "kitchen"}}],
            }
        ],
    }
    (tmp_path / "prometheus.yml").write_text(json.dumps(settings))  # JSON is YAML
    with socket.create_server((LOCAL, 0)) as server:
        port = server.getsockname()[1]
    start(
        f"--config.file={tmp_path / 'prometheus.yml'}",
        f"--storage.tsdb.path={tmp_path / 'series'}",
        f"--web.listen-address={LOCAL}:{port}",
        "--log.level=error",
        command=[PROMETHEUS],
        stderr=subprocess.DEVNULL,
    )

    def answers(question):
        with contextlib.suppress(ConnectionError):  # while it starts
            status, text = ask(port, f"/api/v1/{question}")
            return json.loads(text)["data"] if status == 200 else {}
        return {}

    def query(expression):
        found = answers(f"query?query={urllib.parse.quote(expression)}").get("result", [])
        return [float(one["value"][1]) for one in found]

    wait_until(lambda: query('keyword_detector_hearing{instance="kitchen", job="keyword-detector"}') == [1])
    assert query("up") == [1]
    assert query("keyword_detector_decisions_total > 0")
    assert query('keyword_detector_state{state="listening"}') == [1]
    assert query("max(process_resident_memory_bytes) > 1e6")
    (group,) = answers("rules")["groups"]
    assert {rule["health"] for rule in group["rules"]} <= {"ok", "unknown"}
    assert len(group["rules"]) == 8


def test_health_is_503_before_anything_is_heard_and_answers_at_once():
    process = start("listen", "-", *ASKED, stdin=subprocess.PIPE)
    port = find_port(process)
    status, text = ask(port, "/healthz")
    health = json.loads(text)
    assert (status, health["healthy"], health["state"], health["source"]) == (503, False, "starting", "stdin")
    end(process)


def test_a_port_that_is_taken_ends_it_with_one_line(demo_file):
    with socket.create_server((LOCAL, 0)) as server:
        port = server.getsockname()[1]
        finished = run("listen", demo_file, "--metrics", f"{LOCAL}:{port}")
    assert_one_line(finished, 78, f"expected {LOCAL}:{port} to be free, found another program there", "another port")


def test_an_address_of_another_machine_is_tried_again_by_a_service(demo_file):
    finished = run("listen", demo_file, "--metrics", "192.0.2.1:9275")
    assert_one_line(finished, 70, "expected an address of this machine, found 192.0.2.1")


@pytest.mark.parametrize("verb", ["listen", "check"])
def test_what_is_no_address_is_refused(verb, demo_file, tmp_path):
    settings = tmp_path / "settings.toml"
    settings.write_text('[metrics]\naddress = ":9275"\n')
    finished = run(verb, *([demo_file] if verb == "listen" else []), "--config", settings)
    assert_one_line(finished, 78, "expected an address such as 127.0.0.1:9275", "found ':9275'")


def test_an_address_of_the_network_is_a_warning(long_file):
    process = start("listen", long_file, "--metrics", "0.0.0.0:0", "--log-level", "warning")
    assert "without a password" in wait_until_says(process, "answering")
    end(process)


def test_random_bytes_change_nothing(rng):
    process = start("listen", "-", *ASKED, stdin=subprocess.PIPE)
    port = find_port(process)
    for _ in range(300):
        with socket.create_connection((LOCAL, port), WITHIN_S) as client, contextlib.suppress(ConnectionError):
            client.sendall(rng.bytes(int(rng.integers(1, 20_000))) + b"\r\n\r\n")
            client.shutdown(socket.SHUT_WR)
            while client.recv(65536):
                pass
    assert scrape(port)[(f"{PREFIX}decisions_total",)] == 0
    _, stderr = end(process)
    assert "Traceback" not in stderr


def test_without_the_extra_one_line_says_what_to_install(demo_file):
    code = "import sys; sys.modules['prometheus_client'] = None\nfrom detector.__main__ import main\nsys.exit(main())"
    finished = run("listen", demo_file, *ASKED, command=[sys.executable, "-c", code])
    assert_one_line(finished, 78, "expected the package prometheus_client", "pip install 'keyword-detector[metrics]'")
