"""What a terminal shows of a dialogue, and its keys, on a pseudo-terminal; what is written where there is none."""

import io
import os
import select
import termios

import numpy as np
import pytest

from detector.learn.terminal import Terminal

LOUD = np.full(1600, 16384, dtype=np.int16)


@pytest.fixture
def pair():
    """Return a descriptor at which somebody sits, and the terminal's own end of it as a file."""
    person, own = os.openpty()
    with open(own, "r+b", buffering=0) as raw, io.TextIOWrapper(raw, write_through=True) as file:
        yield person, file
    os.close(person)


def shown(person):
    text = b""
    while select.select([person], [], [], 0.0)[0]:
        text += os.read(person, 4096)
    return text.decode()


def test_keys_come_one_by_one_and_are_not_shown(pair):
    person, file = pair
    before = termios.tcgetattr(file.fileno())
    with Terminal(file, file) as terminal:
        assert terminal.has_keys
        assert terminal.read_key() is None
        os.write(person, b"pr\n")
        assert [terminal.read_key() for _ in range(4)] == ["p", "r", "\n", None]
        assert shown(person) == ""
    assert termios.tcgetattr(file.fileno()) == before


def test_the_terminal_is_given_back_whatever_happens(pair):
    _, file = pair
    before = termios.tcgetattr(file.fileno())

    def fail():
        with Terminal(file, file):
            assert termios.tcgetattr(file.fileno()) != before
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert termios.tcgetattr(file.fileno()) == before


def test_the_level_is_one_line_that_is_redrawn_and_removed_before_a_line_that_stays(pair):
    person, file = pair
    with Terminal(file, file) as terminal:
        terminal.show_level(LOUD, "say it")
        assert shown(person) == f"\r[{'#' * 27}...]   -6 dBFS  say it\x1b[K"
        terminal.show_level(LOUD // 2, "say it")
        assert shown(person) == f"\r[{'#' * 24}{'.' * 6}]  -12 dBFS  say it\x1b[K"
        terminal.show_level(np.zeros(1600, dtype=np.int16), "")
        assert shown(person) == f"\r[{'.' * 30}] silence  \x1b[K"
        terminal.show("take 1: \x1b[2J")
        assert shown(person) == "\r\x1b[Ktake 1: \\x1b[2J\r\n"


def test_without_a_terminal_there_are_lines_and_no_keys(pair):
    _, file = pair
    lines = io.StringIO()
    for keys in (file, io.StringIO("q")):
        with Terminal(keys, lines) as terminal:
            assert not terminal.has_keys
            assert terminal.read_key() is None
            terminal.show_level(LOUD, "say it")
            terminal.show("a line")
    assert lines.getvalue() == "a line\na line\n"


def test_a_terminal_that_hung_up_ends_the_dialogue():
    person, own = os.openpty()
    with open(own, "r+b", buffering=0) as raw, io.TextIOWrapper(raw, write_through=True) as file:
        terminal = Terminal(file, file)
        with terminal:
            os.close(person)
            assert terminal.read_key() == "q"
