"""What ends a verb of `keyword-trainer` that nobody foresaw."""

import argparse

import pytest

from training import cli, verbs


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (ModuleNotFoundError("No module named 'scipy'", name="scipy"), 78, "expected the package scipy, found none"),
        (OSError(28, "No space left on device"), 70, "No space left on device"),
        (ZeroDivisionError("unforeseen"), 70, "internal failure; please report it"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_an_error_has_its_exit_code(monkeypatch, capsys, caplog, error, code, said):
    def fail(options: argparse.Namespace) -> None:
        raise error

    monkeypatch.setattr(verbs.report, "run", fail)
    assert cli.run(["report", "somewhere"]) == code
    assert said in capsys.readouterr().err + caplog.text
