"""Who may ask: Host, Origin, token, size of a body; and the headers that every answer carries."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from jobs.web.app import make_app, read_json
from jobs.web.guard import Access, host_name, is_loopback


async def echo(request: Request) -> Response:
    return JSONResponse(await read_json(request))


async def size(request: Request) -> Response:
    return JSONResponse({"bytes": len(await request.body())})


async def hello(request: Request) -> Response:
    return JSONResponse({"query": str(request.query_params)})


ROUTES = [
    Route("/", hello),
    Route("/api/echo", echo, methods=["POST"]),
    Route("/api/size", size, methods=["POST"]),
    Route("/api/upload/film", size, methods=["POST"]),
]


def client(access: Access, host: str = "127.0.0.1:8720") -> TestClient:
    return TestClient(
        make_app(ROUTES, access), base_url=f"http://{host}", raise_server_exceptions=False
    )


@pytest.fixture
def local() -> Iterator[TestClient]:
    with client(Access()) as found:
        yield found


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8720", "localhost", "LOCALHOST:1", "[::1]:8720", "localhost.:8720"]
)
def test_our_own_names_are_let_in(local: TestClient, host: str) -> None:
    assert local.get("/", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "", "192.168.0.7", "["],
)
def test_a_name_that_was_pointed_here_is_refused(local: TestClient, host: str) -> None:
    assert local.get("/", headers={"Host": host}).status_code == 421


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:9999", ""])
def test_a_post_of_another_site_is_refused(local: TestClient, origin: str) -> None:
    answer = local.post("/api/echo", json={}, headers={"Origin": origin})
    assert answer.status_code == 403 and "another site" in answer.json()["error"]


def test_a_post_of_our_own_page_and_of_a_script_are_let_in(local: TestClient) -> None:
    own = {"Origin": "http://127.0.0.1:8720", "Sec-Fetch-Site": "same-origin"}
    assert local.post("/api/echo", json={"a": 1}, headers=own).json() == {"a": 1}
    assert local.post("/api/echo", json={"a": 1}).json() == {"a": 1}


def test_another_site_may_link_here_but_not_load_from_here(local: TestClient) -> None:
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert local.get("/", headers=link).status_code == 200
    script = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
    assert local.get("/", headers=script).status_code == 403
    assert local.get("/", headers={**script, "Sec-Fetch-Site": "same-site"}).status_code == 403
    form = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert local.post("/api/echo", json={}, headers=form).status_code == 403


def test_only_json_is_read(local: TestClient) -> None:
    """A form or a plain-text post of another site needs no leave of the browser: neither is taken for JSON."""
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        answer = local.post("/api/echo", content=b'{"a": 1}', headers={"Content-Type": kind})
        assert answer.status_code == 415
    for body in (b"{", b"[1]", b"\xff", b"[" * 90_000):
        answer = local.post("/api/echo", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == 400


def test_every_answer_carries_the_policy(local: TestClient) -> None:
    for answer in (local.get("/"), local.get("/nothing"), local.get("/", headers={"Host": "evil"})):
        policy = answer.headers["content-security-policy"]
        assert "unsafe" not in policy and "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy and "http" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"


def test_a_body_is_bounded_with_and_without_a_length() -> None:
    with client(Access(max_body=1000, uploads={"/api/upload/": 5000})) as bounded:
        assert bounded.post("/api/size", content=b"x" * 1000).json() == {"bytes": 1000}
        assert bounded.post("/api/size", content=b"x" * 1001).status_code == 413
        pieces = (b"x" * 600 for _ in range(3))  # chunked: the length is not known beforehand
        assert bounded.post("/api/size", content=pieces).status_code == 413
        assert bounded.post("/api/upload/film", content=b"x" * 5000).json() == {"bytes": 5000}
        assert bounded.post("/api/upload/film", content=b"x" * 5001).status_code == 413


def test_pieces_of_a_body_are_counted_together() -> None:
    """A body of small pieces without a length would fill the memory; the client above sends its pieces as one."""
    app = make_app(ROUTES, Access(max_body=1000))
    scope = {
        "type": "http", "method": "POST", "path": "/api/size", "raw_path": b"/api/size", "query_string": b"",
        "headers": [(b"host", b"localhost")], "http_version": "1.1", "scheme": "http", "asgi": {"version": "3.0"},
    }  # fmt: skip

    def status_of(pieces: int) -> tuple[int, int]:
        asked: list[int] = []
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            asked.append(400)
            more = len(asked) < pieces
            return {"type": "http.request", "body": b"x" * 400, "more_body": more}

        async def send(message: Any) -> None:
            sent.append(message)

        asyncio.run(app(dict(scope), receive, send))
        return sent[0]["status"], len(asked)

    assert status_of(2) == (200, 2)
    assert status_of(50) == (413, 3), "and no more of it is read"


def test_elsewhere_a_token_is_needed() -> None:
    with pytest.raises(ValueError, match="token"):
        Access(host="0.0.0.0")
    with client(Access(host="0.0.0.0", token="sécret"), "192.168.0.7:8720") as far:
        assert far.get("/").status_code == 401
        assert far.get("/?token=wrong").status_code == 401
        assert far.post("/api/echo?token=s%C3%A9cret", json={}).status_code == 401
        assert far.get("/", headers={"Authorization": "Bearer wrong"}).status_code == 401


def test_a_token_comes_by_header_or_by_a_link_that_becomes_a_cookie() -> None:
    with client(Access(host="0.0.0.0", token="secret"), "192.168.0.7:8720") as far:
        assert far.get("/", headers={"Authorization": "Bearer secret"}).status_code == 200
        answer = far.get("/?clip=1&token=secret", follow_redirects=False)
        assert answer.status_code == 303 and answer.headers["location"] == "/?clip=1"
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie and "SameSite=strict" in cookie
        assert far.get("/").status_code == 200
        twice = far.get(
            "http://192.168.0.7:8720//evil.example/?token=secret", follow_redirects=False
        )
        assert twice.headers["location"] == "/evil.example/"


def test_elsewhere_addresses_are_known_and_names_are_not() -> None:
    access = Access(host="0.0.0.0", token="secret", names=frozenset({"films.example"}))
    assert access.knows("192.168.0.7:8720") and access.knows("films.example")
    assert not access.knows("evil.example")


def test_a_host_is_read_without_its_port() -> None:
    assert host_name("[::1]:80") == "::1" and host_name("a.B:80") == "a.b" and host_name("[") == ""
    assert is_loopback("127.3.2.1") and is_loopback("::1") and not is_loopback("0.0.0.0")
