"""The queue by itself: what is on the disk before it is answered, what a restart finds, and in which order."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from jobs.serve.store import FIRST_GUESS_S, JOURNAL, META, Busy, Job, State, Store


def submit(store: Store, seed: int = 0) -> Job:
    return store.submit("sample", {"seed": seed}, f"prompt {seed}", "longer")


def finish(store: Store, job: Job, seconds: float = 1.0) -> None:
    job.seconds = seconds
    store.finish(job, {"video.mp4": b"video"}, {"frames": 5})


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of what was brought to the disk, and of renames, in order."""
    done: list[str] = []
    fsync, rename = os.fsync, Path.rename

    def note(descriptor: int) -> None:
        done.append(Path(f"/proc/self/fd/{descriptor}").resolve().name)
        fsync(descriptor)

    def note_rename(self: Path, target: Any) -> Path:
        done.append(f"rename {Path(target).name}")
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", note)
    monkeypatch.setattr(Path, "rename", note_rename)
    return done


def test_a_job_is_on_the_disk_before_it_is_answered(tmp_path: Path, synced: list[str]) -> None:
    submit(Store(tmp_path))
    assert synced == [JOURNAL], "else a power cut takes what a client was promised"


def test_a_result_is_on_the_disk_before_its_name(tmp_path: Path, synced: list[str]) -> None:
    store = Store(tmp_path)
    submit(store)
    job = store.take(0)
    assert job is not None
    synced.clear()
    finish(store, job)
    assert synced == ["video.mp4", META, f"rename {job.id}", "results"]
    assert json.loads(store.file(job.id, META).read_text())["expanded"] == "longer"


def test_what_ran_goes_on_first_and_the_queue_keeps_its_order(tmp_path: Path) -> None:
    store = Store(tmp_path, limit=3)
    first, second, third = (submit(store, seed) for seed in range(3))
    with pytest.raises(Busy) as caught:
        submit(store, 3)
    assert caught.value.retry_s == round(FIRST_GUESS_S)
    running = store.take(0)
    assert running is first and store.place(second.id) == 0 and store.place(first.id) is None
    store.put_back(running)
    assert list(store.queue) == [first.id, second.id, third.id], (
        "an interrupted job waits no longer"
    )
    again = Store(tmp_path)
    assert list(again.queue) == [first.id, second.id, third.id]
    assert [job.prompt for job in again.jobs.values()] == ["prompt 0", "prompt 1", "prompt 2"]


def test_the_same_request_after_a_restart_is_another_job(tmp_path: Path) -> None:
    ids = [submit(Store(tmp_path)).id for _ in range(3)]
    assert len(set(ids)) == 3 and len(Store(tmp_path).jobs) == 3


def test_the_wait_is_that_of_what_runs_and_what_queues(tmp_path: Path) -> None:
    store = Store(tmp_path)
    jobs = [submit(store, seed) for seed in range(3)]
    assert store.take(0) is jobs[0]
    assert store.wait_s() == pytest.approx(3 * FIRST_GUESS_S)
    finish(store, jobs[0], seconds=10.0)
    assert store.mean_s == pytest.approx(0.7 * FIRST_GUESS_S + 0.3 * 10)
    assert store.wait_s() == pytest.approx(2 * store.mean_s)


def test_pages_of_jobs_follow_each_other(tmp_path: Path) -> None:
    store = Store(tmp_path)
    jobs = [submit(store, seed) for seed in range(5)]
    for job in jobs[:2]:
        store.cancel(job.id)
    newest = [job.id for job in reversed(jobs)]
    assert [job.id for job in store.latest(2)] == newest[:2]
    assert [job.id for job in store.latest(2, before=newest[1])] == newest[2:4]
    assert [job.id for job in store.latest(2, state="cancelled")] == newest[3:], "older ones, too"
    assert store.latest(2, before="none of them") == []
    assert store.cancel(jobs[0].id).state == State.CANCELLED, "a second time does nothing"
    assert [job.state for job in Store(tmp_path).jobs.values()] == ["cancelled"] * 2 + [
        "queued"
    ] * 3
