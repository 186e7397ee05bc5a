"""Jobs of a server: a queue with a limit, whose every change is a line of a journal before it is answered.

``DIR/journal.jsonl`` is appended to and never rewritten; ``DIR/results/<id>/`` appears whole, by a rename. What a kill
interrupts is in the queue again at the next start, and comes out the same: a sampling is a function of its settings.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from pipeline.store.atomic import append_line, sync

JOURNAL = "journal.jsonl"
RESULTS = "results"
VIDEO, POSTER, META = "video.mp4", "poster.jpg", "meta.json"
FIRST_GUESS_S = 20.0
"""Seconds that a job is thought to take before one has been timed."""


class State(StrEnum):
    """How a job stands."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


ENDED = (State.DONE, State.FAILED, State.CANCELLED)


class Busy(Exception):
    """The queue is full; ``retry_s`` is when to ask again."""

    def __init__(self, retry_s: int) -> None:
        super().__init__(f"the queue is full; ask again in {retry_s} s")
        self.retry_s = retry_s


@dataclass(kw_only=True)
class Job:
    """One request and what became of it."""

    id: str
    verb: str
    settings: dict[str, Any]
    """As checked: every field of the form."""
    prompt: str
    """As it was asked for."""
    expanded: str = ""
    """The caption that is sampled from, where it was expanded."""
    submitted_s: float = 0.0
    state: State = State.QUEUED
    why: str = ""
    """What went wrong."""
    done_share: float = 0.0
    """Part of the sampling that is done, 0 to 1."""
    step: int = 0
    steps: int = 0
    seconds: float = 0.0
    """How long it took."""
    result: dict[str, Any] = field(default_factory=dict)
    """Frames, size, rate, scores of the judge."""
    preview: bytes = b""
    """JPEG of frames as the model guesses them now."""
    cancelling: bool = False

    @property
    def caption(self) -> str:
        """What is sampled from."""
        return self.expanded or self.prompt


