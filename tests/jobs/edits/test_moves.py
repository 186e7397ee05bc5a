"""Cuts that people move are made: new clips with new ids and other frames, and the old ones again when it is undone."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from jobs.cli import main as cli
from jobs.core.errors import UserError
from jobs.core.run import open_run
from jobs.edits.apply import run_edits
from jobs.edits.command import main as edits
from pipeline import schema as s
from pipeline.shards.ranges import read_clip
from tests.helpers.caption_here import caption_here
from tests.helpers.counter_media import numbers_of, write_counter
from tests.helpers.faulty_server import FaultyServer
from tests.helpers.ingest_here import ingest_here

WORDS = ("--set", "openclip.model=none", "--set", "ingest.max_clip_s=1.0")
WORDS += ("--set", "ingest.min_clip_s=0.2", "--set", "ingest.text_frames=0")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Where the folder of ``run`` was made, and where it is kept."""
    place = tmp_path_factory.mktemp("made") / "home"
    (place / "raw").mkdir(parents=True)
    write_counter(place / "raw" / "a.mp4", 60)
    write_counter(place / "raw" / "b.mp4", 40)
    with pytest.MonkeyPatch.context() as patch:
        ingest_here(patch)
        ingest(place)
    return place, place.rename(place.parent / "kept")


