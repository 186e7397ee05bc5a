"""The page of a folder's status: stages, rates, failures, time left, losses and samples of trainings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.core.errors import user_errors
from jobs.core.run import RunFolder
from jobs.report.progress import read_watched

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from jobs.web.server import WebArgs

HERE = Path(__file__).parent
ASSETS = HERE / "assets"


Body = Callable[[RunFolder], dict[str, Any]]
"""What the page shows of a folder (``jobs.report.status.status_body``)."""


def status_routes(run: RunFolder, body: Body, at: str = "/status") -> list[Route]:
    """The page at ``at``, its data, and pictures of trainings that it names."""
    from starlette.concurrency import run_in_threadpool
    from starlette.exceptions import HTTPException
    from starlette.responses import FileResponse, JSONResponse
    from starlette.routing import Route

    from jobs.web.paths import confined
    from jobs.web.render import page

    async def show(request: Request) -> Response:
        name = run.path.name or str(run)
        return page("status.html.j2", folder=HERE / "templates", name=name, back=at != "/")

    async def data(request: Request) -> Response:
        return JSONResponse(await run_in_threadpool(body, run))

    async def picture(request: Request) -> Response:
        number, name = request.path_params["number"], request.path_params["name"]
        trained = (await run_in_threadpool(read_watched, run)).trainings
        if number >= len(trained) or name not in trained[number].samples:
            raise HTTPException(404, "no such picture")  # only what the page names
        path = confined(Path(trained[number].folder), name)
        return FileResponse(path, media_type="image/png")

    return [
        Route(at, show),
        Route("/api/status", data),
        Route("/api/status/sample/{number:int}/{name:path}", picture),
    ]


def serve_status(run: RunFolder, body: Body, args: WebArgs) -> None:
    """Serve the page until Ctrl-C."""
    from jobs.core.console import say
    from jobs.web.app import make_app
    from jobs.web.server import access_of, bind, link, serve

    body(run)  # refuses what is no folder of ours
    with user_errors():
        access = access_of(args)
    listener = bind(args.host, args.port)
    say(f"status: {run} at {link(listener, access)} (Ctrl-C ends it)")
    serve(make_app(status_routes(run, body, "/"), access, assets=(ASSETS,)), listener)
