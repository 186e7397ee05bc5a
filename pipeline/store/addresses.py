"""Which addresses a URL of a source may lead to: a list of links must not read what only this machine can reach.

A link to ``169.254.169.254`` gives a cloud machine's credentials, one to ``10.0.0.5`` an internal page, and its name
can look harmless: names are resolved here, every address is judged, and the connection goes to one that was judged, so
a name that resolves to another a moment later (DNS rebinding) gains nothing. Redirects come through here, too.

``FILMSTOCK_PRIVATE_HOSTS`` allows more: names, addresses and networks with commas between them, or ``all``; for example
``media.local,10.1.0.0/16``. Where a proxy is set (``HTTPS_PROXY``), it makes the connections, and only addresses that a
URL spells out, or that its name has here, can be judged.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
from collections.abc import Iterator

SETTING = "FILMSTOCK_PRIVATE_HOSTS"
"""Variable of the environment that names what is allowed besides public addresses."""
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class AddressRefused(OSError):
    """A URL leads to an address that is not public."""

    def __init__(self, host: str, address: str) -> None:
        super().__init__(
            errno.EACCES,
            f"{host} is at {address}, which is no public address; allow it by {SETTING}={host}",
        )


def is_public(address: str) -> bool:
    """Whether an address is one of the internet: not private, link-local, loopback, shared, multicast or reserved, and
    no IPv6 form of an IPv4 address that is."""
    try:
        found: _Address = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    return all(each.is_global and not each.is_multicast for each in _forms(found))


def _forms(address: _Address) -> Iterator[_Address]:
    """The address, and the IPv4 addresses that it stands for."""
    yield address
    if isinstance(address, ipaddress.IPv4Address):
        return
    if address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo
    if address in _NAT64:
        yield ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)


def allowed(host: str, address: str, setting: str | None = None) -> bool:
    """Whether a connection to ``address``, which ``host`` has, may be made."""
    if is_public(address):
        return True
    text = os.environ.get(SETTING, "") if setting is None else setting
    return any(_names(entry.strip(), host, address) for entry in text.split(",") if entry.strip())


def _names(entry: str, host: str, address: str) -> bool:
    if entry.lower() in ("all", host.lower().rstrip(".")):
        return True
    try:
        return ipaddress.ip_address(address.partition("%")[0]) in ipaddress.ip_network(entry, False)
    except ValueError:
        return False  # a name, of another host


def addresses(host: str, port: int) -> list[str]:
    """The addresses of a host, each once, in the order in which they should be tried; raises ``AddressRefused``.

    One that is not allowed refuses the host: a name with a public and a private address is a trap.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    numbers = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    for number in numbers:
        if not allowed(host, number):
            raise AddressRefused(host, number)
    return numbers
