"""What listens beside the console: commands at detections, JSON Lines to a file or a FIFO."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from commands import (
    assert_last_line,
    call,
    end,
    ended,
    keywords,
    patched,
    read_until_heard,
    run,
    start,
    wait_until,
    wait_until_says,
)

PAGE = Path(__file__).parents[2] / "docs" / "outputs.md"
SCHEMA = Path(__file__).parents[2] / "docs" / "events.schema.json"
OUTPUTS = ["detector.outputs.command", "detector.outputs.template", "detector.outputs.lines", "shlex"]
LISTS_MODULES = f"""
import os, sys
end = os._exit
def list_modules(code):
    print("imported:", *(name for name in {OUTPUTS} if name in sys.modules), file=sys.stderr, flush=True)
    end(code)
os._exit = list_modules
"""


@pytest.fixture
def hook(tmp_path):
    """Return a function that writes a script of Python, which can be run as a command, and returns its path."""

    def write(name: str, code: str) -> Path:
        script = tmp_path / name
        script.write_text(f"#!{sys.executable}\n{code}\n")
        script.chmod(0o755)
        return script

    return write


@pytest.fixture
def settings_file(tmp_path):
    file = tmp_path / "settings.toml"

    def write(text: str) -> Path:
        file.write_text(text)
        return file

    return write


def timeless(lines):
    """Return JSON Lines without the time of day."""
    return [{**json.loads(line), "at": None} for line in lines.splitlines()]


def test_without_outputs_nothing_of_them_is_imported(demo_samples):
    finished = run("listen", "-", command=patched(LISTS_MODULES), input=demo_samples.tobytes())
    assert finished.stderr.splitlines()[-1] == "imported:"
    assert "command:" not in finished.stderr


def test_commands_run_at_the_words_that_are_printed(demo_samples, tmp_path, hook, settings_file):
    said = tmp_path / "said"
    note = hook(
        "note", f"import os, sys; open('{said}', 'a').write(' '.join([os.environ['KEYWORD'], *sys.argv[1:]]) + '|')"
    )
    file = settings_file('[command]\nmost_at_once = 1\nwhen_busy = "queue"')
    finished = run(
        *("listen", "-", "--json", "--config", file, "--on", f"no={note} '{{score}} {{source}}'", "--on", f"*={note}"),
        input=demo_samples.tobytes(),
    )
    assert finished.returncode == 0, finished.stderr
    words = keywords(finished.stdout)
    assert len(words) == 8
    calls = said.read_text().split("|")[:-1]
    assert [call for call in calls if " " not in call] == words
    assert sum("stdin" in call for call in calls) == words.count("no")
    assert len(calls) == len(words) + words.count("no")
    assert f"command: {len(calls)} run, 0 failed, 0 timed out, 0 dropped" in finished.stderr


def test_commands_that_hang_and_fail_change_nothing_of_what_is_detected(demo_samples, hook, settings_file):
    plain = run("listen", "-", "--json", input=demo_samples.tobytes())
    fails = hook("fails", "import sys; sys.stderr.write('x' * 10**6 + '\\nno light'); sys.exit(7)")
    file = settings_file(f'[on]\nyes = "sleep 1000"\n"*" = "{fails}"\n[command]\nlimit_s = 0.5\nmost_at_once = 1')
    finished = run("listen", "-", "--json", "--config", file, input=demo_samples.tobytes())
    assert finished.returncode == 0
    assert timeless(finished.stdout) == timeless(plain.stdout)
    assert "the command for 'yes' was ended after 0.5 s, its limit" in finished.stderr
    assert "1 commands run already: what comes on top is dropped" in finished.stderr


@pytest.mark.microphone
def test_nothing_of_a_microphone_is_lost_to_commands(microphone, supervisor, demo_samples, demo_words, tmp_path, hook):
    wav = tmp_path / "demo.wav"
    soundfile.write(wav, np.concatenate((demo_samples, np.zeros(16000, dtype=np.int16))), 16000)
    floods = hook("floods", "import sys\nwhile True: sys.stderr.write('x' * 10**6)")
    options = ["--on", f"yes={floods}", "--on", "no=sleep 1000", "--on", "*=false", "--output", tmp_path / "lines"]
    environment = microphone.environment | supervisor.environment
    with ended(start("listen", "--json", *options, env=environment)) as process:
        supervisor.wait_until_ready()  # what is played before the first window may be lost
        microphone.play(wav)
        stdout = read_until_heard(process, len(demo_words))
        rest, stderr = end(process)
    assert (tmp_path / "lines").read_text() == stdout + rest
    assert keywords(stdout + rest) == demo_words
    assert "; 0 gaps, 0.00 s lost" in stderr
    assert "4 commands are ended, as they were still running" in stderr
    assert "output: 8 written, 0 dropped" in stderr


def test_a_stop_ends_commands_with_what_they_have_started(demo_samples, tmp_path, hook):
    ignores = "import os, signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    grandchild = hook(
        "grandchild", f"{ignores}open('{tmp_path}/pid', 'w').write(f'{{os.getpid()}}\\n'); time.sleep(1000)"
    )
    stubborn = hook("stubborn", f"{ignores}import subprocess; subprocess.run(['{grandchild}'])")
    with ended(start("listen", "-", "--on", f"yes={stubborn}", stdin=-1)) as process:
        process.stdin.buffer.write(demo_samples.tobytes())
        process.stdin.flush()
        wait_until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().endswith("\n"))
        _, stderr = end(process)
    assert "commands are ended, as they were still running" in stderr
    wait_until(lambda: not Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}").exists())


# ---- JSON Lines to a file or a FIFO


@pytest.mark.parametrize("flags", [["--json"], [], ["--events"], ["--json", "--events"]])
def test_a_file_gets_json_lines_whatever_is_printed(demo_samples, tmp_path, flags):
    file = tmp_path / "lines"
    finished = run("listen", "-", "--output", file, *flags, input=demo_samples.tobytes())
    assert finished.returncode == 0, finished.stderr
    lines = file.read_text()
    assert len(keywords("".join(line for line in lines.splitlines(keepends=True) if "keyword" in line))) == 8
    if "--json" in flags:
        assert lines == finished.stdout
    else:
        assert [line.split()[2] for line in finished.stdout.splitlines()] == [
            line["keyword"] for line in timeless(lines) if "keyword" in line
        ]
    assert f"output: {len(lines.splitlines())} written, 0 dropped" in finished.stderr


@pytest.fixture(params=["rename", "logrotate"])
def rotate(request, tmp_path):
    """Return a function that puts a file aside, as NAME.1, and has a process open it anew."""
    if request.param == "rename":

        def rename(file, process):
            file.rename(f"{file}.1")
            process.send_signal(signal.SIGHUP)

        return rename
    logrotate = shutil.which("logrotate", path=f"{os.environ['PATH']}:/usr/sbin")
    if logrotate is None or not PAGE.is_file():
        pytest.skip("needs logrotate (apt-get install logrotate) and docs/outputs.md")
    (shown,) = re.findall(r"```\n(/var/lib/private/.*?)```", PAGE.read_text(), re.DOTALL)

    def run_logrotate(file, process):
        written = shown.replace("/var/lib/private/keyword-detector/detections.jsonl", str(file))
        written = written.replace("systemctl reload keyword-detector", f"kill -HUP {process.pid}")
        settings = tmp_path / "logrotate"
        settings.write_text(written)
        settings.chmod(0o644)  # logrotate refuses one that others may write
        command = [logrotate, "--force", "--state", tmp_path / "state", settings]
        finished = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (finished.returncode, finished.stderr) == (0, "")

    return run_logrotate


def test_sighup_opens_the_file_anew_without_losing_a_line(demo_samples, tmp_path, rotate):
    file, rotated = tmp_path / "lines", tmp_path / "lines.1"
    half = len(demo_samples) // 2 // 960 * 960
    with ended(start("listen", "-", "--json", "--output", file, stdin=-1)) as process:
        process.stdin.buffer.write(demo_samples[:half].tobytes())
        process.stdin.flush()
        wait_until(lambda: file.exists() and file.read_text().count("keyword") >= 2)
        rotate(file, process)
        wait_until_says(process, "settings were read anew")
        wait_until(file.exists)
        process.stdin.buffer.write(demo_samples[half:].tobytes())
        stdout, stderr = process.communicate()
        assert process.returncode == 0
    assert rotated.read_text() + file.read_text() == stdout
    assert len(stdout.splitlines()) == 8
    assert "output: 8 written, 0 dropped" in stderr


def test_a_fifo_that_nobody_reads_changes_nothing(demo_samples, tmp_path):
    os.mkfifo(tmp_path / "fifo")
    finished = run("listen", "-", "--json", "--output", tmp_path / "fifo", input=demo_samples.tobytes())
    assert len(keywords(finished.stdout)) == 8
    assert "fifo are dropped: nobody reads it" in finished.stderr
    assert "output: 0 written, 8 dropped" in finished.stderr


@pytest.mark.parametrize("verb", ["listen", "check"])
def test_a_path_that_cannot_be_written_to_is_refused_at_the_start(verb, settings_file):
    file = settings_file('[output]\npath = "/dev/null"')
    finished = run(verb, *(["-"] if verb == "listen" else []), "--config", file, input=b"")
    assert_last_line(finished, 78, "expected to write to /dev/null, found: a device, neither a file nor a FIFO")


# ---- the schema of events

HAS_IT_ALL = """
from detector.daemon import listen, status
from detector.events import Gap, GapCause
status.STATUS_EVERY_S = 1.0
lost = [Gap(40000, GapCause.OVERFLOW), Gap(24000, GapCause.SKIP, 0.5)]
def find_gaps(taken, detector):
    return [lost.pop()] if lost and detector.n_samples >= lost[-1].at_sample - 8000 else []
