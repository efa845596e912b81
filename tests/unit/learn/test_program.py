"""Other programs: what they may take, and what is left of them."""

import os
import select

import pytest

from detector.errors import DetectorError, SettingsError
from detector.learn.program import run_program


def write_program(folder, script):
    program = folder / "speaker"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return str(program)


def assert_ends(pid):
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        assert select.select([descriptor], [], [], 20.0)[0]
    finally:
        os.close(descriptor)


def test_what_a_program_writes_is_returned_and_what_it_reads_is_given(tmp_path):
    program = write_program(tmp_path, 'cat; printf "%s" "$@"; echo aside >&2')
    written = run_program([program, "a b", "--", "$(date)", "-v"], given="né\n", timeout_s=20.0)
    assert written.decode() == "né\na b--$(date)-v"


def test_much_is_read_and_given_without_waiting_for_each_other():
    given = "word\n" * 200_000
    assert run_program(["cat"], given=given, timeout_s=20.0) == given.encode()


def test_a_program_that_writes_on_is_ended():
    with pytest.raises(DetectorError, match="expected 'yes' to write at most 1000000 bytes, found more"):
        run_program(["yes"], timeout_s=20.0, most_bytes=1_000_000)


@pytest.mark.parametrize(
    "script",
    ["sleep 60 & echo $! >{}; wait", "sleep 60 & echo $! >{}", "exec >&- 2>&-; echo $$ >{}; exec sleep 60"],
)
def test_a_program_that_does_not_end_is_ended_with_what_it_started(tmp_path, script):
    program = write_program(tmp_path, script.format(tmp_path / "pid"))
    with pytest.raises(DetectorError, match=r"to end within 2 s, found it running"):
        run_program([program], timeout_s=2.0)
    assert_ends(int((tmp_path / "pid").read_text()))


def test_the_last_line_of_the_messages_of_a_program_that_fails_is_shown(tmp_path):
    program = write_program(tmp_path, "yes first | head -100000 >&2; echo last >&2; exit 3")
    with pytest.raises(DetectorError, match=r"to speak, found exit code 3 \(last\): does it work by hand\?"):
        run_program([program], timeout_s=20.0)
    assert run_program([program], timeout_s=20.0, good=(0, 3)) == b""


def test_a_program_that_is_missing_or_cannot_be_run_is_named(tmp_path):
    missing = str(tmp_path / "flute")
    with pytest.raises(SettingsError, match=r"program flute to speak words, found none: .*sudo apt-get install flute"):
        run_program([missing], timeout_s=20.0)
    with pytest.raises(SettingsError, match="found none: install it with pip install x"):
        run_program([missing], timeout_s=20.0, package="pip install x")
    (tmp_path / "text").write_text("text")
    with pytest.raises(DetectorError, match=r"to run, found that it cannot .*Permission denied"):
        run_program([str(tmp_path / "text")], timeout_s=20.0)
