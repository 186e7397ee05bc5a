"""Bytes by range, as browsers ask for them when one seeks in a video."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient

from jobs.web.app import make_app
from jobs.web.guard import Access
from jobs.web.ranges import parse_range, range_response

DATA = bytes(range(256)) * 20_000  # several pieces


async def film(request: Request) -> Response:
    return range_response(
        request, len(DATA), lambda at, n: DATA[at : at + n], media_type="video/mp4", tag="t1"
    )


@pytest.fixture(scope="module")
def asking() -> TestClient:
    app = make_app([Route("/film", film, methods=["GET", "HEAD"])], Access())
    return TestClient(app, base_url="http://localhost")


@pytest.mark.parametrize(
    ("header", "start", "end"),
    [
        ("bytes=0-", 0, len(DATA)),
        ("bytes=0-0", 0, 1),
        ("bytes=1000-1999", 1000, 2000),
        ("bytes=3000000-", 3_000_000, len(DATA)),
        ("bytes=-500", len(DATA) - 500, len(DATA)),
        ("bytes=5-99999999999", 5, len(DATA)),
    ],
)
def test_a_range_is_answered_with_206(
    asking: TestClient, header: str, start: int, end: int
) -> None:
    answer = asking.get("/film", headers={"Range": header})
    assert answer.status_code == 206 and answer.content == DATA[start:end]
    assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/{len(DATA)}"
    assert answer.headers["content-length"] == str(end - start)


@pytest.mark.parametrize("header", ["bytes=9-3", "bytes=-", "bytes=0-1,5-6", "lines=1-2", "x"])
def test_what_is_no_single_range_gives_the_whole(asking: TestClient, header: str) -> None:
    answer = asking.get("/film", headers={"Range": header})
    assert answer.status_code == 200 and answer.content == DATA


@pytest.mark.parametrize("header", [f"bytes={len(DATA)}-", "bytes=-0"])
def test_a_range_outside_is_416(asking: TestClient, header: str) -> None:
    answer = asking.get("/film", headers={"Range": header})
    assert answer.status_code == 416 and answer.headers["content-range"] == f"bytes */{len(DATA)}"


@given(size=st.integers(0, 12), first=st.integers(0, 14) | st.none(), last=st.integers(0, 14) | st.none())  # fmt: skip
def test_any_range_is_that_of_counting(size: int, first: int | None, last: int | None) -> None:
    """RFC 9110: both ends belong to it; without a first it is so many at the end; what lies beyond is left out."""
    header = f"bytes={'' if first is None else first}-{'' if last is None else last}"
    backwards = first is not None and last is not None and last < first
    if (first is None and last is None) or backwards:
        assert parse_range(header, size) is None, "it means nothing, so the whole is given"
        return
    if first is None:
        wanted = list(range(size))[-last:] if last else []
    else:
        wanted = [at for at in range(size) if first <= at and (last is None or at <= last)]
    if wanted:
        assert list(range(*parse_range(header, size) or ())) == wanted
    else:
        with pytest.raises(ValueError, match="lies outside"):
            parse_range(header, size)


def test_head_and_known_tags_send_no_bytes(asking: TestClient) -> None:
    head = asking.head("/film")
    assert head.headers["content-length"] == str(len(DATA)) and head.content == b""
    assert asking.get("/film", headers={"If-None-Match": '"t1"'}).status_code == 304
    old = asking.get("/film", headers={"Range": "bytes=0-1", "If-Range": '"old"'})
    assert old.status_code == 200


def test_a_range_of_nothing_is_outside() -> None:
    with pytest.raises(ValueError, match="outside"):
        parse_range("bytes=0-", 0)


def test_what_cannot_be_read_is_no_answer_of_so_many_bytes() -> None:
    """A clip that is gone was promised with its length, and the connection broke."""

    def gone(at: int, count: int) -> bytes:
        raise FileNotFoundError("no such shard")

    request = Request({"type": "http", "method": "GET", "headers": []})
    with pytest.raises(FileNotFoundError):
        range_response(request, 10, gone, media_type="video/mp4", tag="t1")
