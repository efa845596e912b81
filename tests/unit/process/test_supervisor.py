"""What a supervisor's socket receives."""

import os
import socket
import time

import pytest

from detector.process.supervisor import open_service


@pytest.fixture(params=["path", "abstract"])
def supervisor(request, tmp_path):
    """A bound socket, and the environment that names it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        if request.param == "path":
            address = str(tmp_path / "notify")
            receiver.bind(address)
        else:
            receiver.bind(f"\0keyword-detector-{os.getpid()}")
            address = f"@keyword-detector-{os.getpid()}"
        receiver.setblocking(False)
        yield receiver, {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "3000000"}


def received(receiver):
    messages = []
    while True:
        try:
            messages.append(receiver.recv(4096).decode())
        except BlockingIOError:
            return messages


def test_states_are_sent_as_the_protocol_says(supervisor):
    receiver, environment = supervisor
    notifier, _ = open_service(environment)
    notifier.ready()
    notifier.status("two\nlines")
    before_us = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    notifier.reloading()
    notifier.stopping()
    ready, status, reloading, stopping = received(receiver)
    assert (ready, status, stopping) == ("READY=1", "STATUS=two lines", "STOPPING=1")
    first, second = reloading.splitlines()
    assert first == "RELOADING=1"
    assert before_us <= int(second.removeprefix("MONOTONIC_USEC=")) <= before_us + 5_000_000


def test_the_watchdog_is_fed_by_progress_of_both_alone(supervisor):
    receiver, environment = supervisor
    _, watchdog = open_service(environment)
    moments = [  # captured, scored, seconds; pinged?
        (0, 0, 0.0, False),
        (16000, 10, 1.0, True),
        (24000, 20, 1.5, False),  # a third of the timeout has not passed
        (40000, 30, 2.1, True),
        (56000, 30, 3.2, False),  # nothing was scored
        (72000, 30, 4.2, False),
        (72001, 31, 4.3, True),
        (72001, 50, 6.0, False),  # nothing was captured
        (90000, 51, 7.0, True),
    ]
    for n_captured, n_scored, now_s, is_pinged in moments:
        watchdog.progress(n_captured, n_scored, now_s)
        assert received(receiver) == (["WATCHDOG=1"] if is_pinged else []), now_s


def test_what_a_supervisor_that_is_behind_did_not_take_is_said_again(supervisor):
    receiver, environment = supervisor
    notifier, watchdog = open_service(environment)
    while notifier.send(STATUS="fills its queue"):
        pass
    assert not notifier.ready()
    watchdog.progress(16000, 10, 1.0)
    assert "WATCHDOG=1" not in received(receiver)
    assert notifier.ready()
    watchdog.progress(17000, 11, 1.1)
    assert received(receiver) == ["READY=1", "WATCHDOG=1"]


@pytest.mark.parametrize(
    "environment",
    [{}, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "soon"}, {"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"}],
)
def test_no_watchdog_is_fed_where_none_watches_this_process(supervisor, environment):
    receiver, named = supervisor
    _, watchdog = open_service({"NOTIFY_SOCKET": named["NOTIFY_SOCKET"]} | environment)
    watchdog.progress(16000, 10, 1.0)
    assert received(receiver) == []


def test_without_a_supervisor_or_after_its_end_nothing_happens(tmp_path):
    notifier, watchdog = open_service({})
    assert not notifier.send(READY=1)
    watchdog.progress(1, 1, 0.0)
    gone, _ = open_service({"NOTIFY_SOCKET": str(tmp_path / "gone")})
    assert not gone.send(READY=1)


def test_a_name_from_outside_adds_no_field_to_a_notification(supervisor):
    receiver, environment = supervisor
    notifier, _ = open_service(environment)
    notifier.status("listening: Mic\nWATCHDOG=trigger\x1b[0m caf\udce9")
    assert received(receiver) == [r"STATUS=listening: Mic WATCHDOG=trigger\x1b[0m caf\xe9"]


def test_a_start_that_is_deaf_for_as_long_as_the_watchdog_permits_is_ended(supervisor):
    receiver, environment = supervisor
    _, watchdog = open_service(environment)
    moments = [(True, 0.0), (True, 2.9), (False, 3.0), (True, 3.1), (True, 6.0), (True, 6.2), (True, 7.0), (True, 9.3)]
    sent = []
    for is_deaf, now_s in moments:
        watchdog.check_start(is_deaf=is_deaf, now_s=now_s)
        sent += [(now_s, message) for message in received(receiver)]
    assert sent == [(6.2, "WATCHDOG=trigger"), (9.3, "WATCHDOG=trigger")]


def test_without_a_watchdog_nobody_is_asked_to_end_a_deaf_start(supervisor):
    receiver, environment = supervisor
    _, watchdog = open_service(environment | {"WATCHDOG_USEC": "0"})
    for now_s in (0.0, 1e6):
        watchdog.check_start(is_deaf=True, now_s=now_s)
    assert received(receiver) == []
