"""A list is gone through in order: what is finished is passed over unread, copies find their original, windows end."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from jobs.ingest import plan as ingest_plan
from jobs.ingest.ledger import Ledger, compile_sources
from jobs.ingest.plan import Admission, Named, Source, Windows, name_contents, named, unsettled
from jobs.ingest.tombstones import add_tombstones, mark
from pipeline import schema as s
from pipeline.source.listing import list_sources
from pipeline.store.staging import TooSlow


def at_once(uris: list[str]) -> Any:
    return lambda: name_contents(uris)


def plan(folder: Path, names: list[Path], again: bool = False) -> tuple[Ledger, list[str], int]:
    """The ledger after the list was gone through, the sources to split, and how many others there were."""
    ledger, passed = Ledger(folder), list[int]()
    ledger.index.name(list_sources(names))
    admission = Admission(ledger, again, passed.append)
    windows = Windows(named(unsettled(ledger, again, passed.append), at_once), admission, 1000)
    todo = [source.uri for window in windows for source, _ in window]
    return ledger, todo, sum(passed)


def finish(ledger: Ledger, uri: str) -> None:
    """Record a source as one that went through, with one clip whose rows are there."""
    ((content, _),) = name_contents([uri])
    part = ledger.folder / "manifest" / f"part-{content}.parquet"
    part.parent.mkdir(parents=True, exist_ok=True)
    part.touch()
    stamp = ingest_plan.source_stamp(uri, sidecars=True)
    end = {s.SOURCE_ID: content, s.SOURCE_URI: uri, s.OUTCOME: "done", s.N_CLIPS: 1}
    ledger.write({**end, ingest_plan.STAMP: stamp})


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Four files of which two are the same, and a list of them and more in an order of its own."""
    folder = tmp_path / "raw"
    folder.mkdir()
    for name, text in (("a.mp4", "one"), ("b.mp4", "two"), ("c.mp4", "one"), ("d.mp4", "three")):
        (folder / name).write_text(text)
    lines = ["# films", "", "d.mp4", "c.mp4", "gone.mp4", "./c.mp4", "a.mp4", "  b.mp4  ", "d.mp4"]
    (folder / "list.txt").write_text("\n".join(lines))
    return folder


def test_the_first_of_a_content_in_the_list_is_split_and_its_copies_name_it(
    raw: Path, tmp_path: Path
) -> None:
    ledger, todo, passed = plan(tmp_path / "out", [raw / "list.txt"])
    assert [Path(uri).name for uri in todo] == ["d.mp4", "c.mp4", "b.mp4"] and passed == 2
    copy, gone = ledger.read(str(raw / "a.mp4")), ledger.read(str(raw / "gone.mp4"))
    assert copy and copy[s.ERROR_MESSAGE] == f"same content as {raw / 'c.mp4'}"
    assert gone and gone[s.ERROR_TYPE] == "unreadable" and gone[s.OUTCOME] == "quarantined"
    _, todo, _ = plan(tmp_path / "other", [raw])
    assert [Path(uri).name for uri in todo] == ["a.mp4", "b.mp4", "d.mp4"], "a folder is sorted"


