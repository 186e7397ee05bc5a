"""Bytes by HTTP range (RFC 9110, section 14): what a browser needs to seek in a video."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from typing import NamedTuple

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

PIECE = 1 << 20
"""Bytes read at once."""
ONE_RANGE = re.compile(r"bytes=(\d{0,19})-(\d{0,19})")


class Span(NamedTuple):
    """Bytes from ``start`` to before ``end``."""

    start: int
    end: int


def parse_range(header: str | None, size: int) -> Span | None:
    """The one range of a ``Range`` header; None for the whole, also for several ranges, which may be answered so.

    Raises:
        ValueError: no byte of it is there (status 416).
    """
    found = ONE_RANGE.fullmatch((header or "").replace(" ", ""))
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:  # the last n bytes
        span = Span(max(0, size - int(found[2])), size)
    else:
        span = Span(int(found[1]), min(size, int(found[2]) + 1) if found[2] else size)
        if found[2] and int(found[2]) < int(found[1]):
            return None
    if span.start >= span.end:
        raise ValueError(f"{header} lies outside {size} bytes")
    return span


def range_response(
    request: Request,
    size: int,
    read: Callable[[int, int], bytes],
    *,
    media_type: str,
    tag: str,
    cache: str = "private, max-age=3600",
) -> Response:
    """``size`` bytes, or the range of them that the request asks for (206), in pieces, the first at once.

    ``read(offset, length)`` gives bytes from ``offset``; ``tag`` changes when the content does.
    """
    headers = {"Accept-Ranges": "bytes", "ETag": f'"{tag}"', "Cache-Control": cache}
    if request.headers.get("if-none-match") == f'"{tag}"':
        return Response(status_code=304, headers=headers)
    wanted = request.headers.get("range")
    if request.headers.get("if-range", f'"{tag}"') != f'"{tag}"':
        wanted = None
    try:
        span = parse_range(wanted, size)
    except ValueError:
        return Response(status_code=416, headers={**headers, "Content-Range": f"bytes */{size}"})
    whole = span is None
    start, end = span or Span(0, size)
    headers["Content-Length"] = str(end - start)
    if not whole:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    code = 200 if whole else 206
    if request.method == "HEAD":
        return Response(status_code=code, headers=headers, media_type=media_type)

    first = read(start, min(PIECE, end - start))  # what cannot be read fails before it is promised

    async def pieces() -> AsyncIterator[bytes]:
        yield first
        for at in range(start + PIECE, end, PIECE):
            yield await run_in_threadpool(read, at, min(PIECE, end - at))

    return StreamingResponse(pieces(), code, headers, media_type=media_type)