@pytest.fixture
def run(made: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A film of 60 numbered frames in three clips or more, and one whose cuts nobody moves."""
    place, kept = made  # tables name the place, so each test has the same one
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(kept, place)  # with the times of files, by which a source is known
    ingest_here(monkeypatch)
    return place


def ingest(folder: Path) -> None:
    assert cli(["ingest", str(folder / "raw"), "--out", str(folder / "run"), *WORDS]) == 0


def clips(folder: Path, name: str = "a.mp4") -> dict[str, list[int]]:
    """clip_id -> numbers of its frames, in the order of the source."""
    rows = pq.read_table(folder / "run" / "manifest").to_pylist()
    rows = [row for row in rows if row[s.SOURCE_URI].endswith(name)]
    return {
        row[s.CLIP_ID]: numbers_of(read_clip(str(folder / "run" / "clips"), row))[0]
        for row in sorted(rows, key=lambda row: row[s.START_S])
    }


def move(folder: Path, clip: str, start: int, end: int, capsys: pytest.CaptureFixture[str]) -> str:
    words = [str(folder / "run"), "--clip", clip, "--start", str(start), "--end", str(end)]
    capsys.readouterr()
    assert edits(words) == 0
    found = re.search(r"edits: (\w+) moves", capsys.readouterr().out)
    assert found
    return found[1]


def test_a_moved_end_makes_new_clips_and_undo_brings_the_old_ones_back(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, other = clips(run), clips(run, "b.mp4")
    first, second, *rest = before
    untouched = {p.name: p.stat().st_mtime_ns for p in (run / "run" / "manifest").iterdir()}
    edit = move(run, first, 2, 3, capsys)
    ingest(run)
    after = clips(run)
    new_first, new_second, *new_rest = after
    assert after[new_first] == [*before[first][2:], *before[second][:3]]
    assert after[new_second] == before[second][3:], "the neighbour gives way: no frame twice"
    assert new_rest == rest and {first, second}.isdisjoint(after)
    assert clips(run, "b.mp4") == other
    now = {p.name: p.stat().st_mtime_ns for p in (run / "run" / "manifest").iterdir()}
    assert sum(now[name] != at for name, at in untouched.items()) == 1, "only its source was cut"
    dropped = pq.read_table(run / "run" / "dropped.parquet").to_pylist()
    assert [(row[s.REASON], row[s.START_S]) for row in dropped] == [("by_hand", 0.0)]
    held = {row[s.CLIP_ID] for row in pq.read_table(run / "run" / "clips").to_pylist()}
    assert held == set(after) | set(other), "the old clips have left"
    ingest(run)
    assert "nothing to do" in capsys.readouterr().out
    assert edits([str(run / "run"), "--undo", edit]) == 0
    ingest(run)
    assert clips(run) == before


def test_moves_follow_each_other_and_the_order_of_journals_does_not_matter(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = clips(run)
    last = list(before)[-1]
    one = move(run, last, -4, 0, capsys)
    ingest(run)
    again = list(clips(run))[-1]
    move(run, again, 0, -2, capsys)
    ingest(run)
    *_, end = clips(run).values()
    whole = [number for numbers in before.values() for number in numbers]
    kept = whole[whole.index(before[last][0]) - 4 : -2]
    assert end == kept
    found = run_edits(open_run(run / "run"))
    assert found.cuts() == {}, "both have been made"
    assert not found.waiting
    fresh = run / "run2"
    (run / "run" / "edits").rename(run / "edits")
    assert cli(["ingest", str(run / "raw"), "--out", str(fresh), *WORDS]) == 0
    (run / "edits").rename(fresh / "edits")
    assert cli(["ingest", str(run / "raw"), "--out", str(fresh), *WORDS]) == 0
    ids = [
        set(pq.read_table(each / "manifest")[s.CLIP_ID].to_pylist())
        for each in (fresh, run / "run")
    ]
    assert ids[0] == ids[1], "a replay in one go comes to the same clips"
    assert edits([str(fresh), "--undo", one]) == 0


def test_a_decision_follows_its_clip_and_what_cannot_be_moved_is_told(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from jobs.edits.journal import Journal

    first, second, *_ = clips(run)
    row = next(
        row
        for row in pq.read_table(run / "run" / "manifest").to_pylist()
        if row[s.CLIP_ID] == second
    )
    place = {name: row[name] for name in (s.CLIP_ID, s.SOURCE_ID, s.START_S, s.END_S)}
    Journal(run / "run").append("ann", "decision", {"decision": "keep"}, **place)
    move(run, second, 9, 0, capsys)  # nearly half of it goes
    ingest(run)
    new = list(clips(run))[1]
    assert new != second and run_edits(open_run(run / "run")).decisions() == {new: "keep"}
    with pytest.raises(UserError, match="has no clip nowhere"):
        edits([str(run / "run"), "--clip", "nowhere", "--start", "1"])
    with pytest.raises(UserError, match="name it with --clip"):
        edits([str(run / "run"), "--start", "1"])
    move(run, first, 500, 0, capsys)
    ingest(run)
    assert next(iter(clips(run))) == first, "a move that leaves no frame is not made"


def captions(folder: Path) -> dict[str, str]:
    """clip_id -> what the model said of it."""
    rows = pq.read_table(folder / "run" / "captions").to_pylist()
    assert all(row[s.OUTCOME] == "ok" for row in rows)
    return {row[s.CLIP_ID]: row[s.TEXT] for row in rows}


def test_a_models_caption_stays_with_the_frames_that_it_was_given(
    run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    caption_here(monkeypatch)
    folder = str(run / "run")
    select = ["select", folder, "--set", "select.dedup_phash=false"]
    select += ["--set", "select.dedup_exact=false", "--set", "select.where={}"]
    with FaultyServer() as server:  # it answers with a hash of the pictures that it was sent
        caption = ["caption", folder, "--set", "caption.backend=openai", "--set", "caption.model=m"]
        caption += ["--set", f"caption.base_url={server.url}", "--set", 'caption.kinds=["short"]']
        caption += ["--set", 'caption.prompts={short = "echo {frames}"}']
        caption += ["--set", "caption.check=false"]
        assert cli(select) == 0 and cli(caption) == 0
        before = captions(run)
        assert before.keys() == clips(run).keys() | clips(run, "b.mp4").keys()
        first, second, *_ = clips(run)
        edit = move(run, first, 2, 3, capsys)
        ingest(run)
        new_first, new_second, *_ = clips(run)
        assert cli(["pack", folder]) == 2, "the selection is of the clips before"
        assert cli(select) == 0
        server.bodies.clear()
        assert cli(caption) == 0
        assert len(server.bodies) == 2, "the two clips with other frames are asked about, no more"
        after = captions(run)
        now = clips(run).keys() | clips(run, "b.mp4").keys()
        assert after.keys() == now | {first, second}, "the old ones wait for an undo"
        assert after[new_first] != before[first] and after[new_second] != before[second]
        rest = now - {new_first, new_second}
        assert rest and all(after[clip] == before[clip] for clip in rest)
        assert edits([folder, "--undo", edit]) == 0
        ingest(run)
        server.bodies.clear()
        assert cli(select) == 0 and cli(caption) == 0
        assert not server.bodies, "their captions are there"
        assert {clip: captions(run)[clip] for clip in clips(run)}.items() <= before.items()
