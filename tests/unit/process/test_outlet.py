import fcntl
import os
import pty
import threading
from pathlib import Path

import pytest
from commands import WITHIN_S

from detector.process.outlet import Outlet


@pytest.fixture
def pipe():
    read_end, write_end = os.pipe()
    fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, 8192)  # two pages; it is writable while one of them is free
    yield read_end, write_end
    for descriptor in (read_end, write_end):
        os.close(descriptor)


def test_lines_are_written_at_once_where_somebody_reads(pipe):
    outlet = Outlet(pipe[1])
    outlet.write("one\n")
    outlet.write("two\nthree\n")
    outlet.flush()
    assert os.read(pipe[0], 100) == b"one\ntwo\nthree\n"
    assert outlet.n_waiting == 0


def test_lines_wait_in_order_for_a_reader_and_the_oldest_go_first(pipe):
    outlet = Outlet(pipe[1], most_lines=10)
    lines = [f"{k:04d}{'x' * 995}\n" for k in range(30)]
    for line in lines:
        outlet.write(line)
        outlet.flush()  # the pipe takes five
    assert outlet.n_waiting == 10
    arrived = b""
    while outlet.n_waiting:
        arrived += os.read(pipe[0], 4096)
        outlet.flush()
    arrived += os.read(pipe[0], 65536)
    numbers = [int(line[:4]) for line in arrived.decode().splitlines()]
    assert numbers == [*range(30 - 10 - outlet.n_dropped), *range(20, 30)]
    assert {len(line) for line in arrived.decode().splitlines()} == {999}


def test_a_line_longer_than_the_pipe_arrives_in_pieces_and_is_never_torn(pipe):
    outlet = Outlet(pipe[1], most_lines=2)
    outlet.write("a" * 20_000 + "\n")
    outlet.flush()
    outlet.write("b\nc\nd\n")  # the oldest that can go is b
    arrived = b""
    while outlet.n_waiting:
        arrived += os.read(pipe[0], 4096)
        outlet.flush()
    arrived += os.read(pipe[0], 4096)
    assert arrived.decode() == "a" * 20_000 + "\nd\n"
    assert outlet.n_dropped == 2


def test_a_reader_that_has_gone_is_told_apart():
    read_end, write_end = os.pipe()
    os.close(read_end)
    outlet = Outlet(write_end)
    outlet.write("one\n")
    with pytest.raises(BrokenPipeError):
        outlet.flush()
    os.close(write_end)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_trouble_but_no_end():
    descriptor = os.open("/dev/full", os.O_WRONLY)
    outlet = Outlet(descriptor)
    outlet.write("one\n")
    outlet.flush()
    assert outlet.trouble == "No space left on device"
    assert outlet.n_waiting == 1
    os.close(descriptor)


def test_the_end_waits_for_a_reader_only_so_long(pipe):
    outlet = Outlet(pipe[1])
    outlet.write("x" * 20_000 + "\n")
    outlet.finish(0.05)
    assert outlet.n_waiting == 1


def test_threads_may_write_and_flush_at_once(tmp_path):
    file = tmp_path / "log"
    with open(file, "wb") as out:
        outlet = Outlet(out.fileno(), most_lines=10**6)
        done = threading.Event()

        def log(name):
            for k in range(3000):
                outlet.write(f"{name} {k}\n")
                outlet.flush()

        def finish():
            while not done.is_set():
                outlet.finish(0.0)

        threads = [threading.Thread(target=log, args=(name,)) for name in "ab"]
        other = threading.Thread(target=finish)
        for thread in (*threads, other):
            thread.start()
        for thread in threads:
            thread.join(WITHIN_S)
        done.set()
        other.join(WITHIN_S)
        outlet.finish(1.0)
    lines = file.read_text().splitlines()
    for name in "ab":
        assert [line for line in lines if line.startswith(name)] == [f"{name} {k}" for k in range(3000)]


def test_lines_that_still_wait_at_the_end_are_dropped_and_counted(pipe):
    outlet = Outlet(pipe[1])
    outlet.write("a" * 100_000 + "\nb\nc\n")
    outlet.finish(0.0)
    outlet.drop()
    assert (outlet.n_dropped, outlet.n_waiting) == (3, 0)
    os.set_blocking(pipe[0], False)
    os.read(pipe[0], 1_000_000)
    outlet.write("d\n")
    outlet.flush()
    assert os.read(pipe[0], 10) == b"d\n"


def test_a_terminal_that_hung_up_takes_no_line_any_more():
    terminal, own = pty.openpty()
    outlet = Outlet(own)
    outlet.write("one\n")
    outlet.flush()
    os.close(terminal)
    outlet.write("two\n")
    with pytest.raises(BrokenPipeError):
        outlet.flush()
    os.close(own)


def test_what_an_encoding_lacks_is_shown_in_ascii_and_the_encoding_may_change(pipe):
    outlet = Outlet(pipe[1], encoding="ascii")
    outlet.write("größe\n")
    outlet.reconfigure(encoding="utf-8", errors="backslashreplace")
    outlet.write("größe\n")
    outlet.flush()
    assert os.read(pipe[0], 100) == b"gr\\xf6\\xdfe\n" + "größe\n".encode()
