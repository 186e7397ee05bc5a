"""An S3 server on loopback: moto's application, called in this process, in a server that fails on demand and counts."""

from __future__ import annotations

import io
import socket
import struct
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import pytest

from tests.helpers import loopback

SLOW_DOWN = (
    b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>SlowDown</Code>'
    b"<Message>Please reduce your request rate.</Message></Error>"
)
DENIED = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"


@dataclass(kw_only=True)
class Fault:
    """What happens to the next ``times`` requests that match."""

    kind: str
    """503 (SlowDown), 403, reset (connection reset in mid-body), drop (after the request), slow (a dribble)."""
    times: int = 1_000_000
    """Requests it happens to before it is over."""
    method: str = ""
    """Only requests of this method."""
    path: str = ""
    """Only requests whose path contains this."""
    skip: int = 0
    """Matching requests that pass before it begins."""


@dataclass(kw_only=True)
class Seen:
    """One request that came."""

    method: str
    path: str
    range: str
    sent: int
    """Bytes of the answer's body."""
    received: int
    """Bytes of the request's body."""


@dataclass(kw_only=True)
class ObjectServer:
    """Its address, its faults, and what it saw."""

    url: str
    faults: list[Fault] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    backend: Any = None

    def environment(self) -> dict[str, str]:
        """Variables under which any S3 client finds this server."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "hush-hush-secret",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "FILMSTOCK_PRIVATE_HOSTS": "127.0.0.1",
        }

    def fault(self, method: str, path: str) -> str:
        """The fault this request meets, empty for none."""
        with self.lock:
            for fault in self.faults:
                if fault.times > 0 and fault.method in ("", method) and fault.path in path:
                    if fault.skip > 0:
                        fault.skip -= 1
                        continue
                    fault.times -= 1
                    return fault.kind
        return ""

    def keys(self, bucket: str, prefix: str = "") -> dict[str, bytes]:
        """Every object of a bucket, as the backend holds it."""
        found = self.backend.buckets[bucket].keys
        return {name: found[name].value for name in sorted(found) if name.startswith(prefix)}


@contextmanager
def object_server(*buckets: str) -> Iterator[ObjectServer]:
    """Start it on a free port of loopback, with empty ``buckets``."""
    from moto.core import DEFAULT_ACCOUNT_ID
    from moto.moto_server.werkzeug_app import create_backend_app
    from moto.s3.models import s3_backends

    started = loopback.Loopback(_Handler)
    server = ObjectServer(url=started.url)
    server.backend = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
    app = create_backend_app("s3")
    for bucket in buckets:
        _call(app, "PUT", f"/{bucket}", {"Host": "127.0.0.1"}, b"")
    started.server.store, started.server.app = server, app  # type: ignore[attr-defined]
    with started:
        yield server


def server_with(*buckets: str) -> Any:
    """A fixture for a file of tests: one server for all of them, with ``buckets``."""

    @pytest.fixture(scope="module")
    def server() -> Iterator[ObjectServer]:
        with object_server(*buckets) as started:
            yield started

    return server


@contextmanager
def no_faults(server: ObjectServer, patch: pytest.MonkeyPatch) -> Iterator[None]:
    """Point this process at the server, few and quick retries; what goes wrong ends with the block."""
    from pipeline.store import client as store_client

    for name, value in server.environment().items():
        patch.setenv(name, value)
    patch.setenv("AWS_MAX_ATTEMPTS", "6")
    patch.setattr(store_client, "LONGEST_PAUSE_S", 0.1)
    patch.delenv("AWS_PROFILE", raising=False)
    store_client._open.cache_clear()
    server.faults.clear()
    server.seen.clear()
    yield
    server.faults.clear()
    store_client._open.cache_clear()


def _call(
    app: Any, method: str, path: str, headers: Mapping[str, str], body: bytes
) -> tuple[int, list[tuple[str, str]], bytes]:
    """Status, headers and body of the answer of a WSGI application: a server for it would double the time."""
    route, _, query = path.partition("?")
    said: list[Any] = []
    environ = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote(route, "latin-1"),
        "QUERY_STRING": query,
        "REQUEST_URI": path,
        "RAW_URI": path,
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()},
    }
    for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if (value := environ.pop(f"HTTP_{name}", None)) is not None:
            environ[name] = value
    parts = app(environ, lambda status, head, _=None: said.extend((status, head)))
    try:
        answer = b"".join(parts)
    finally:
        parts.close()
    return int(said[0].split()[0]), said[1], answer


class _Handler(loopback.Handler):
    server: Any

    def _serve(self) -> None:
        store: ObjectServer = self.server.store
        body = self._body()
        kind = store.fault(self.command, self.path)
        if kind in ("503", "403"):
            text = SLOW_DOWN if kind == "503" else DENIED
            answer = (int(kind), [("Content-Type", "application/xml")], text)
        elif kind == "drop":
            self._reset()
            answer = (0, [], b"")
        else:
            answer = _call(self.server.app, self.command, self.path, self.headers, body)
        with store.lock:
            store.seen.append(
                Seen(
                    method=self.command,
                    path=self.path,
                    range=self.headers.get("Range", ""),
                    sent=len(answer[2]),
                    received=len(body),
                )
            )
        if answer[0]:
            self._answer(kind, *answer)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _serve  # noqa: N815

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            del self.headers["Transfer-Encoding"]
            body = b"".join(parts)
            self.headers["Content-Length"] = str(len(body))
            return body
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _answer(self, kind: str, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response_only(status)
        size = str(len(body))
        for name, value in headers:
            if name.lower() not in ("content-length", "connection", "transfer-encoding"):
                self.send_header(name, value)
            elif name.lower() == "content-length" and self.command == "HEAD":
                size = value
        self.send_header("Content-Length", size)
        self.end_headers()
        if self.command == "HEAD":
            return
        if kind == "reset":
            self.wfile.write(body[: len(body) // 2])
            self._reset()
        elif kind == "slow":
            for start in range(0, len(body), max(1, len(body) // 20)):
                self.wfile.write(body[start : start + max(1, len(body) // 20)])
                self.wfile.flush()
                time.sleep(0.05)
        elif kind == "stall":
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            time.sleep(30)
            self._reset()
        else:
            self.wfile.write(body)

    def _reset(self) -> None:
        """Close with a TCP reset instead of an orderly end."""
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True
