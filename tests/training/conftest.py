"""Fixtures of the tests that train."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny_words


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of made-up words; running speech lies beside it, and settings with which a run takes little time."""
    words = tiny_words.make(tmp_path_factory.mktemp("tiny"))
    (words.parent / "small.toml").write_text("windows = {n_rooms = 5}\n")
    return words
