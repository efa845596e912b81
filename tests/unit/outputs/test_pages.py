"""Who asks over HTTP gets an answer, and who does anything else keeps nobody else from it."""

import contextlib
import http.client
import socket
import threading
from http import HTTPStatus
from pathlib import Path

import pytest
from commands import wait_until

from detector.errors import DetectorError, SettingsError
from detector.outputs.pages import MOST_CONNECTIONS, MOST_HEAD_BYTES, Page, PageServer

WITHIN_S = 60.0
LOCAL = "127.0.0.1"


def fail(_accept):
    raise ValueError("no page")


PAGES = {
    "/plain": lambda accept: Page(f"accepts {accept}".encode(), "text/plain"),
    "/ill": lambda _accept: Page(b"ill\n", "text/plain", HTTPStatus.SERVICE_UNAVAILABLE),
    "/long": lambda _accept: Page(bytes(10_000_000), "application/octet-stream"),
    "/broken": fail,
}


@pytest.fixture
def server():
    with PageServer(LOCAL, 0, PAGES) as server:
        yield server


def ask(server, path, method="GET", **headers):
    connection = http.client.HTTPConnection(LOCAL, server.port, timeout=WITHIN_S)
    with contextlib.closing(connection):
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read(), dict(answer.getheaders())


def connect(server):
    return socket.create_connection((LOCAL, server.port), WITHIN_S)


def send(server, request):
    with connect(server) as client:
        client.sendall(request)
        return b"".join(iter(lambda: client.recv(65536), b""))


def test_a_page_is_written_for_who_asks(server):
    status, body, headers = ask(server, "/plain?debug=1", Accept="text/plain")
    assert (status, body) == (200, b"accepts text/plain")
    assert headers["Content-Type"] == "text/plain"
    assert headers["Content-Length"] == "18"
    assert headers["Connection"] == "close"
    assert ask(server, "/ill")[:2] == (503, b"ill\n")


def test_head_has_the_head_of_the_page_and_no_body(server):
    status, body, headers = ask(server, "/plain", "HEAD", Accept="text/plain")
    assert (status, body, headers["Content-Length"]) == (200, b"", "18")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "get"])
def test_nothing_but_get_and_head_is_done(server, method):
    status, _, headers = ask(server, "/plain", method)
    assert (status, headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("path", ["/", "/plain/", "/../plain", "/%70lain", "//plain"])
def test_only_the_paths_that_there_are_answer(server, path):
    status, body, _ = ask(server, path)
    assert (status, body) == (404, b"404 Not Found\n")


@pytest.mark.parametrize(
    "request_line",
    [
        b"",
        b"GET",
        b"GET /plain",
        b"GET plain HTTP/1.1",
        b"GET http://a/plain HTTP/1.1",
        b"\xff\xfe\x00",
        b"GET /plain HTTP/2.0",
    ],
)
def test_what_is_no_request_is_refused(server, request_line):
    assert send(server, request_line + b"\r\n\r\n").startswith(b"HTTP/1.1 400 Bad Request\r\n")


def test_a_request_without_headers_is_answered(server):
    assert send(server, b"GET /plain HTTP/1.0\r\n\r\n").endswith(b"\r\n\r\naccepts ")


def test_headers_without_end_are_refused(server):
    answer = send(server, b"GET /plain HTTP/1.1\r\nA: " + bytes(2 * MOST_HEAD_BYTES))
    assert answer.startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1", "127.9.9.9:80", "[::1]", "[::1]:9275"])
def test_a_client_on_this_machine_names_it_as_it_likes(server, host):
    assert ask(server, "/plain", Host=host)[0] == 200


@pytest.mark.parametrize(
    "host", ["rebound.example", "rebound.example:9275", "192.168.1.5", "127.0.0.1.example", "[::1].example"]
)
def test_a_name_of_the_web_that_was_given_the_address_of_this_machine_is_refused(server, host):
    status, body, _ = ask(server, "/plain", Host=host)
    assert status == 421
    assert host.encode() not in body


def test_at_an_address_of_the_network_any_name_will_do():
    with PageServer("0.0.0.0", 0, PAGES) as server:
        assert ask(server, "/plain", Host="kitchen.local:9275")[0] == 200


def test_a_page_that_fails_is_logged_and_the_next_is_answered(server, caplog):
    assert ask(server, "/broken")[:2] == (500, b"500 Internal Server Error\n")
    assert [record.message for record in caplog.records] == ["a page could not be written: /broken"]
    assert ask(server, "/plain")[0] == 200


def test_clients_that_hold_their_connections_open_keep_nobody_from_asking(server):
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(connect(server)) for _ in range(3 * MOST_CONNECTIONS)]
        for client in held:
            with contextlib.suppress(OSError):  # of those that had to go
                client.sendall(b"GET /plain HTTP/1.1\r\nX:")
        for _ in range(MOST_CONNECTIONS):
            assert ask(server, "/plain")[0] == 200


def test_a_request_that_takes_too_long_is_let_go():
    with PageServer(LOCAL, 0, PAGES, request_s=0.05) as server, connect(server) as client:
        client.sendall(b"GET /pl")
        with contextlib.suppress(ConnectionResetError):
            assert client.recv(100) == b""


def test_a_client_that_does_not_read_is_let_go():
    with PageServer(LOCAL, 0, PAGES, request_s=0.05) as server, connect(server) as client:
        client.sendall(b"GET /long HTTP/1.1\r\n\r\n")
        assert ask(server, "/plain")[0] == 200
        wait_until(lambda: not server._connections)
        n_read = 0
        with contextlib.suppress(ConnectionResetError):
            while piece := client.recv(1 << 20):
                n_read += len(piece)
        assert n_read < 10_000_000


def test_a_connection_that_is_reset_changes_nothing(server):
    for _ in range(50):
        client = connect(server)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        client.sendall(b"GET /plain HTTP/1.1\r\n\r\n")
        client.close()
    assert ask(server, "/plain")[0] == 200


def test_the_end_closes_what_is_open_and_frees_the_port():
    with PageServer(LOCAL, 0, PAGES) as server:
        client = connect(server)
        client.sendall(b"GET /plain")
        assert ask(server, "/plain")[0] == 200
    with client, contextlib.suppress(ConnectionResetError):
        assert client.recv(100) == b""
    with PageServer(LOCAL, server.port, PAGES) as again:
        assert ask(again, "/plain")[0] == 200


def test_beginning_and_ending_leaves_no_thread_and_no_file_behind():
    before = (threading.active_count(), len(list(Path("/proc/self/fd").iterdir())))
    for _ in range(50):
        with PageServer(LOCAL, 0, PAGES) as server:
            pass
        wait_until(lambda server=server: not server._thread.is_alive())
    assert (threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))) == before


def test_an_address_of_the_newer_protocol_answers():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("needs IPv6 on the loopback interface")
    with PageServer("::1", 0, PAGES) as server:
        connection = http.client.HTTPConnection("::1", server.port, timeout=WITHIN_S)
        with contextlib.closing(connection):
            connection.request("GET", "/plain")
            assert connection.getresponse().status == 200


def test_a_port_that_is_taken_is_a_setting_to_change(server):
    with pytest.raises(SettingsError, match=rf"expected 127\.0\.0\.1:{server.port} to be free, found another program"):
        PageServer(LOCAL, server.port, PAGES).__enter__()


def test_an_address_that_this_machine_does_not_have_may_come():
    with pytest.raises(DetectorError, match=r"expected an address of this machine, found 192\.0\.2\.1") as raised:
        PageServer("192.0.2.1", 9275, PAGES).__enter__()
    assert raised.value.exit_code == 70
