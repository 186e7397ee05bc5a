"""The server of an app: the port it gets, the link it prints, and its end by Ctrl-C."""

from __future__ import annotations

import errno
import os
import secrets
import socket
from dataclasses import dataclass
from typing import Annotated, Any

import tyro
from starlette.types import ASGIApp

from jobs.core.console import say
from jobs.core.errors import UserError
from jobs.web.guard import Access, is_loopback

FIRST_PORT = 8720
"""Port that is tried first when none is given, then the next ones."""
PORTS = 20
GRACE_S = 5
"""Seconds that requests under way get to end after Ctrl-C."""
TOKEN = "FILMSTOCK_TOKEN"
"""Environment variable with the token; without it one is drawn for each start."""


@dataclass(frozen=True, kw_only=True)
class WebArgs:
    """Options of every command that serves pages."""

    host: str = "127.0.0.1"
    """Address to listen at. Any other than loopback needs a token: FILMSTOCK_TOKEN, or one is drawn and printed."""
    port: int | None = None
    """Port to listen at; 0 is any free one. Default: the first free one from 8720 on."""
    allow_host: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """Further names that browsers may use for this server, e.g. of a proxy in front; may be repeated."""

    def __post_init__(self) -> None:
        if self.port is not None and not 0 <= self.port <= 65535:
            raise ValueError(f"port is {self.port}; it must be from 0 to 65535")


def access_of(args: WebArgs, **more: Any) -> Access:
    """Who may use the app that ``args`` starts; ``more`` are further fields of ``Access``."""
    token = os.environ.get(TOKEN) or None
    if token is None and not is_loopback(args.host):
        token = secrets.token_urlsafe(18)
    names = frozenset(name.lower() for name in args.allow_host)
    return Access(host=args.host, token=token, names=names, **more)


def bind(host: str, port: int | None) -> socket.socket:
    """A socket that listens at ``host``; UserError when the port is taken or the address is not this machine's."""
    tried = range(FIRST_PORT, FIRST_PORT + PORTS) if port is None else (port,)
    for number in tried:
        try:
            return _listen(host, number)
        except OSError as error:
            if error.errno == errno.EADDRINUSE and port is None:
                continue
            raise UserError(_why(host, number, error)) from None
    raise UserError(
        f"ports {tried[0]} to {tried[-1]} of {host} are taken; give one with --port, or --port 0 for any free one"
    )


def link(listener: socket.socket, access: Access) -> str:
    """The address to open in a browser, with the token when one is needed."""
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    if host in ("0.0.0.0", "::"):
        shown = socket.gethostname() if socket.gethostname() in access.names else "127.0.0.1"
    return f"http://{shown}:{port}/" + (f"?token={access.token}" if access.token else "")


def serve(app: ASGIApp, listener: socket.socket) -> None:
    """Answer requests until Ctrl-C or SIGTERM; what is under way gets ``GRACE_S`` seconds to end."""
    import uvicorn

    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        lifespan="on",
        timeout_graceful_shutdown=GRACE_S,
        limit_concurrency=512,
        backlog=512,
        proxy_headers=False,
        ws="none",
    )
    try:
        uvicorn.Server(config).run(sockets=[listener])
    except KeyboardInterrupt:  # uvicorn has shut down already, and passes the signal on
        say("stopped")
    finally:
        listener.close()


def _listen(host: str, port: int) -> socket.socket:
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # not while somebody listens
        listener.bind(address)
        listener.listen(512)
    except OSError:
        listener.close()
        raise
    return listener


def _why(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} of {host} is taken; give another with --port, or --port 0 for any free one"
    if error.errno == errno.EACCES:
        return f"port {port} of {host} is not allowed to this user; give one above 1023 with --port"
    return f"cannot listen at {host}, port {port}: {error.strerror}; --host takes an address of this machine"
