"""The transport of ``web``'s client: it connects to addresses that ``addresses`` has judged, and to no other.

Of its own because it imports httpx and httpcore, which only those who read URLs need.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from contextlib import suppress
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpcore
import httpx

from pipeline.store.addresses import AddressRefused, addresses, allowed


def guarded_transport(root: str) -> httpx.BaseTransport:
    """What carries the requests of the client of a server, and those of the places that it redirects to."""
    if is_proxied(root):
        return ProxyTransport()
    transport = httpx.HTTPTransport()
    # httpx has no public place for a network backend; its transport is a thin layer over this pool
    transport._pool._network_backend = JudgingBackend()
    return transport


def is_proxied(root: str) -> bool:
    """Whether the environment names a proxy for the server of a URL."""
    parts = urlsplit(root)
    proxies = getproxies()
    named = proxies.get(parts.scheme) or proxies.get("all")
    return bool(named) and not proxy_bypass(parts.hostname or "")


class JudgingBackend(httpcore.SyncBackend):
    """Resolves a name, judges its addresses, connects to one of them, and looks again at whom it is connected to."""

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """A connection to the first address that takes one; raises ``AddressRefused`` before any is made."""
        try:
            numbers = addresses(host, port)
        except OSError as error:
            if isinstance(error, AddressRefused):
                raise
            raise httpcore.ConnectError(str(error)) from error
        failure: Exception = httpcore.ConnectError(f"{host} has no address")
        for number in numbers:
            try:
                stream = super().connect_tcp(number, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
                continue
            peer = str(stream.get_extra_info("server_addr")[0])
            if not allowed(host, peer):
                stream.close()
                raise AddressRefused(host, peer)
            return stream
        raise failure


class ProxyTransport(httpx.BaseTransport):
    """Judges the host of every request before the proxy of the environment is asked for it."""

    def __init__(self) -> None:
        self._client = httpx.Client(follow_redirects=False, timeout=None)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """The proxy's answer; raises ``AddressRefused``."""
        with suppress(socket.gaierror):  # a name that only the proxy knows
            addresses(request.url.host, request.url.port or 443)
        return self._client.send(request, stream=True)

    def close(self) -> None:
        """Close the connections to the proxy."""
        self._client.close()
