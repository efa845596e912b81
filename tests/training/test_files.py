"""Files that belong together are written whole or not at all."""

from __future__ import annotations

import pytest

from training.run.files import write_whole


def test_files_are_replaced_together(tmp_path):
    (tmp_path / "a").write_bytes(b"old")
    write_whole({tmp_path / "a": b"new", tmp_path / "b": b""})
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {"a": b"new", "b": b""}


def test_one_that_cannot_be_written_leaves_all_as_they_were(tmp_path):
    (tmp_path / "a").write_bytes(b"old")
    with pytest.raises(FileNotFoundError):
        write_whole({tmp_path / "a": b"new", tmp_path / "missing" / "b": b"new"})
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {"a": b"old"}
