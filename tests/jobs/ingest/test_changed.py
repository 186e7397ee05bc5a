"""Sources and sidecars that changed since they were ingested are named, from sizes and times alone."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from jobs.ingest import changed
from jobs.ingest.changed import changed_files
from jobs.ingest.index import COPY_OF
from jobs.ingest.ledger import HIDDEN, STAMP, TOTAL, Ledger
from pipeline import schema as s
from pipeline.source.listing import BESIDE, source_stamp


def record(ledger: Ledger, path: Path, stamp: str | None = None, **more: str) -> None:
    """A source as ingest records it."""
    stamp = source_stamp(str(path), sidecars=True) if stamp is None else stamp
    ledger.write(
        {s.SOURCE_ID: path.stem, s.SOURCE_URI: str(path), s.N_CLIPS: 0, STAMP: stamp, **more}
        | {s.OUTCOME: "done"}
    )


@pytest.fixture
def media(tmp_path: Path) -> Path:
    """Two sources, of which the first has a caption beside it."""
    folder = tmp_path / "media"
    folder.mkdir()
    for name in ("a.mp4", "b.mp4", "a.txt"):
        (folder / name).write_text(name)
    return folder


@pytest.fixture
def run(tmp_path: Path, media: Path) -> Path:
    """A run folder that has ingested them."""
    folder = tmp_path / "run"
    ledger = Ledger(folder)
    for name in ("a.mp4", "b.mp4"):
        record(ledger, media / name)
    (folder / HIDDEN / TOTAL).write_text(json.dumps({"sources": 2}))
    return folder


def test_what_looks_as_it_did_is_not_named(run: Path):
    assert changed_files(run) == []


def test_sidecars_that_changed_came_or_went_are_named(run: Path, media: Path):
    (media / "a.txt").write_text("another caption")
    (media / "b.json").write_text("{}")
    assert changed_files(run) == ["a.txt", "b.json"]
    assert changed_files(run, sidecars=False) == []
    (media / "a.txt").unlink()
    (media / "b.json").unlink()
    assert changed_files(run) == ["a.txt"]


def test_a_source_that_changed_is_named_and_one_that_is_gone_is_not(run: Path, media: Path):
    os.utime(media / "a.mp4", ns=(1, 1))
    (media / "b.mp4").unlink()
    assert changed_files(run) == ["a.mp4"]


def test_copies_given_clips_and_other_places_are_not_looked_at(run: Path, media: Path):
    ledger = Ledger(run)
    record(ledger, media / "c.mp4", "9:9", **{COPY_OF: str(media / "a.mp4")})
    record(ledger, media / "b.mp4", f"{source_stamp(str(media / 'b.mp4'))}{BESIDE}1f2e3d")
    record(ledger, Path("s3://bucket/d.mp4"), "9:9")
    (media / "b.txt").write_text("a caption that is not asked for")
    assert changed_files(run) == []


def test_many_sources_are_not_looked_at(run: Path, media: Path, monkeypatch: pytest.MonkeyPatch):
    (media / "a.txt").write_text("another caption")
    monkeypatch.setattr(changed, "MOST", 1)
    assert changed_files(run) == []


def test_a_folder_without_records_has_nothing_to_name(tmp_path: Path):
    assert changed_files(tmp_path) == []
