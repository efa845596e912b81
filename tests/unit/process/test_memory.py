"""Memory of this process."""

from pathlib import Path

import pytest

from detector.process import memory


def test_memory_now_is_at_most_the_largest_so_far():
    assert 1 < memory.resident_memory_mb() <= memory.peak_memory_mb() * 1.1  # the peak is noted a moment late


def test_where_the_system_hides_it_the_largest_so_far_is_returned(monkeypatch):
    def hide(_path):
        raise PermissionError

    monkeypatch.setattr(Path, "read_text", hide)
    assert memory.resident_memory_mb() == pytest.approx(memory.peak_memory_mb(), rel=0.1)


@pytest.mark.parametrize(("system", "unit_bytes"), [("linux", 1024), ("darwin", 1)])
def test_the_unit_of_the_system_is_looked_at(monkeypatch, system, unit_bytes):
    monkeypatch.setattr(memory.sys, "platform", system)
    monkeypatch.setattr(memory.resource, "getrusage", lambda _who: type("Usage", (), {"ru_maxrss": 5_000_000}))
    assert memory.peak_memory_mb() == 5.0 * unit_bytes
