"""What ingest leaves behind: swept of what a kill left half written, and a full disk is named by the driver."""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from jobs.cli import user_message
from jobs.core.errors import UserError
from jobs.edits.moves import MOVED
from jobs.ingest import command as ingest
from jobs.ingest import ledger as ingest_ledger
from jobs.ingest import stages as ingest_stages
from jobs.ingest.given import GIVEN, PLACE
from jobs.ingest.index import COPY_OF, DROPPED
from jobs.ingest.ledger import (
    Ledger,
    check_settings,
    commit_source,
    compile_sources,
    complete,
    exclusive,
    lost_parts,
    part_name,
    part_source,
    record_line,
    source_columns,
    sweep,
)
from jobs.ingest.windows import Row
from jobs.report.status import read_status
from pipeline import schema as s
from pipeline.config import IngestConfig, OpenClipConfig
from pipeline.tables import manifest_schema
from tests.helpers.ingest_here import ingest_here
from tests.helpers.run_folders import make_run


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

    ingest_here(monkeypatch, execute)
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
    check_settings(ledger, "one", "sides = 64")
    noted = json.loads((tmp_path / ".ingest" / "settings.json").read_text())
    assert noted == {"key": "one", "settings": "sides = 64"}, "the next version reads it, too"
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


def records(folder: Path) -> list[Path]:
    return sorted(path for path in (folder / ".ingest").rglob("*") if path.is_file())


def test_many_single_records_become_one_file_and_the_latest_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file for each of a million sources takes a file system's room; an older word must not come back."""
    monkeypatch.setattr(ingest_ledger, "SEGMENT", 3)
    ledger = Ledger(tmp_path)
    for uri in "ab":
        ledger.write(ended(uri))
    assert len(records(tmp_path)) == 2
    ledger.write(ended("c"))
    (segment,) = records(tmp_path)
    assert segment.parent.name == "records" and segment.name == "00000001.jsonl.gz"
    ledger.write({**ended("a"), s.OUTCOME: "quarantined"})
    ledger.write_all([{**ended("a"), s.OUTCOME: "forgotten"}, ended("d")])
    segments = [f"0000000{number}.jsonl.gz" for number in (1, 2, 3)]
    assert [path.name for path in records(tmp_path)] == segments
    ledger.write_all([])
    for again in (ledger, Ledger(tmp_path)):
        found = {record[s.SOURCE_URI]: record[s.OUTCOME] for record in again.all()}
        assert found == {"a": "forgotten", "b": "done", "c": "done", "d": "done"}
    later = Ledger(tmp_path)
    later.write(ended("e"))
    later.write_all([{**ended("d"), s.OUTCOME: "quarantined"}])
    assert [path.name for path in records(tmp_path)][:2] == segments[:2]
    assert (Ledger(tmp_path).read("d") or {})[s.OUTCOME] == "quarantined"
    assert len(Ledger(tmp_path).path("e").name) == len("0" * 20 + ".json")
    assert Ledger(tmp_path).path("e").parent.name == Ledger(tmp_path).path("e").name[:2]


def test_what_a_record_speaks_of_is_there_or_the_source_is_taken_anew(tmp_path: Path) -> None:
    """A record whose rows are gone would leave a source out of every set to come, without a word."""
    (tmp_path / "manifest").mkdir()
    for name in (f"part-{'a' * 32}.parquet", f"part-{'b' * 32}-001.parquet", ".part-x.tmp", "x"):
        (tmp_path / "manifest" / name).touch()
    ledger = Ledger(tmp_path)
    whole = {**ended("a"), s.N_CLIPS: 2}
    assert ledger.intact(whole) and ledger.intact({**ended("b"), s.N_CLIPS: 1})
    assert not ledger.intact({**ended("c"), s.N_CLIPS: 1}) and ledger.intact(ended("c"))
    copy = {**ended("z"), s.SOURCE_ID: "a" * 32, COPY_OF: "a", MOVED: "else"}
    assert not ledger.intact(copy), "what it is a copy of has no record"
    ledger.write({**whole, s.SOURCE_ID: "y" * 32})
    assert not ledger.intact(copy), "it has become another"
    ledger.write(whole)
    assert ledger.intact(copy) and ledger.cut_as_moved(copy)
    assert ledger.cut_as_moved(whole) and not ledger.cut_as_moved({**whole, MOVED: "else"})
    ledger.write({**ended("d"), s.N_CLIPS: 4})
    assert ledger.intact({**ended("d"), s.N_CLIPS: 4}), "its rows were written before its record"


