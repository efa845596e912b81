"""An address is of this machine unless another is given in numbers."""

import pytest

from detector.errors import SettingsError
from detector.outputs.addresses import parse_address
from detector.text import format_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:9275", ("127.0.0.1", 9275)),
        ("9275", ("127.0.0.1", 9275)),
        ("localhost:9275", ("127.0.0.1", 9275)),
        ("0.0.0.0:0", ("0.0.0.0", 0)),
        ("[::1]:65535", ("::1", 65535)),
    ],
)
def test_an_address_is_read(text, address):
    assert parse_address(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":9275",
        "*:9275",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:65536",
        "127.0.0.1:-1",
        "127.0.0.1:x",
        "127.0.0.1:" + "1" * 5000,
        "127.1:9275",
        "kitchen.local:9275",
        "127.0.0.1:\u0661",
        "http://127.0.0.1:9275",
        "127.0.0.1:9275/metrics",
        "[]:1",
    ],
)
def test_what_is_no_address_is_refused(text):
    with pytest.raises(SettingsError, match="expected an address such as") as raised:
        parse_address(text)
    assert str(raised.value).endswith(f"found '{text}'")


def test_an_address_is_written_as_in_a_url():
    assert format_address("127.0.0.1", 80) == "127.0.0.1:80"
    assert format_address("::1", 80) == "[::1]:80"
