"""An app out of routes: guarded, with the shared assets under ``/assets/`` and errors as one line.

app = make_app(routes, Access(), assets=(Path(__file__).parent / "assets",))
serve(app, bind("127.0.0.1", None))
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from jobs.core.errors import UserError
from jobs.web.guard import Access, Guard
from jobs.web.paths import PathRefused, confined
from jobs.web.render import error_page

SHARED = Path(__file__).parent / "assets"
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": "application/json",
    ".png": "image/png",
}
"""Media types of assets: never guessed from the machine's own tables, which differ."""


def make_app(
    routes: Sequence[BaseRoute],
    access: Access,
    *,
    assets: Sequence[Path] = (),
    lifespan: Callable[[Starlette], AbstractAsyncContextManager[None]] | None = None,
) -> Starlette:
    """An app of ``routes`` behind the guard; ``assets`` are folders of its own beside the shared one.

    A ``UserError`` or ``ValueError`` of a handler becomes a 400 with its text, ``PathRefused`` a 404; anything else a
    500 that says nothing of the inside (its traceback goes to the log). Under ``/api/`` errors are JSON.
    """
    folders = (*assets, SHARED)

    async def asset(request: Request) -> Response:
        for folder in folders:
            try:
                file = confined(folder, request.path_params["name"])
            except PathRefused:
                continue
            if file.is_file() and file.suffix in TYPES:
                return FileResponse(file, media_type=TYPES[file.suffix])
        raise HTTPException(404, "no such asset")

    return Starlette(
        routes=[Route("/assets/{name:path}", asset), *routes],
        middleware=[Middleware(Guard, access=access)],
        exception_handlers={
            HTTPException: _http_error,
            UserError: _bad_request,
            ValueError: _bad_request,
            PathRefused: _not_found,
            FileNotFoundError: _not_found,
            Exception: _crash,
        },
        lifespan=lifespan or _nothing,
    )


async def read_json(request: Request) -> dict[str, Any]:
    """The JSON object in a request's body; HTTPException 415 or 400 when it is something else.

    Only ``application/json`` is read: a form of another site cannot send that without asking the browser first.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise HTTPException(415, f"send application/json, not {kind or 'nothing'}")
    try:
        body = json.loads(await request.body())
    except (ValueError, RecursionError):
        raise HTTPException(400, "the body is not JSON") from None
    if not isinstance(body, dict):
        raise HTTPException(400, "the body must be a JSON object")
    return body


def fail(request: Request, code: int, why: str, headers: dict[str, str] | None = None) -> Response:
    """An error as JSON under ``/api/``, else as a page."""
    if request.url.path.startswith("/api/"):
        return JSONResponse({"error": why}, code, headers)
    return error_page(code, why, headers)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return fail(request, error.status_code, error.detail, dict(error.headers or {}))


async def _bad_request(request: Request, error: Exception) -> Response:
    return fail(request, 400, " ".join(str(error).split()))


async def _not_found(request: Request, error: Exception) -> Response:
    return fail(request, 404, "not found")


async def _crash(request: Request, error: Exception) -> Response:
    return fail(request, 500, "a bug of ours; the terminal shows its traceback")


@asynccontextmanager
async def _nothing(app: Starlette) -> AsyncIterator[None]:
    yield
