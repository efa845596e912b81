"""Addresses to answer at: on this machine alone, unless another is given."""

from __future__ import annotations

import ipaddress
import re

from detector.errors import SettingsError

LOCAL = "127.0.0.1"


def parse_address(text: str) -> tuple[str, int]:
    """Return a numeric host, and the port, of an address such as "127.0.0.1:9275", "[::1]:9275" or "9275".

    A port alone is one of this machine. Other addresses have to be given, "0.0.0.0:9275" for all; names are not looked
    up, since what they stand for may change.

    Raises
    ------
    SettingsError
        If it is no such address.
    """
    host, _, port = text.rpartition(":") if ":" in text else (LOCAL, "", text)
    host = LOCAL if host == "localhost" else host.removeprefix("[").removesuffix("]")
    try:
        ipaddress.ip_address(host)
    except ValueError:
        host = ""
    if not host or not re.fullmatch("[0-9]{1,5}", port) or int(port) > 65535:
        raise SettingsError(f"expected an address such as 127.0.0.1:9275, [::1]:9275 or 9275, found '{text}'")
    return host, int(port)
