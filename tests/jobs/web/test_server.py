"""Ports, the printed link, and the end by Ctrl-C, with a real server."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys

import httpx
import pytest

from jobs.core.errors import UserError
from jobs.web.guard import Access
from jobs.web.server import FIRST_PORT, WebArgs, access_of, bind, link

APP = """
import sys, anyio
from starlette.responses import StreamingResponse
from starlette.routing import Route
from jobs.web.app import make_app
from jobs.web.guard import Access
from jobs.web.server import bind, link, serve

async def slow(request):
    async def pieces():
        for _ in range(3000):
            yield b"x"
            await anyio.sleep(0.1)
    return StreamingResponse(pieces())

async def quick(request):
    return StreamingResponse(iter([b"ok"]))

listener = bind("127.0.0.1", 0)
print(link(listener, Access()), flush=True)
serve(make_app([Route("/slow", slow), Route("/", quick)], Access()), listener)
"""


def test_a_port_that_is_taken_is_a_clear_error() -> None:
    with bind("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(UserError, match=f"port {port} of 127.0.0.1 is taken; .*--port 0"):
            bind("127.0.0.1", port)


def test_without_a_port_the_next_free_one_is_taken() -> None:
    with bind("127.0.0.1", None) as first, bind("127.0.0.1", None) as second:
        ports = [first.getsockname()[1], second.getsockname()[1]]
    assert ports[0] >= FIRST_PORT and ports[1] > ports[0]


def test_an_address_of_another_machine_is_a_clear_error() -> None:
    with pytest.raises(UserError, match="cannot listen at 192.0.2.1"):
        bind("192.0.2.1", 0)


def test_a_token_is_drawn_elsewhere_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FILMSTOCK_TOKEN", raising=False)
    assert access_of(WebArgs()).token is None
    drawn = [access_of(WebArgs(host="0.0.0.0")).token for _ in range(2)]
    assert drawn[0] != drawn[1] and len(drawn[0] or "") >= 24
    monkeypatch.setenv("FILMSTOCK_TOKEN", "mine")
    access = access_of(WebArgs(allow_host=("Films.example",)), max_body=5)
    assert access == Access(token="mine", names=frozenset({"films.example"}), max_body=5)
    with pytest.raises(ValueError, match="port is 70000"):
        WebArgs(port=70_000)


def test_the_link_has_the_port_and_the_token() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert link(listener, Access()) == f"http://127.0.0.1:{port}/"
        assert link(listener, Access(token="t")) == f"http://127.0.0.1:{port}/?token=t"


def test_ctrl_c_ends_it_at_once_and_cleanly() -> None:
    server = subprocess.Popen(
        [sys.executable, "-c", APP], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    address = server.stdout.readline().strip()
    assert httpx.get(address, timeout=60).text == "ok"
    server.send_signal(signal.SIGINT)
    out, err = server.communicate(timeout=60)
    assert (server.returncode, out, err) == (0, "stopped\n", "")
    with pytest.raises(httpx.ConnectError):
        httpx.get(address, timeout=60)
