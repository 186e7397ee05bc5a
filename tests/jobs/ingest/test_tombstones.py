"""What was forgotten stays out: a source at the next ingest of its file, a stretch at the next cut of its source."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq

from jobs.ingest.index import DROPPED
from jobs.ingest.ledger import Ledger, compile_sources
from jobs.ingest.plan import Admission, Windows, name_contents, named, unsettled
from jobs.ingest.stages import BODY, CLIP, END, KIND, Splitter
from jobs.ingest.summary import Tally
from jobs.ingest.tombstones import add_tombstones, mark, overlaps, read_tombstones
from pipeline import schema as s
from pipeline.config import IngestConfig
from pipeline.source.listing import file_source_id, list_sources
from tests.helpers.counter_media import write_counter


def todo(folder: Path, names: list[Path]) -> tuple[Ledger, list[str]]:
    ledger = Ledger(folder)
    ledger.index.name(list_sources(names))
    admission = Admission(ledger, False, lambda count: None)
    batches = unsettled(ledger, False, lambda count: None)
    windows = Windows(named(batches, lambda uris: lambda: name_contents(uris)), admission, 1000)
    return ledger, [source.uri for window in windows for source, _ in window]


def test_a_forgotten_source_ends_as_forgotten_wherever_its_file_lies(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    for name, text in (("a.mp4", "one"), ("copy.mp4", "one"), ("b.mp4", "two")):
        (raw / name).write_text(text)
    source = file_source_id(raw / "a.mp4")
    add_tombstones(tmp_path / "out", [source], [])
    ledger, left = todo(tmp_path / "out", [raw])
    assert [Path(uri).name for uri in left] == ["b.mp4"]
    tally = Tally(ledger.all())
    assert (tally.forgotten, tally.done, tally.quarantined) == (2, 0, 0)
    compile_sources(ledger, lambda record: None)
    rows = pq.read_table(tmp_path / "out" / "sources.parquet").to_pylist()
    assert {row[s.OUTCOME] for row in rows} == {"forgotten"}
    assert {row[s.SOURCE_ID] for row in rows} == {mark(source)}, "its id does not come back"
    (raw / "a.mp4").write_text("another film")
    _, left = todo(tmp_path / "out", [raw])
    assert sorted(Path(uri).name for uri in left) == ["a.mp4", "b.mp4"], "another content may come"


def test_a_forgotten_stretch_is_cut_no_more(tmp_path: Path) -> None:
    path = write_counter(tmp_path / "a.mp4", 60)
    config = IngestConfig(min_clip_s=0.2, max_clip_s=1.0)
    rows = split(tmp_path / "out", path, config)
    clips = [row for kind, row in rows if kind == CLIP]
    assert len(clips) >= 2
    span = ("source", clips[0][s.START_PTS], clips[0][s.END_PTS])
    add_tombstones(tmp_path / "out", [], [span])
    again = split(tmp_path / "out", path, config)
    assert [r[s.CLIP_ID] for k, r in again if k == CLIP] == [r[s.CLIP_ID] for r in clips[1:]]
    (end,) = (row for kind, row in again if kind == END)
    assert end[s.N_CLIPS] == len(clips) - 1
    assert end[DROPPED] == [[clips[0][s.START_S], clips[0][s.END_S], "forgotten"]]


def split(out: Path, path: Path, config: IngestConfig) -> list[tuple[str, dict]]:
    splitter = Splitter(str(out), config, 2)
    try:
        rows = list(splitter.split(0, str(path), "source"))
    finally:
        splitter.sandbox.close()
    return [(row[KIND][0], json.loads(row[BODY][0])) for row in rows]


def test_tombstones_add_up_and_say_nothing_of_the_work(tmp_path: Path) -> None:
    assert not read_tombstones(tmp_path).has_source("abc")
    add_tombstones(tmp_path, ["abc"], [("def", 5, 9)])
    add_tombstones(tmp_path, ["xyz"], [("def", 5, 9), ("def", 20, 30)])
    found = read_tombstones(tmp_path)
    assert found.has_source("abc") and found.has_source("xyz") and not found.has_source("def")
    assert found.spans_of("def") == [(5, 9), (20, 30)]
    text = (tmp_path / ".forgotten" / "tombstones.jsonl").read_text()
    assert not any(name in text for name in ("abc", "def", "xyz"))
    assert overlaps(8, 12, [(5, 9)]) and not overlaps(9, 12, [(5, 9)])