@pytest.mark.parametrize("table", ["clips", "embeddings", "manifest"])
def test_a_source_of_which_a_table_lost_its_file_is_taken_anew(tmp_path: Path, table: str) -> None:
    """A rule of a bucket, or a person: ``curate`` said that there is nothing to do, and captions failed for good."""
    run = make_run(tmp_path / "run", tmp_path / "raw", ("quay", "mill"), clips=1)
    ledger = Ledger(run.path)
    first, second = ledger.all()
    assert ledger.intact(first) and ledger.intact(second) and lost_parts(run.path) == 0
    assert (read_status(run)[0].state, read_status(run)[0].note) == ("done", "2 clips")
    next((run / table).glob(f"part-{first[s.SOURCE_ID]}*")).unlink()
    ledger = Ledger(run.path)
    assert not ledger.intact(first) and ledger.intact(second) and lost_parts(run.path) == 1
    line = read_status(run)[0]
    assert (line.state, line.note) == ("incomplete", "files of 1 sources are gone")
    ledger.write(first)  # ingested anew
    assert ledger.intact(first)


def test_what_only_measures_has_no_clips_and_is_whole(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", tmp_path / "raw", ("quay",), clips=1)
    shutil.rmtree(run / "clips")
    ledger = Ledger(run.path)
    assert all(map(ledger.intact, ledger.all())) and lost_parts(run.path) == 0


def test_a_line_says_only_what_there_is_and_is_read_back_with_every_key() -> None:
    line = record_line({**ended("a"), DROPPED: [], s.ERROR_TYPE: None, COPY_OF: "b", "stamp": "1"})
    assert json.loads(line) == {**ended("a"), COPY_OF: "b", "stamp": "1"} and line.endswith(b"}\n")
    back = complete(json.loads(line))
    assert back[DROPPED] == [] and back[s.ERROR_TYPE] is None and back[COPY_OF] == "b"
    assert {*source_columns(), DROPPED, GIVEN, COPY_OF, MOVED, "stamp"} == set(back)
    assert part_source("part-abc-001.parquet") == part_source("part-abc.parquet") == "abc"
    assert part_source("notes-abc.parquet") == "" and part_name("abc") == "part-abc.parquet"


def test_tables_are_written_in_groups_and_rows_of_no_source_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest_ledger, "ROW_GROUP", 2)
    ledger = Ledger(tmp_path)
    for uri in "eadcb":
        lost = [[0.0, 1.0, "short"], [1.0, 2.0, "fade"]] if uri in "ad" else [[0.0, 0.5, "short"]]
        ledger.write({**ended(uri), s.N_CLIPS: int(uri == "a"), DROPPED: lost})
    for table in ("clips", "embeddings", "manifest"):
        (tmp_path / table).mkdir()
        for name in (part_name("a" * 32), part_name("b" * 32), "notes.txt"):
            (tmp_path / table / name).touch()
    told: list[str] = []
    compile_sources(ledger, lambda record: told.append(record[s.SOURCE_URI]))
    with pq.ParquetFile(tmp_path / "sources.parquet") as file:
        assert file.num_row_groups == 3
        assert file.read()[s.SOURCE_URI].to_pylist() == list("abcde") == told
    with pq.ParquetFile(tmp_path / "dropped.parquet") as file:
        rows = file.read().to_pylist()
        assert file.num_row_groups == 4, "of two stretches at least, but for the last"
    assert [row[s.SOURCE_URI] for row in rows] == list("aabcdde")
    assert [(row[s.END_S], row[s.REASON]) for row in rows[:2]] == [(1.0, "short"), (2.0, "fade")]
    assert {row[s.SOURCE_ID] for row in rows} == {uri * 32 for uri in "abcde"}
    for table in ("clips", "embeddings", "manifest"):
        left = sorted(path.name for path in (tmp_path / table).iterdir())
        assert left == ["notes.txt", part_name("a" * 32)]


