"""The app of a server: one page, and the API that it and other programs use."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from jobs.serve.forms import Verb, verbs
from jobs.serve.inputs import Inputs
from jobs.serve.openapi import document
from jobs.serve.store import POSTER, VIDEO, Busy, Job, State, Store, counts
from jobs.serve.worker import Worker
from jobs.web.app import make_app, read_json
from jobs.web.guard import Access
from jobs.web.render import page

HERE = Path(__file__).parent
ID = re.compile(r"[0-9a-f]{16}")


class Api:
    """Handlers over a store and a worker."""

    def __init__(self, store: Store, worker: Worker, access: Access, name: str) -> None:
        self.store, self.worker, self.access, self.name = store, worker, access, name
        self.inputs: Inputs = worker.inputs

    def app(self) -> Starlette:
        """The app; its worker runs as long as it is served."""

        @asynccontextmanager
        async def lifespan(app: Starlette) -> AsyncIterator[None]:
            self.worker.start()
            yield
            await run_in_threadpool(self.worker.stop)

        routes = [
            Route("/", self.home),
            Route("/api/jobs", self.jobs, methods=["GET"]),
            Route("/api/jobs", self.submit, methods=["POST"]),
            Route("/api/jobs/{id}", self.status),
            Route("/api/jobs/{id}/cancel", self.cancel, methods=["POST"]),
            Route("/api/jobs/{id}/video", self.video),
            Route("/api/jobs/{id}/poster", self.poster),
            Route("/api/jobs/{id}/preview", self.preview),
            Route("/api/inputs", self.upload, methods=["POST"]),
            Route("/api/verbs", self.list_verbs),
            Route("/api/health", self.health),
            Route("/api/openapi.json", self.openapi),
        ]
        return make_app(routes, self.access, assets=(HERE / "assets",), lifespan=lifespan)

    async def home(self, request: Request) -> Response:
        """The page."""
        return page("serve.html.j2", folder=HERE / "templates", name=self.name)

    async def jobs(self, request: Request) -> Response:
        """The newest jobs."""
        query = request.query_params
        limit = query.get("limit", "60")
        if not re.fullmatch("[0-9]{1,3}", limit) or not 1 <= int(limit) <= 200:
            raise ValueError(f"limit is {limit[:20]!r}; it must be from 1 to 200")
        before, state = query.get("before"), query.get("state")
        if before is not None and not ID.fullmatch(before):
            raise ValueError("before is no id of a job")
        if state is not None and state not in list(State):
            raise ValueError(f"state is {state[:20]!r}; it must be one of {', '.join(State)}")
        found = self.store.latest(int(limit), before, state)
        return JSONResponse({"jobs": [self.told(job) for job in found]})

    async def submit(self, request: Request) -> Response:
        """Put a job into the queue: 202, or 429 with Retry-After when it is full."""
        body = await read_json(request)
        verb = self.verb_of(body)
        expand = body.pop("expand", False)
        if not isinstance(expand, bool):
            raise ValueError("expand must be true or false")
        settings = verb.settings(body)
        for field in verb.fields:
            if field.kind in ("video", "picture"):
                self.inputs.path(str(settings[field.name]))  # it must be there
        prompt = str(settings.get("prompt", ""))
        if verb.name == "sample" and not prompt.strip():
            raise ValueError("prompt is empty; say what the video shows")
        expanded = await run_in_threadpool(expanded_prompt, prompt) if expand and prompt else ""
        try:
            job = await run_in_threadpool(self.store.submit, verb.name, settings, prompt, expanded)
        except Busy as busy:
            return JSONResponse({"error": str(busy)}, 429, {"Retry-After": str(busy.retry_s)})
        return JSONResponse(self.told(job), 202, {"Location": f"/api/jobs/{job.id}"})

    def verb_of(self, body: dict[str, Any]) -> Verb:
        """The verb that a request names."""
        name = body.get("verb", "sample")
        if not isinstance(name, str) or name not in verbs():
            raise ValueError(f"verb is {str(name)[:40]!r}; it must be one of {', '.join(verbs())}")
        return verbs()[name]

    async def status(self, request: Request) -> Response:
        """One job."""
        return JSONResponse(self.told(self.job_of(request)))

    async def cancel(self, request: Request) -> Response:
        """Take a job back."""
        job = self.job_of(request)
        return JSONResponse(self.told(await run_in_threadpool(self.store.cancel, job.id)))

    async def video(self, request: Request) -> Response:
        """The finished video, by range too."""
        return self.file(request, VIDEO, "video/mp4")

    async def poster(self, request: Request) -> Response:
        """Its middle frame."""
        return self.file(request, POSTER, "image/jpeg")

    async def preview(self, request: Request) -> Response:
        """Frames as the model guesses them now."""
        job = self.job_of(request)
        if not job.preview:
            raise HTTPException(404, "there is no picture of it yet")
        return Response(job.preview, media_type="image/jpeg", headers={"Cache-Control": "no-store"})

    async def upload(self, request: Request) -> Response:
        """Keep a picture or video that a job is to be given."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/octet-stream":  # no form of another site can send this unasked
            raise HTTPException(415, "send application/octet-stream")
        data = await request.body()
        return JSONResponse({"input": await run_in_threadpool(self.inputs.keep, data)}, 201)

    async def list_verbs(self, request: Request) -> Response:
        """Forms."""
        found = [
            {"name": v.name, "about": v.about, "fields": [asdict(field) for field in v.fields]}
            for v in verbs().values()
        ]
        return JSONResponse({"verbs": found})

    async def health(self, request: Request) -> Response:
        """How the queue stands."""
        body = {
            "checkpoint": self.name,
            "jobs": counts(self.store.jobs.values()),
            "limit": self.store.limit,
            "wait_s": round(self.store.wait_s(), 1),
            "sampling": self.worker.is_alive(),
        }
        return JSONResponse(body)

    async def openapi(self, request: Request) -> Response:
        """The API's description."""
        from jobs.cli import version

        return JSONResponse(document(version(), self.access.token is not None))

    def job_of(self, request: Request) -> Job:
        """The job that a path names; 404 when there is none."""
        job = self.store.jobs.get(request.path_params["id"])
        if job is None:
            raise HTTPException(404, "there is no such job")
        return job

    def file(self, request: Request, name: str, kind: str) -> Response:
        """A file of a finished job."""
        job = self.job_of(request)
        path = self.store.file(job.id, name)
        if job.state != State.DONE or not path.is_file():
            raise HTTPException(404, f"the job is {job.state}; its result is there when it is done")
        return FileResponse(
            path, media_type=kind, headers={"Cache-Control": "private, max-age=86400, immutable"}
        )

    def told(self, job: Job) -> dict[str, Any]:
        """A job as the API has it."""
        links = {"self": f"/api/jobs/{job.id}"}
        if job.state == State.DONE:
            links |= {"video": f"/api/jobs/{job.id}/video", "poster": f"/api/jobs/{job.id}/poster"}
        if job.preview and job.state == State.RUNNING:
            links["preview"] = f"/api/jobs/{job.id}/preview"
        return {
            "id": job.id,
            "verb": job.verb,
            "state": str(job.state),
            "place": self.store.place(job.id),
            "done": round(job.done_share, 4),
            "step": job.step,
            "steps": job.steps,
            "seconds": job.seconds,
            "submitted_s": job.submitted_s,
            "settings": job.settings,
            "prompt": job.prompt,
            "expanded": job.expanded,
            "why": job.why,
            "result": job.result,
            "links": links,
        }


def expanded_prompt(prompt: str) -> str:
    """A short prompt as a caption like those trained on; 422 for one that is refused as unsafe."""
    from jobs.core.errors import Refused
    from jobs.generate.expand import expand_or_refuse

    try:
        (text,) = expand_or_refuse([prompt])
    except Refused as refused:
        raise HTTPException(422, " ".join(str(refused).split())) from None
    return text
