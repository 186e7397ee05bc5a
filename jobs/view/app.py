"""The routes of ``filmstock view``: a page, clips by byte range, and JSON for the page's modules."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from anyio import CapacityLimiter, to_thread
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from jobs.core.errors import UserError
from jobs.report.status import status_body
from jobs.report.status_page import ASSETS as STATUS_ASSETS
from jobs.report.status_page import status_routes
from jobs.view.clip import cells, detail, timeline
from jobs.view.edits_api import edit_routes
from jobs.view.steer import steer_routes
from jobs.view.stills import fitted
from jobs.view.viewer import ASSETS, PAGES, Viewer
from jobs.web.app import make_app, read_json
from jobs.web.guard import Access
from jobs.web.ranges import range_response
from jobs.web.render import page
from pipeline import schema as s
from pipeline.shards.ranges import ClipError
from pipeline.video.probe import MediaError

MOST_CELLS = 300
"""Clips of the grid answered at once."""
THREADS = 16
"""Requests answered at a time, the others wait: each thread keeps memory of its own."""
STILLS_AT_ONCE = 6
"""Pictures made at a time: those that wait must not hold up queries."""
STILL_SIDES = (160, 320, 640, 1280)
"""Longest sides that a still is made in, pixels."""
IMAGE_BYTES = 12 << 20
"""Size of an uploaded picture at most."""
UPLOADS = {"/api/image": IMAGE_BYTES}
Handler = Callable[[Request], Awaitable[Response]]


def make_viewer_app(viewer: Viewer, access: Access) -> Starlette:
    """The app of a viewer."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        to_thread.current_default_thread_limiter().total_tokens = THREADS
        yield
        viewer.close()

    routes = [
        Route("/", in_thread(viewer, index)),
        Route("/video/{clip}", in_thread(viewer, video), methods=["GET", "HEAD"]),
        Route("/still/{clip}", in_thread(viewer, still, threads=CapacityLimiter(STILLS_AT_ONCE))),
        Route("/api/info", in_thread(viewer, info)),
        Route("/api/clips", in_thread(viewer, clips)),
        Route("/api/clip/{clip}", in_thread(viewer, one_clip)),
        Route("/api/clip/{clip}/support", in_thread(viewer, support)),
        Route("/api/source/{source}", in_thread(viewer, source)),
        Route("/api/facet/{column}", in_thread(viewer, facet)),
        Route("/api/sql", with_body(viewer, sql), methods=["POST"]),
        Route("/api/image", image_handler(viewer), methods=["POST"]),
        *steer_routes(viewer, in_thread, with_body),
        *edit_routes(viewer, in_thread, with_body),
        *status_routes(viewer.now.data.run, status_body),
    ]
    assets = (ASSETS, STATUS_ASSETS)
    return make_app(routes, access, assets=assets, lifespan=lifespan)


def in_thread(
    viewer: Viewer,
    answer: Callable[[Viewer, Request], Response],
    *,
    threads: CapacityLimiter | None = None,
) -> Handler:
    """A handler that runs in a thread: queries and files block. ``threads`` are its own, apart from all others'."""

    async def handler(request: Request) -> Response:
        try:
            return await to_thread.run_sync(answer, viewer, request, limiter=threads)
        except KeyError:
            raise HTTPException(404, "no such clip or source") from None

    return handler


def with_body(viewer: Viewer, answer: Callable[[Viewer, dict[str, Any]], Any]) -> Handler:
    """A handler of a POST of JSON; ``answer`` gives what is sent back as JSON."""

    async def handler(request: Request) -> Response:
        body = await read_json(request)
        try:
            return JSONResponse(await run_in_threadpool(answer, viewer, body))
        except KeyError as error:
            raise HTTPException(404, f"no such clip, or {error} is missing") from None

    return handler