def test_vectors_and_scores_of_a_source_are_there_before_its_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger, order = Ledger(tmp_path), list[str]()
    real, note = ingest_ledger.write_table, ledger.write

    def table(path: Any, *args: Any) -> None:
        order.append(path.parent.name)
        real(path, *args)

    monkeypatch.setattr(ingest_ledger, "write_table", table)
    monkeypatch.setattr(ledger, "write", lambda end: order.append("record") or note(end))
    ranges = [("part-a.parquet", 4, 10, "x"), ("part-a.parquet", 14, 20, "y")]
    end = {**ended("a"), s.N_CLIPS: 2, "ranges": ranges, "embedding_dim": 3}
    vector = np.array([0.5, 1.0, 2.0], np.float16)
    names = {f"{s.CONCEPT_PREFIX}cat": 0.25, "mine": 0.75}
    clips = [
        ({s.CLIP_ID: "a-1", PLACE: 1, **names}, None),
        ({s.CLIP_ID: "a-0", PLACE: 0}, vector.tobytes()),
    ]
    commit_source(ledger, end, clips, ("cat",), ("mine",))
    assert order == ["embeddings", "manifest", "record"]
    found = pq.read_table(tmp_path / "embeddings" / part_name("a" * 32)).to_pylist()
    assert [row[s.CLIP_ID] for row in found] == ["a-0", "a-1"]
    assert found[0][s.CLIP_EMBEDDING] == [0.5, 1.0, 2.0] and found[1][s.CLIP_EMBEDDING] is None
    part = pq.read_table(tmp_path / "manifest" / part_name("a" * 32))
    assert part.schema.equals(manifest_schema(("cat",), ("mine",)), check_metadata=False)
    rows = part.to_pylist()
    assert [(row[s.SHARD], row[s.BYTE_LENGTH]) for row in rows] == [
        ("part-a.parquet", 10),
        ("part-a.parquet", 20),
    ]
    assert (rows[1][f"{s.CONCEPT_PREFIX}cat"], rows[1]["mine"]) == (0.25, 0.75)
    with pytest.raises(ValueError, match="shorter"):  # a clip less would be missed by nobody
        commit_source(ledger, {**end, "ranges": ranges[:1]}, clips, ("cat",), ("mine",))
    for uri, clip in (("b", clips), ("c", [])):
        bad = {**end, **ended(uri), s.OUTCOME: "quarantined" if clip else "done"}
        commit_source(ledger, bad, clip, ("cat",), ("mine",))
    assert order[3:] == ["record", "record"], "of a source that failed, or has no clip, no rows"


def test_only_files_that_were_cut_short_are_swept(tmp_path: Path) -> None:
    hidden = tmp_path / ".ingest"
    gone = [
        tmp_path / "clips" / ".a",
        tmp_path / "embeddings" / ".a",
        hidden / ".total.json.1.tmp",
        hidden / "records" / ".1.tmp",
        hidden / "underway" / "a.json",
        hidden / "underway" / ".a.tmp",
    ]
    kept = [
        tmp_path / "clips" / "part-a.parquet",
        tmp_path / "recipe.toml",
        tmp_path / ".lock",
        hidden / "total.json",
        hidden / "records" / "00000001.jsonl.gz",
        tmp_path / "clips" / ".folder" / "x",
    ]
    for path in (*gone, *kept):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    sweep(tmp_path)
    assert not any(path.exists() for path in gone) and all(path.exists() for path in kept)
    assert not (hidden / "underway").exists()
    sweep(tmp_path)  # once more there is nothing to do
