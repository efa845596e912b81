"""Where clients are served."""

import socket
from pathlib import Path

import pytest

from detector.errors import DetectorError, SettingsError
from detector.server.address import Stdio, Tcp, Unix, open_path, open_port, parse_uri


@pytest.mark.parametrize(
    ("uri", "address"),
    [
        ("tcp://127.0.0.1:10400", Tcp("127.0.0.1", 10400)),
        ("tcp://[::1]:10400", Tcp("::1", 10400)),
        ("tcp://localhost:0", Tcp("localhost", 0)),
        ("unix:///run/ears", Unix(Path("/run/ears"))),
        ("unix://ears", Unix(Path("ears"))),
        ("stdio://", Stdio()),
    ],
)
def test_a_uri_names_an_address_which_names_itself_so(uri, address):
    assert parse_uri(uri) == address
    assert str(address) == uri


@pytest.mark.parametrize(
    "uri",
    ["127.0.0.1:10400", "tcp://127.0.0.1", "tcp://:10400", "tcp://127.0.0.1:70000", "tcp://127.0.0.1:1/ears", "tcp://[::1",
     "unix:", "udp://127.0.0.1:1", "stdio://there", "tcp://me@127.0.0.1:1", ""],
)  # fmt: skip
def test_what_names_no_address_is_refused(uri):
    with pytest.raises(SettingsError, match="expected a URI to serve clients at, tcp://ADDRESS:PORT"):
        parse_uri(uri)


@pytest.mark.parametrize(
    ("host", "is_local"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("10.0.0.1", False), ("pi", False)],
)
def test_an_address_is_local_where_no_other_machine_can_reach_it(host, is_local):
    assert Tcp(host, 1).is_local == is_local


def test_a_port_that_another_program_has_is_refused():
    with open_port(Tcp("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match=rf"expected tcp://127.0.0.1:{port} to be free, found another program"):
            open_port(Tcp("127.0.0.1", port))


def test_an_address_of_another_machine_may_become_ours_so_that_a_service_tries_again():
    with pytest.raises(DetectorError, match=r"expected an address of this machine, found '192.0.2.1'") as refused:
        open_port(Tcp("192.0.2.1", 0))
    assert refused.value.exit_code == 70


def test_a_port_is_open_to_clients():
    with open_port(Tcp("127.0.0.1", 0)) as listening, socket.create_connection(listening.getsockname()) as client:
        assert client.getpeername() == listening.getsockname()


def test_a_socket_that_was_left_behind_is_replaced_and_one_in_use_is_not(tmp_path):
    address = Unix(tmp_path / "ears")
    open_path(address).close()
    with open_path(address), pytest.raises(SettingsError, match="found another program or file there"):
        open_path(address)


def test_a_file_in_the_place_of_a_socket_is_left_alone(tmp_path):
    (tmp_path / "ears").write_text("mine")
    with pytest.raises(SettingsError, match="found another program or file there"):
        open_path(Unix(tmp_path / "ears"))
    assert (tmp_path / "ears").read_text() == "mine"


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(SettingsError, match=r"expected to listen at unix:///.*, found: No such file"):
        open_path(Unix(tmp_path / "missing" / "ears"))