def test_what_is_finished_is_passed_over_unread(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger, todo, _ = plan(tmp_path / "out", [raw / "list.txt"])
    for uri in todo[:2]:
        finish(ledger, uri)
    read: list[str] = []
    real = ingest_plan.file_source_id
    monkeypatch.setattr(ingest_plan, "file_source_id", lambda uri: read.append(uri) or real(uri))
    _, todo, passed = plan(tmp_path / "out", [raw / "list.txt"])
    assert read == todo == [str(raw / "b.mp4")] and passed == 4
    os.utime(raw / "d.mp4", (1, 1))
    _, todo, _ = plan(tmp_path / "out", [raw / "d.mp4"])
    assert not todo and read[-1] == str(raw / "d.mp4"), "a touched file is read, and is the same"
    _, todo, _ = plan(tmp_path / "out", [raw / "d.mp4"])
    assert not todo and read.count(str(raw / "d.mp4")) == 1, "which is remembered"
    assert plan(tmp_path / "out", [raw / "d.mp4"], again=True)[1] == [str(raw / "d.mp4")]
    next((tmp_path / "out" / "manifest").glob("*")).unlink()
    assert len(plan(tmp_path / "out", [raw / "d.mp4", raw / "c.mp4"])[1]) == 1, "its rows are gone"


@pytest.mark.parametrize(
    "trouble",
    [TooSlow(110, "no answer"), ConnectionError(104, "reset"), PermissionError(13, "403")],
    ids=lambda error: type(error).__name__,
)
def test_a_network_that_is_down_takes_no_clips_away(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: OSError
) -> None:
    """A source that gave clips and cannot be reached today keeps them; only a new one is quarantined for it."""
    out, known = tmp_path / "out", raw / "d.mp4"
    ledger, todo, _ = plan(out, [known])
    finish(ledger, str(known))
    os.utime(known, (1, 1))  # its stamp differs, so it is read again

    def fails(uri: str) -> str:
        trouble.filename = f"s3://bucket/{Path(uri).name}"
        raise trouble

    with monkeypatch.context() as patch:
        patch.setattr(ingest_plan, "file_source_id", fails)
        ledger, todo, passed = plan(out, [known, raw / "b.mp4"])
    assert not todo and passed == 2
    record = ledger.read(str(known))
    assert record and (record[s.OUTCOME], record[s.N_CLIPS]) == ("done", 1), "its clips are lost"
    new = ledger.read(str(raw / "b.mp4"))
    assert new and new[s.OUTCOME] == "quarantined"
    assert new[s.ERROR_TYPE] in ingest_plan.PASSING and new[s.N_CLIPS] == 0


def test_a_known_source_that_is_gone_for_good_is_quarantined(raw: Path, tmp_path: Path) -> None:
    ledger, _, _ = plan(tmp_path / "out", [raw / "d.mp4"])
    finish(ledger, str(raw / "d.mp4"))
    (raw / "list.txt").write_text("d.mp4\n")
    (raw / "d.mp4").unlink()
    ledger, todo, _ = plan(tmp_path / "out", [raw / "list.txt"])
    record = ledger.read(str(raw / "d.mp4"))
    assert record and record[s.OUTCOME] == "quarantined" and not todo
    assert record[s.ERROR_TYPE] not in ingest_plan.PASSING


def test_copies_of_a_file_that_changed_are_looked_at_again(raw: Path, tmp_path: Path) -> None:
    ledger, _, _ = plan(tmp_path / "out", [raw / "a.mp4", raw / "c.mp4"])
    finish(ledger, str(raw / "a.mp4"))
    (raw / "a.mp4").write_text("something else")
    ledger = Ledger(tmp_path / "out")
    ledger.index.name(list_sources([raw / "a.mp4", raw / "c.mp4"]))
    admission = Admission(ledger, False, lambda _: None)
    windows = Windows(named(unsettled(ledger, False, lambda _: None), at_once), admission, 9)
    assert [source.uri for (window) in windows for source, _ in window] == [str(raw / "a.mp4")]
    assert admission.first_copy_changed
    ledger.write(
        {s.SOURCE_ID: "new", s.SOURCE_URI: str(raw / "a.mp4"), s.OUTCOME: "done", s.N_CLIPS: 0}
    )
    (again,) = unsettled(ledger, False, lambda _: None)
    assert str(raw / "c.mp4") in [source.uri for source in again]


def test_names_that_are_no_text_reach_the_table(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.mp4")
    (tmp_path / "list.txt").write_bytes(b"caf\xe9.mp4\n")
    (tmp_path / name).write_text("video")
    ledger, todo, _ = plan(tmp_path / "out", [tmp_path / "list.txt"])
    assert todo == [str(tmp_path / name)]
    finish(ledger, todo[0])
    compile_sources(ledger, lambda _: None)
    (row,) = pq.read_table(tmp_path / "out" / "sources.parquet").to_pylist()
    assert row[s.SOURCE_URI] == f"{tmp_path}/caf\\xe9.mp4"
    assert plan(tmp_path / "out", [tmp_path / "list.txt"])[1] == []


def test_records_are_gathered_and_the_latest_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.ingest.ledger.SEGMENT", 3)
    ledger = Ledger(tmp_path)

    def end(uri: str, clips: int) -> dict[str, Any]:
        return {s.SOURCE_ID: f"id-{uri}", s.SOURCE_URI: uri, s.OUTCOME: "done", s.N_CLIPS: clips}

    for number in range(7):
        ledger.write(end(f"{number}", 0))
    assert len(list(tmp_path.glob(".ingest/sources/*/*.json"))) == 1
    assert len(list(tmp_path.glob(".ingest/records/*"))) == 2
    ledger.write_all([end("6", 2), end("0", 5)])
    assert not list(tmp_path.glob(".ingest/sources/*/*.json")), "one would count for more"
    Ledger(tmp_path).write(end("1", 9))
    clips = [record[s.N_CLIPS] for record in Ledger(tmp_path).all()]
    assert clips == [5, 9, 0, 0, 0, 0, 2]


def test_a_window_ends_when_it_is_full_or_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def batches() -> Iterator[list[tuple[Source, Named]]]:
        for order in range(10):
            yield [(Source(order=order, uri=f"/{order}", stamp="x"), (f"id{order}", None))]
            if order == 4:
                windows.hurry.set()

    monkeypatch.setattr(ingest_plan, "PATIENCE_S", -1.0)
    windows = Windows(batches(), Admission(Ledger(tmp_path), False, lambda _: None), 4)
    assert [len(window) for window in windows] == [4, 2, 1, 1, 1, 1]


def test_a_sidecar_that_changed_is_noticed(raw: Path, tmp_path: Path) -> None:
    (raw / "b.txt").write_text("A dog runs.")
    ledger, todo, _ = plan(tmp_path / "out", [raw])
    for uri in todo:
        finish(ledger, uri)
    assert plan(tmp_path / "out", [raw])[1] == []
    (raw / "b.txt").write_text("A dog sleeps.")
    (raw / "a.json").write_text('{"caption": "A cat sits."}')
    ledger, todo, _ = plan(tmp_path / "out", [raw])
    assert [Path(uri).name for uri in todo] == ["a.mp4", "b.mp4"], "one changed, one is new"
    for uri in todo:
        finish(ledger, uri)
    (raw / "b.txt").unlink()
    ledger, todo, _ = plan(tmp_path / "out", [raw])
    assert [Path(uri).name for uri in todo] == ["b.mp4"], "one is gone"
    off = list(unsettled(ledger, False, lambda _: None, sidecars=False))
    assert {Path(source.uri).name for batch in off for source in batch} >= {"a.mp4"}


def test_a_forgotten_source_is_not_split_and_its_record_does_not_name_it(
    raw: Path, tmp_path: Path
) -> None:
    """What was taken out for good stays out, though its file is still in the list."""
    out = tmp_path / "out"
    ((content, _),) = name_contents([str(raw / "d.mp4")])
    add_tombstones(out, [content], [])
    ledger, todo, passed = plan(out, [raw / "d.mp4", raw / "b.mp4"])
    assert todo == [str(raw / "b.mp4")] and passed == 1
    record = ledger.read(str(raw / "d.mp4"))
    assert record and record[s.OUTCOME] == "forgotten" and record[s.SOURCE_ID] == mark(content)
    assert content not in str(record)


def test_a_copy_names_its_original_without_the_signature_of_its_link(tmp_path: Path) -> None:
    """``sources.parquet`` is passed on; a presigned link in it opens somebody's bucket."""
    ledger = Ledger(tmp_path)
    admission = Admission(ledger, False, lambda count: None)
    links = ["https://a.example/one.mp4?X-Signature=secret", "https://b.example/two.mp4?key=secret"]
    ledger.index.name((number, link, link) for number, link in enumerate(links))
    sources = [Source(order=i, uri=uri, stamp="1") for i, uri in enumerate(links)]
    assert [admission.admit(source, ("0" * 32, None)) for source in sources] == [True, False]
    admission.flush()
    record = ledger.read(links[1])
    assert record and "a.example/one.mp4" in record[s.ERROR_MESSAGE]
    assert "secret" not in record[s.ERROR_MESSAGE]


def test_records_of_what_ends_at_once_are_written_before_there_are_many(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list of a million copies would else be held in memory, and lost with a kill."""
    monkeypatch.setattr(ingest_plan, "BULK", 2)
    written: list[int] = []
    real = Ledger.write_all
    monkeypatch.setattr(
        Ledger, "write_all", lambda self, all: written.append(len(all)) or real(self, all)
    )
    names = [raw / f"{letter}.mp4" for letter in "acdb"]
    for name in names:
        name.write_text("same")
    plan(tmp_path / "out", names)
    assert written == [2, 1]