def question(request: Request) -> dict[str, Any]:
    """The question in ``?q=``."""
    try:
        found = json.loads(request.query_params.get("q") or "{}")
    except (ValueError, RecursionError):
        raise HTTPException(400, "q is not JSON") from None
    if not isinstance(found, dict):
        raise HTTPException(400, "q must be a JSON object")
    return {name: value for name, value in found.items() if value not in (None, "", [], False)}


def number(request: Request, name: str, default: int, most: int) -> int:
    """A whole number of the query, from 0 to ``most``."""
    text = request.query_params.get(name, str(default))
    if not text.isascii() or not text.isdigit():
        raise HTTPException(400, f"{name} must be a whole number")
    return min(int(text[:12]), most)


def index(viewer: Viewer, request: Request) -> Response:
    """The page."""
    opened = viewer.now
    name = opened.data.run.path.name or str(opened.data.run.path)
    return page("view.html.j2", folder=PAGES, name=name, what_if=opened.what_if is not None)


def info(viewer: Viewer, request: Request) -> Response:
    """What there is, for the page to set itself up."""
    if "reload" in request.query_params:
        viewer.reload()
    opened = viewer.now
    data = opened.data
    return JSONResponse(
        {
            "name": data.run.path.name,
            "path": str(data.run.path),
            "clips": len(data),
            "hours": float(data.seconds.sum(dtype=float)) / 3600,
            "stamp": data.stamp,
            "version": viewer.version,
            "numbers": opened.facets.numbers(),
            "words": opened.facets.words(),
            "columns": data.columns,
            "kinds": opened.labels.kinds(),
            "caption_kinds": list(s.CAPTION_KINDS),
            "has": {
                "rules": opened.what_if is not None,
                "search": opened.similar.there and opened.similar.embedder is not None,
                "alike": opened.similar.there,
                "truth": "truth" in data.tables,
            },
            "model": opened.similar.embedder.model if opened.similar.embedder else None,
            "who": viewer.who,
            "schema": {"decision": s.DECISION, "reasons": s.REASONS, "duration": s.DURATION_S},
        }
    )


def clips(viewer: Viewer, request: Request) -> Response:
    """A piece of the grid: ``?q=``, ``from``, ``count``."""
    import pyarrow as pa

    opened, edits = viewer.now, viewer.edits()
    answer = opened.questions.answer(question(request), edits, viewer.version)
    start = number(request, "from", 0, 1 << 40)
    rows = answer.rows[start : start + number(request, "count", 60, MOST_CELLS)]
    held = opened.data.held.take(pa.array(rows)).to_pylist()
    decided = opened.data.selection["decided"][rows].tolist()
    found = cells(opened.data, held, decided, dict(edits.clips))
    if answer.values is not None:
        for one, value in zip(found, answer.values[start:].tolist(), strict=False):
            one["v"] = round(value, 6)
    return JSONResponse(
        {
            "total": len(answer.rows),
            "hours": answer.hours,
            "from": start,
            "clips": found,
            "stamp": opened.data.stamp,
            "version": viewer.version,
        }
    )


def one_clip(viewer: Viewer, request: Request) -> Response:
    """Everything about a clip."""
    opened = viewer.now
    return JSONResponse(detail(opened.data, opened.db, request.path_params["clip"], viewer.edits()))


def source(viewer: Viewer, request: Request) -> Response:
    """A source's timeline."""
    opened = viewer.now
    return JSONResponse(
        timeline(opened.data, opened.db, request.path_params["source"], viewer.edits())
    )


def facet(viewer: Viewer, request: Request) -> Response:
    """A histogram, or counts of words."""
    opened, edits = viewer.now, viewer.edits()
    answer = opened.questions.answer(question(request), edits, viewer.version)
    name = request.path_params["column"]
    if name in opened.facets.words():
        return JSONResponse(opened.facets.counts(name, answer, edits))
    return JSONResponse(opened.facets.histogram(name, answer))


def sql(viewer: Viewer, body: dict[str, Any]) -> Any:
    """The answer to what a person wrote."""
    return viewer.now.db.ask(str(body.get("sql", "")))


