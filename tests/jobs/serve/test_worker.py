"""The thread that samples: both gates, and what becomes of a job when the server ends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jobs.serve import worker
from jobs.serve.store import State
from pipeline.video.decode import decode_clip
from tests.helpers.served import FAST, open_api


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A worker whose sampler gives one video at once."""
    api = open_api(tmp_path)
    video = np.zeros((5, 16, 16, 3), np.uint8)
    monkeypatch.setattr(api.worker, "sample", lambda job: video)
    return api.worker


def job_of(served: Any, prompt: str, expanded: str = "") -> Any:
    served.store.submit("sample", dict(FAST), prompt, expanded)
    return served.store.take(0)


def audited(served: Any) -> list[tuple[str, str]]:
    lines = (served.store.folder / "audit.jsonl").read_text().splitlines()
    return [(line["gate"], line["outcome"]) for line in map(json.loads, lines)]


def test_what_is_sampled_from_is_gated_and_not_only_what_was_asked(served: Any) -> None:
    """A model that expands prompts may turn a harmless one into another."""
    job = job_of(served, "a soldier", "a soldier decapitates a prisoner")
    served.work(job)
    assert job.state == State.FAILED and "refused as gore" in job.why
    assert not served.store.file(job.id, "video.mp4").exists()


def test_a_video_plays_at_the_rate_that_was_asked_for(served: Any) -> None:
    """At the usual rate, what was made for 24 frames a second would move at a third of its speed."""
    for fps in (24.0, 8.0):
        served.store.submit("sample", {**FAST, "fps": fps}, "a dog", "")
        job = served.store.take(0)
        served.work(job)
        assert job.state == State.DONE and job.result["fps"] == fps
        _, pts = decode_clip(served.store.file(job.id, "video.mp4").read_bytes())
        assert np.diff(np.asarray(pts, float)) == pytest.approx(1 / fps, abs=1e-3)


def test_a_video_that_the_output_gate_refuses_is_given_to_nobody(
    served: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    class Gate:
        def __init__(self, audit: Any) -> None:
            pass

        def lets_pass(self, video: np.ndarray) -> bool:
            asked.append(video.shape)
            return len(asked) == 1

    monkeypatch.setattr(worker, "OutputGate", Gate)
    first, second = job_of(served, "a dog"), job_of(served, "a cat")
    for job in (first, second):
        served.work(job)
    assert (first.state, second.state) == (State.DONE, State.FAILED) and len(asked) == 2
    assert "withheld" in second.why
    assert not served.store.file(second.id, "video.mp4").exists()
    assert audited(served) == [("prompt", "passed")] * 2


def test_a_server_that_ends_leaves_its_job_in_the_queue(
    served: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ends(job: Any) -> np.ndarray:
        raise worker.Stopped

    monkeypatch.setattr(served, "sample", ends)
    job = job_of(served, "a dog")
    served.work(job)
    assert job.state == State.QUEUED and list(served.store.queue) == [job.id]
    lines = (served.store.folder / "journal.jsonl").read_text().splitlines()
    assert [json.loads(line)["event"] for line in lines] == ["submitted"], "nothing has ended"


def test_a_job_that_is_cancelled_or_fails_ends_alone(
    served: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    errors: list[Exception] = [
        worker.Cancelled(),
        RuntimeError("out of memory\nat 3"),
        ValueError(),
    ]

    def fails(job: Any) -> np.ndarray:
        raise errors.pop(0)

    monkeypatch.setattr(served, "sample", fails)
    jobs = [job_of(served, "a dog") for _ in range(3)]
    for job in jobs:
        served.work(job)
    assert [job.state for job in jobs] == [State.CANCELLED, State.FAILED, State.FAILED]
    assert [job.why for job in jobs] == ["", "out of memory at 3", "ValueError"]
    assert "out of memory" in capsys.readouterr().err, (
        "what is no fault of the request is told here"
    )