class Store:
    """Every job of a server's folder. Threads may share it."""

    def __init__(self, folder: Path, limit: int = 64) -> None:
        self.folder, self.limit = folder, limit
        self.jobs: OrderedDict[str, Job] = OrderedDict()
        self.queue: deque[str] = deque()
        self.changed = threading.Condition()
        self.mean_s = FIRST_GUESS_S
        self._count = 0
        (folder / RESULTS).mkdir(parents=True, exist_ok=True)
        with self.changed:
            self._replay()

    # -- what clients do

    def submit(self, verb: str, settings: dict[str, Any], prompt: str, expanded: str = "") -> Job:
        """Take a job into the queue; on the disk when this returns. ``Busy`` when there are too many."""
        with self.changed:
            if len(self.queue) >= self.limit:
                raise Busy(max(1, min(600, round(self.mean_s))))
            self._count += 1
            name = f"{self._count}:{verb}:{json.dumps(settings, sort_keys=True)}"
            key = hashlib.blake2b(name.encode(), digest_size=8).hexdigest()
            job = Job(
                id=key,
                verb=verb,
                settings=settings,
                prompt=prompt,
                expanded=expanded,
                submitted_s=round(time.time(), 3),
            )
            told = {"verb": verb, "settings": settings, "prompt": prompt, "expanded": expanded}
            self._note("submitted", key, durable=True, when=job.submitted_s, **told)
            self.jobs[key] = job
            self.queue.append(key)
            self.changed.notify_all()
            return job

    def cancel(self, key: str) -> Job:
        """Take a job out of the queue, or end it where it runs; nothing happens to one that has ended."""
        with self.changed:
            job = self.jobs[key]
            if job.state == State.QUEUED:
                self.queue.remove(key)
                self._end(job, State.CANCELLED)
            elif job.state == State.RUNNING:
                job.cancelling = True
            return job

    def place(self, key: str) -> int | None:
        """How many jobs are before a queued one; None for others."""
        with self.changed:
            return self.queue.index(key) if key in self.queue else None

    def wait_s(self) -> float:
        """About how long a job that is submitted now waits."""
        with self.changed:
            running = any(job.state == State.RUNNING for job in self.jobs.values())
            return self.mean_s * (len(self.queue) + running)

    def latest(self, count: int, before: str | None = None, state: str | None = None) -> list[Job]:
        """The newest jobs first; those older than ``before``."""
        with self.changed:
            found = list(reversed(self.jobs.values()))
        if before is not None:
            keys = [job.id for job in found]
            found = found[keys.index(before) + 1 :] if before in keys else []
        return [job for job in found if state is None or job.state == state][:count]

    # -- what the worker does

    def take(self, wait_s: float) -> Job | None:
        """The next job, which runs from now on; None when none came in time."""
        with self.changed:
            if not self.queue:
                self.changed.wait(wait_s)
            if not self.queue:
                return None
            job = self.jobs[self.queue.popleft()]
            job.state = State.RUNNING
            return job

    def put_back(self, job: Job) -> None:
        """Leave a job for the next start: the server ends."""
        with self.changed:
            job.state, job.done_share, job.step = State.QUEUED, 0.0, 0
            self.queue.appendleft(job.id)

    def finish(self, job: Job, files: Mapping[str, bytes], result: dict[str, Any]) -> None:
        """Make a result visible, whole, then say so."""
        draft = self.folder / RESULTS / f".{job.id}"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir()
        body = {**self._meta(job), "result": result}
        for name, data in {**files, META: json.dumps(body, indent=2).encode()}.items():
            (draft / name).write_bytes(data)
            sync(draft / name)
        target = self.folder / RESULTS / job.id
        shutil.rmtree(target, ignore_errors=True)
        draft.rename(target)
        sync(target.parent)
        with self.changed:
            job.result, job.done_share, job.preview = result, 1.0, b""
            self.mean_s = 0.7 * self.mean_s + 0.3 * max(job.seconds, 0.05)
            self._end(job, State.DONE, seconds=job.seconds, result=result)

    def fail(self, job: Job, why: str) -> None:
        """The job ended with an error."""
        with self.changed:
            job.why = why
            self._end(job, State.FAILED, why=why)

    def end_cancelled(self, job: Job) -> None:
        """The job was cancelled while it ran."""
        with self.changed:
            self._end(job, State.CANCELLED)

    def file(self, key: str, name: str) -> Path:
        """A file of a result."""
        return self.folder / RESULTS / key / name

    # -- the journal

    def _end(self, job: Job, state: State, **more: Any) -> None:
        job.state = state
        self._note(str(state), job.id, **more)
        self.changed.notify_all()

    def _note(self, event: str, key: str, *, durable: bool = False, **more: Any) -> None:
        path = self.folder / JOURNAL
        append_line(path, json.dumps({"event": event, "id": key, **more}).encode() + b"\n")
        if durable:
            sync(path)

    def _meta(self, job: Job) -> dict[str, Any]:
        return {
            "id": job.id,
            "verb": job.verb,
            "settings": job.settings,
            "prompt": job.prompt,
            "expanded": job.expanded,
            "seconds": job.seconds,
        }

    def _replay(self) -> None:
        """Bring the jobs to where the journal left them; what ran is queued again, in its old place."""
        path = self.folder / JOURNAL
        data = path.read_bytes() if path.is_file() else b""
        whole = data.rfind(b"\n") + 1
        if whole < len(data):  # half a line of a kill
            with path.open("r+b") as file:
                file.truncate(whole)
        for line in data[:whole].splitlines():
            self._apply(json.loads(line))
        for job in self.jobs.values():
            if job.state == State.QUEUED and self._adopted(job):
                continue
            if job.state == State.QUEUED:
                self.queue.append(job.id)
        for draft in (self.folder / RESULTS).glob(".*"):
            shutil.rmtree(draft, ignore_errors=True)

    def _apply(self, line: dict[str, Any]) -> None:
        key = line["id"]
        if line["event"] == "submitted":
            self._count += 1
            self.jobs[key] = Job(
                id=key,
                verb=line["verb"],
                settings=line["settings"],
                prompt=line["prompt"],
                expanded=line["expanded"],
                submitted_s=line["when"],
            )
        elif key in self.jobs:
            job = self.jobs[key]
            job.state, job.why = State(line["event"]), line.get("why", "")
            job.seconds, job.result = line.get("seconds", 0.0), line.get("result", {})
            job.done_share = float(job.state == State.DONE)

    def _adopted(self, job: Job) -> bool:
        """Take a result that was there whole before its line was written."""
        path = self.file(job.id, META)
        if not path.is_file():
            return False
        meta = json.loads(path.read_text())
        job.seconds, job.result, job.done_share = meta["seconds"], meta["result"], 1.0
        self._end(job, State.DONE, seconds=job.seconds, result=job.result)
        return True


def counts(jobs: Iterable[Job]) -> dict[str, int]:
    """State -> jobs."""
    found = dict.fromkeys(map(str, State), 0)
    for job in jobs:
        found[str(job.state)] += 1
    return found
