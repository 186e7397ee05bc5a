"""What ingest leaves behind: swept of what a kill left half written, and a full disk is named by the driver."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from jobs.cli import user_message
from jobs.core import ray_runtime as rayrt
from jobs.core.errors import UserError
from jobs.ingest import command as ingest
from jobs.ingest import graph as ingest_pipeline
from jobs.ingest import ledger as ingest_ledger
from jobs.ingest import stages as ingest_stages
from jobs.ingest.given import PLACE
from jobs.ingest.index import DROPPED
from jobs.ingest.ledger import Ledger, check_settings, commit_source, compile_sources, exclusive
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


def ended(uri: str) -> dict[str, Any]:
    return {s.SOURCE_URI: uri, s.SOURCE_ID: uri * 32, s.OUTCOME: "done", s.N_CLIPS: 0}


def test_a_kill_while_records_are_gathered_loses_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger(tmp_path)
    for uri in "ab":
        ledger.write(ended(uri))

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(ingest_ledger, "write_bytes", killed)
        ledger.compact()
    assert [record[s.SOURCE_URI] for record in Ledger(tmp_path).all()] == ["a", "b"]
    ledger.compact()
    (segment,) = (tmp_path / ".ingest" / "records").iterdir()
    assert segment.read_bytes()[4:8] == bytes(4), "no time of day: the same records, the same bytes"
    assert [record[s.SOURCE_URI] for record in Ledger(tmp_path).all()] == ["a", "b"]


def test_each_clip_gets_its_own_range_in_whatever_order_clips_arrive(tmp_path: Path) -> None:
    """Scorers finish in any order; the ranges come from the splitter, by place."""
    end = {
        **ended("a"),
        s.N_CLIPS: 3,
        "ranges": [("part-a.parquet", 100 * i, 10 + i, f"hash{i}") for i in range(3)],
        "embedding_dim": 4,
    }
    rows = [({s.CLIP_ID: f"a-{i}", s.SOURCE_ID: "a" * 32, PLACE: i}, None) for i in (2, 0, 1)]
    commit_source(Ledger(tmp_path), end, rows, ())
    record = Ledger(tmp_path).read("a")
    assert record and record[s.N_CLIPS] == 3 and record[s.OUTCOME] == "done"
    (part,) = (tmp_path / "manifest").iterdir()
    found = pq.read_table(part).to_pylist()
    assert [(r[s.CLIP_ID], r[s.BYTE_OFFSET], r[s.VIDEO_XXH3]) for r in found] == [
        (f"a-{i}", 100 * i, f"hash{i}") for i in range(3)
    ]


def test_a_folder_keeps_the_settings_of_its_first_source(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    check_settings(ledger, "one", "")
    check_settings(Ledger(tmp_path), "two", "")  # nothing was recorded under the first
    ledger.write(ended("a"))
    check_settings(Ledger(tmp_path), "two", "")
    with pytest.raises(UserError, match="other \\[ingest\\] or \\[openclip\\] settings"):
        check_settings(Ledger(tmp_path), "one", "")


def test_tables_that_are_passed_on_hold_no_signature_of_a_link(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    link = "https://a.example/one.mp4?X-Signature=secret"
    ledger.write({**ended(link), s.SOURCE_ID: "a" * 32, DROPPED: [[0.0, 0.5, "short"]]})
    compile_sources(ledger, lambda record: None)
    for name in ("sources", "dropped"):
        (row,) = pq.read_table(tmp_path / f"{name}.parquet").to_pylist()
        assert "a.example/one.mp4" in row[s.SOURCE_URI] and "secret" not in str(row)
    assert (row[s.START_S], row[s.END_S], row[s.REASON]) == (0.0, 0.5, "short")
