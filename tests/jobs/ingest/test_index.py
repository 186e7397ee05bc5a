"""Scratch tables: sources in order and once, records by URI, and who holds a content."""

from __future__ import annotations

import json
from pathlib import Path

from jobs.ingest.index import COPY_OF, Index
from pipeline import schema as s
from pipeline.source.listing import list_sources


def line(uri: str, source: str, clips: int = 0, original: str | None = None) -> bytes:
    record = {s.SOURCE_URI: uri, s.SOURCE_ID: source, s.N_CLIPS: clips, COPY_OF: original}
    return json.dumps(record).encode()


def test_sources_are_in_order_and_once(tmp_path: Path) -> None:
    for name in ("b.mp4", "a/2.mp4", "a/10.mp4", "a.x/1.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    index = Index()
    assert index.name(list_sources([tmp_path / "b.mp4", tmp_path])) == 4
    pages = list(index.sources(3))
    names = [Path(uri).relative_to(tmp_path).as_posix() for page in pages for _, uri in page]
    assert names == ["b.mp4", "a/10.mp4", "a/2.mp4", "a.x/1.mp4"], "folder by folder"
    assert [position for page in pages for position, _ in page] == [1, 2, 3, 4]


def test_the_latest_record_of_a_source_counts_and_they_come_sorted() -> None:
    index = Index()
    index.load([line("/b", "old"), line("/é", "x"), line("/b", "new", 2)])
    index.put([line("/a", "y")])
    assert [json.loads(each)[s.SOURCE_ID] for each in index.records()] == ["y", "new", "x"]
    assert index.record("/c") is None
    assert index.holds_clips("new") and not index.holds_clips("old") and not index.holds_clips("y")


def test_a_content_is_held_by_the_first_that_claims_it() -> None:
    index = Index()
    index.load([line("/a", "one", 3), line("/b", "one", original="/a"), line("/c", "two")])
    assert index.claim("one", "/0") == "/a" and index.claim("two", "/0") == "/c"
    assert index.claim("three", "/d") == index.claim("three", "/e") == "/d"
    assert not index.release("one", "/b"), "it never held it"
    assert index.release("one", "/a"), "and /b was counted on it"
    assert index.claim("one", "/b") == "/b"