def image_handler(viewer: Viewer) -> Handler:
    """Take a picture to search by; its bytes are the body."""

    async def handler(request: Request) -> Response:
        kind = request.headers.get("content-type", "")
        if not kind.startswith("image/"):
            raise HTTPException(415, "send a picture, with its own content type")
        data = await request.body()
        return JSONResponse({"image": await run_in_threadpool(viewer.now.similar.take_image, data)})

    return handler


def video(viewer: Viewer, request: Request) -> Response:
    """A clip straight out of its shard, whole or the range that is asked for."""
    data = viewer.now.data
    row = data.held_row(data.row_of(request.path_params["clip"]))
    try:
        data.shard_files(row[s.SHARD])
        return range_response(
            request,
            int(row[s.BYTE_LENGTH]),
            lambda at, n: data.clip_bytes(row, at, n),
            media_type="video/mp4",
            tag=f"{row[s.CLIP_ID]}-{row[s.BYTE_LENGTH]}",
        )
    except ClipError as error:
        raise HTTPException(404, f"the clip's bytes are not there ({error.kind})") from None


def still(viewer: Viewer, request: Request) -> Response:
    """A frame of a clip: ``?f=`` its number, the middle one without; ``?w=`` the longest side."""
    data = viewer.now.data
    row = data.held_row(data.row_of(request.path_params["clip"]))
    frames = int(row[s.N_FRAMES] or 1)
    index = min(number(request, "f", frames // 2, 1 << 30), frames - 1)
    wanted = number(request, "w", 320, STILL_SIDES[-1])
    side = next(each for each in STILL_SIDES if each >= wanted)
    name = f"{row[s.CLIP_ID]}-{row[s.BYTE_LENGTH]}-{index}-{side}"
    headers = {"ETag": f'"{name}"', "Cache-Control": "private, max-age=86400"}
    if request.headers.get("if-none-match") == f'"{name}"':
        return Response(status_code=304, headers=headers)
    found = viewer.stills.get(name)
    if found is None:
        width, height = fitted(row[s.WIDTH] or 320, row[s.HEIGHT] or 180, side)
        try:
            whole = data.clip_bytes(row, 0, int(row[s.BYTE_LENGTH]))
            found = viewer.stills.take(name, whole, index, width, height)
        except (ClipError, MediaError) as error:
            raise HTTPException(404, f"no picture: {' '.join(str(error).split())[:120]}") from None
    return Response(found, headers=headers, media_type="image/jpeg")


def support(viewer: Viewer, request: Request) -> Response:
    """The assertions of a caption with their scores: ``?kind=``; ``?hand=1`` for the corrected text."""
    from captioner.ask.frames import scaled_size
    from pipeline.video.decode import sample_indices

    opened = viewer.now
    clip, kind = request.path_params["clip"], request.query_params.get("kind", "")
    told = detail(opened.data, opened.db, clip, viewer.edits())
    caption = next((each for each in told["captions"] if each["kind"] == kind), None)
    text = caption and (caption.get("by_hand") or caption.get("text"))
    if not text:
        raise HTTPException(404, f"there is no {kind or 'such'} caption")
    if opened.similar.embedder is None:
        raise UserError("there is no CLIP model here: shards do not name one; view the run folder")
    settings = opened.data.run.recipe().caption
    row = opened.data.held_row(opened.data.row_of(clip))
    found = opened.similar.embedder.ask(
        "support",
        text,
        kind,
        opened.data.clip_bytes(row, 0, int(row[s.BYTE_LENGTH])),
        sample_indices(row[s.N_FRAMES], settings.frames),
        scaled_size(row[s.WIDTH], row[s.HEIGHT], settings.frame_side),
        opened.similar.reference(),
    )
    calibrated = opened.similar.reference() is not None
    return JSONResponse({"assertions": found, "calibrated": calibrated, "text": text})
