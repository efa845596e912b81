"""The log holds one line for each record."""

import io
import logging

from detector.process.log import LineFormatter


def logged(message, *arguments, error=None):
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(LineFormatter("keyword-detector: %(message)s"))
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
