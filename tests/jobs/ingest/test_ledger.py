"""What ingest leaves behind: swept of what a kill left half written, and a full disk is named by the driver."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.cli import user_message
from jobs.core import ray_runtime as rayrt
from jobs.ingest import command as ingest
from jobs.ingest import graph as ingest_pipeline
from jobs.ingest import stages as ingest_stages
from jobs.ingest.ledger import Ledger, exclusive
from jobs.ingest.plan import name_contents
from jobs.ingest.windows import Row
from pipeline import schema as s
from pipeline.config import IngestConfig, OpenClipConfig


def test_what_a_killed_run_left_half_written_is_swept_before_and_after(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.write({s.SOURCE_URI: "a", s.SOURCE_ID: "b", s.OUTCOME: "done", s.N_CLIPS: 0})
    kept = ledger.path("a")
    half = [
        tmp_path / "clips" / ".part-1.parquet.tmp-12ab",
        tmp_path / "manifest" / ".part-1.parquet.77.tmp",
        tmp_path / ".sources.parquet.77.tmp",
        tmp_path / ".done" / ".ingest.json.77.tmp",
        kept.with_name(f".{kept.name}.77.tmp"),
    ]

    def leave() -> None:
        for path in half:
            path.parent.mkdir(exist_ok=True)
            path.touch()

    leave()
    with exclusive(tmp_path):
        assert not any(path.exists() for path in half)
        leave()
    assert not any(path.exists() for path in half) and kept.exists()


def test_a_fault_of_the_disk_ends_the_run_with_one_line_and_no_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault = {"errno": errno.ENOSPC, "text": "No space left on device", "path": "out/clips/part-1"}

    def execute(*_: object, **__: object) -> Iterator[Row]:
        yield Row(ingest_stages.FAULT, 1, fault, None)

    monkeypatch.setattr(ingest_pipeline, "execute", execute)
    monkeypatch.setattr(ingest_pipeline, "splitters_of", lambda: 1)
    monkeypatch.setattr(ingest_pipeline, "naming_task", lambda uris: lambda: name_contents(uris))
    monkeypatch.setattr(rayrt, "start_ray", lambda **_: None)
    (tmp_path / "a.mp4").write_bytes(b"video")
    out = tmp_path / "out"
    with pytest.raises(OSError) as caught:
        ingest.run(IngestConfig(), OpenClipConfig(), [str(tmp_path / "a.mp4")], out)
    line = user_message(caught.value)
    assert line and line.startswith("no space left on the disk of out/clips/part-1; free some")
    assert list(Ledger(out).all()) == [] and not (out / "sources.parquet").exists()
