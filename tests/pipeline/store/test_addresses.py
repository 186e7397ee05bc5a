"""Addresses of the own network are refused, whatever name or form they come under; a setting allows some."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from pipeline.store import client as store_client
from pipeline.store.addresses import SETTING, AddressRefused, addresses, allowed, is_public
from pipeline.store.paths import ObjectPath
from pipeline.store.staging import fetch_error
from tests.helpers.loopback import Handler, Loopback


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
        "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1",
        "::ffff:10.0.0.1", "::ffff:169.254.169.254", "2002:7f00:1::", "64:ff9b::a9fe:a9fe", "nonsense", "",
    ],
)  # fmt: skip
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "64:ff9b::101:101"]
)
def test_addresses_that_are(address: str) -> None:
    assert is_public(address)


def test_the_setting_allows_names_addresses_and_networks() -> None:
    for setting in (
        "all",
        "media.local",
        "Media.Local., x",
        "10.0.0.0/8",
        "x, 10.0.0.5",
        "10.0.0.5/32",
    ):
        assert allowed("media.local", "10.0.0.5", setting.replace("Media.Local.", "media.local")), (
            setting
        )
    for setting in ("", "other.local", "10.0.0.6", "11.0.0.0/8", "local", ",", "10.0.0.0/99"):
        assert not allowed("media.local", "10.0.0.5", setting), setting
    assert allowed("x", "1.1.1.1", "")


def test_a_name_with_one_private_address_is_refused_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SETTING, raising=False)
    both = [(0, 0, 0, "", (number, 80)) for number in ("1.1.1.1", "10.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: both)
    with pytest.raises(AddressRefused, match="10.0.0.1"):
        addresses("trap.example", 80)


class Page(Handler):
    """Gives four bytes, or leads elsewhere."""

    asked: list[str] = []

    def do_GET(self) -> None:
        Page.asked.append(self.path)
        if self.path == "/away.mp4":
            self.send_response(302)
            self.send_header("Location", f"http://localhost:{self.server.server_port}/x.mp4")  # type: ignore[attr-defined]
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206)
        self.send_header("Content-Range", "bytes 0-3/4")
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"film")


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.delenv(SETTING, raising=False)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    store_client._open.cache_clear()
    Page.asked.clear()
    with Loopback(Page) as running:
        yield running.server.server_port
    store_client._open.cache_clear()


def test_a_link_into_the_own_network_is_refused_before_a_byte_is_sent(port: int) -> None:
    for host in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0x7f.1", "2130706433"):
        with pytest.raises(PermissionError, match=SETTING) as error:
            ObjectPath(f"http://{host}:{port}/x.mp4?secret").read_bytes()
        assert "secret" not in str(error.value)
        assert fetch_error(error.value)[0] == "denied"
    assert Page.asked == []


def test_the_setting_opens_it(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SETTING, "127.0.0.0/8")
    assert ObjectPath(f"http://127.0.0.1:{port}/x.mp4").read_range(0, 4) == b"film"


def test_a_redirect_is_judged_too(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SETTING, "films.example")
    real = socket.getaddrinfo

    def resolve(host: str, *rest: Any, **more: Any) -> Any:
        return real("127.0.0.1" if host == "films.example" else host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    assert ObjectPath(f"http://films.example:{port}/x.mp4").read_range(0, 4) == b"film"
    with pytest.raises(PermissionError, match="localhost is at"):
        ObjectPath(f"http://films.example:{port}/away.mp4").read_range(0, 4)
    assert Page.asked == ["/x.mp4", "/away.mp4"], "the place it leads to was not asked"


def test_a_name_that_changes_its_address_gains_nothing(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Public when it is judged, private a moment later: the connection goes to what was judged."""
    tried: list[str] = []
    answers = iter(["203.0.114.7", "127.0.0.1", "127.0.0.1"])
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda *_, **__: [(0, 0, 0, "", (next(answers), port))]
    )

    def connect(address: tuple[str, int], *_: Any, **__: Any) -> Any:
        tried.append(address[0])
        raise OSError("unreachable")

    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises((PermissionError, ConnectionError)):
        ObjectPath(f"http://rebind.example:{port}/x.mp4").read_bytes()
    assert set(tried) == {"203.0.114.7"} and Page.asked == []


def test_through_a_proxy_the_host_is_judged(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("no_proxy", "")
    with pytest.raises(PermissionError, match="169.254.169.254"):
        ObjectPath("http://169.254.169.254/latest/meta-data").read_bytes()
    assert Page.asked == []
    assert ObjectPath("http://1.1.1.1/x.mp4").read_range(0, 4) == b"film"
    assert Page.asked == ["http://1.1.1.1/x.mp4"], "the proxy makes the connection"
