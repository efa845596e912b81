"""The log holds one line for each record."""

import io
import json
import logging
import re

import pytest

from detector.process.log import JsonFormatter, LineFormatter, set_log


def logged(message, *arguments, error=None, formatter=None):
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter or LineFormatter("keyword-detector: %(message)s"))
    trace = None if error is None else (type(error), error, error.__traceback__)
    handler.handle(logging.LogRecord("test", logging.ERROR, __file__, 1, message, arguments, trace))
    return stream.getvalue()


def test_a_name_from_outside_cannot_begin_a_line_or_control_a_terminal():
    text = logged("%s: found none", "a.wav\n00:00:01.000  yes  0.99\x1b]0;\x07")
    assert text == "keyword-detector: a.wav\\n00:00:01.000  yes  0.99\\x1b]0;\\x07: found none\n"


def test_lines_of_a_traceback_are_indented_and_printable():
    error = ValueError("\x1b[2J\n2026-01-01 00:00:00.000  yes  0.99")
    first, *others, last = logged("failed", error=error).splitlines()
    assert first == "keyword-detector: failed"
    assert last == "  2026-01-01 00:00:00.000  yes  0.99"
    assert others[-1] == r"  ValueError: \x1b[2J"
    assert all(line.startswith("  ") for line in others)


def test_as_json_a_record_is_one_line_with_its_time_level_and_origin():
    line = logged("%s: found none", "caf\udce9 \n ü", formatter=JsonFormatter("kitchen"))
    assert line.isascii()
    assert line.count("\n") == 1
    fields = json.loads(line)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d", fields.pop("time"))
    assert fields == {
        "level": "error",
        "logger": "test",
        "message": "caf\\xe9 \\n ü: found none",
        "source_id": "kitchen",
    }
    assert "source_id" not in json.loads(logged("", formatter=JsonFormatter(None)))


def test_as_json_a_traceback_is_within_its_line():
    try:
        raise ValueError("caf\udce9\nsecond line")  # noqa: TRY301
    except ValueError as exc:
        line = logged("failed", error=exc, formatter=JsonFormatter(None))
    assert line.count("\n") == 1
    trace = json.loads(line)["traceback"]
    assert trace.startswith("Traceback (most recent call last):\n")
    assert trace.endswith("ValueError: caf\\udce9\nsecond line")


@pytest.fixture
def root():
    """The root of logging, without what pytest has put there."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    ours, other = logging.StreamHandler(stream), logging.StreamHandler(stream)
    ours.setFormatter(LineFormatter("keyword-detector: %(message)s"))
    other.setFormatter(logging.Formatter("other: %(message)s"))
    root.handlers[:] = [ours, other]
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)


def test_the_form_of_the_log_can_be_changed_and_changed_back(root):
    log = logging.getLogger("test")
    set_log("warning", source_id="100 %")
    log.info("not shown")
    log.warning("first")
    set_log("info", as_json=True, source_id="100 %")
    log.info("second")
    set_log("info", source_id="")
    log.info("third")
    lines = root.getvalue().splitlines()
    assert lines[:2] == ["keyword-detector 100 %: first", "other: first"]
    assert json.loads(lines[2])["message"] == "second"
    assert lines[3:] == ["other: second", "keyword-detector: third", "other: third"]