listen._find_gaps = find_gaps
"""
"""Sums up each second, and loses samples twice before the first word."""


def test_every_line_that_is_printed_is_as_the_published_schema_says(demo_samples, tmp_path):
    jsonschema = pytest.importorskip("jsonschema", reason="needs the group test: pip install --group test")
    if not SCHEMA.is_file():
        pytest.skip("needs docs/events.schema.json: run it in a checkout")
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    arguments = ["--json", "--events", "--name", "kitchen", "--on", "*=true", "--output", tmp_path / "lines"]
    printed = ""
    raw = demo_samples.tobytes()
    with ended(start("listen", "-", *arguments, command=patched(HAS_IT_ALL), stdin=-1)) as process:
        for piece in (raw[: 16000 * 8], raw[16000 * 8 :]):
            process.stdin.buffer.write(piece)
            process.stdin.flush()
            for line in process.stdout:
                printed += line
                if json.loads(line).get("event") == "status":
                    break
        process.stdin.close()
        printed += process.stdout.read()
        assert process.wait() == 0
    lines = [json.loads(line) for line in printed.splitlines()]
    for line in lines:
        jsonschema.validate(line, schema)
        definition = schema["$defs"][f"{line.get('event', 'detection').title()}Line"]
        assert set(line) <= set(definition["properties"])
    assert {line.get("event", "detection") for line in lines} == {"detection", "gap", "state", "status"}
    assert (tmp_path / "lines").read_text() == printed


# ---- what is checked, and what is refused


def test_check_shows_commands_and_path_and_runs_and_makes_nothing(tmp_path, settings_file):
    file = settings_file(f'[on]\nyes = "touch {tmp_path}/ran"\n[output]\npath = "{tmp_path}/lines"')
    printed = call("check", "--config", file).stdout
    assert f"on         yes: touch {tmp_path}/ran\n" in printed
    assert f"output     {tmp_path}/lines: can be written to\n" in printed
    answer = json.loads(call("check", "--json", "--config", file).stdout)
    assert (answer["on"], answer["output"]) == ({"yes": f"touch {tmp_path}/ran"}, f"{tmp_path}/lines")
    assert [entry.name for entry in tmp_path.iterdir()] == ["settings.toml"]


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("maybe=true", "expected a command for yes, no or *, found one for 'maybe'"),
        ("yes=no-such-program", "found none of the name 'no-such-program'"),
        ("yes=echo {word}", "alone, found {word}"),
    ],
)
@pytest.mark.parametrize("verb", ["listen", "check"])
def test_a_command_that_does_not_fit_is_refused_at_the_start(verb, command, message, settings_file):
    word, _, rest = command.partition("=")
    file = settings_file(f'[on]\n{word} = "{rest}"')
    source = ["-"] if verb == "listen" else []
    assert_last_line(run(verb, *source, "--config", file, input=b""), 78, message)


def test_a_flag_that_is_no_word_and_command_cannot_be_parsed():
    finished = run("listen", "-", "--on", "true", input=b"")
    assert (finished.returncode, finished.stdout) == (2, "")
    assert "expected WORD=COMMAND, found 'true'" in finished.stderr
