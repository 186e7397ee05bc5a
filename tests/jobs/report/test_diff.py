"""Two runs beside each other: entered, left, changed, recut; recipes on one run; captioners; text, JSON and page."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from jobs.core.errors import UserError
from jobs.core.run import open_run
from jobs.edits.journal import Journal
from jobs.report import diff
from jobs.report.compare import compare
from jobs.report.data import read_run
from jobs.report.pictures import PictureBudget, StillCache, kept_cards
from jobs.select import command as select
from jobs.trace import lineage
from pipeline import schema as s
from pipeline.config import SelectConfig
from tests.helpers.run_folders import make_run, tree, write_captions

FAST = 'fast = "motion_mean > 0.25"'


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of the same films: ``b`` keeps fast clips only, and its captions are another model's."""
    folder = tmp_path_factory.mktemp("diff")
    for name in ("a", "b"):
        make_run(folder / name, folder / "raw", ("quay", "mill"))
    run = open_run(folder / "b")
    select.run(SelectConfig(dedup_cosine=None, where={"fast": "motion_mean > 0.25"}), run)
    for part in (folder / "b" / "captions").glob("*"):
        part.unlink()
    write_captions(run, seed=7)
    (folder / "slow.toml").write_text('[select.where]\nslow = "motion_mean < 0.25"\n')
    (folder / "fast.toml").write_text(f"[select.where]\n{FAST}\n")
    return folder


def test_what_left_is_named_with_its_reason_and_funnels_stand_side_by_side(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert diff.main([str(home / "a"), str(home / "b"), "--json"]) == 0
    body = json.loads(capsys.readouterr().out)
    assert (body["kept_a"], body["kept_b"], body["both"]) == (6, 2, 2)
    assert body["entered"] == [] and {clip["why_b"] for clip in body["left"]} == {"fast"}
    steps = {row["step"]: (row["a"], row["b"]) for row in body["funnel"]}
    assert steps["kept"] == (6, 2) and steps["fast"] == (None, 2)
    (dense,) = (kind for kind in body["captions"] if kind["kind"] == "dense")
    assert (dense["ok_a"], dense["ok_b"], dense["changed"]) == (6, 2, 2)
    assert diff.main([str(home / "b"), str(home / "a"), "--clips", "1"]) == 0
    said = capsys.readouterr().out
    assert "entered (kept in B alone): 4" in said and "and 3 more" in said
    assert "A: fast; B: kept" in said


def test_two_recipes_are_tried_on_one_run_and_nothing_is_written(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = tree(home / "a")
    names = [str(home / "slow.toml"), str(home / "fast.toml")]
    assert diff.main([*names, "--on", str(home / "a"), "--json"]) == 0
    body = json.loads(capsys.readouterr().out)
    assert len(body["entered"]) == 2 and len(body["left"]) == 4 and body["captions"] == []
    assert ["select.where.fast", "-", "motion_mean > 0.25"] in body["settings"]
    assert tree(home / "a") == before


def test_a_caption_corrected_by_hand_is_compared_and_shown_as_it_is_packed(tmp_path: Path) -> None:
    make_run(tmp_path / "a", tmp_path / "raw", ("quay",))
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    clip = open_run(tmp_path / "b").kept_clips()[s.CLIP_ID][0].as_py()
    corrected = {"kind": "dense", "text": "A quay, as a person says."}
    Journal(tmp_path / "b").append("ann", "caption", corrected, clip_id=clip)
    a, b = (read_run(open_run(tmp_path / name)) for name in "ab")
    (dense, *others) = sorted(compare(a, b, "a", "b").captions, key=lambda kind: kind.kind)
    assert [(dense.kind, dense.changed), *((kind.kind, kind.changed) for kind in others)] == [
        ("dense", 1),
        ("short", 0),
    ]
    assert dense.examples[0][2] == "A quay, as a person says." and dense.ok_a == dense.ok_b
    cards = {
        card["id"]: card["captions"]
        for card in kept_cards(StillCache(b), PictureBudget(left=10**9))
    }
    assert ("dense", "A quay, as a person says.", "ok") in cards[clip]
    found = list(lineage.lines(lineage.read_lineage(open_run(tmp_path / "b"), clip, [])))
    assert "  caption   dense by hand, in its place: A quay, as a person says." in found
    # a clip that is no longer kept has its captions still, and they are no captions of the run
    run = open_run(tmp_path / "b")
    Journal(run.path).append("ann", "decision", {"decision": "reject"}, clip_id=clip)
    select.run(SelectConfig(dedup_cosine=None), run)
    told = {kind.kind: kind for kind in compare(a, read_run(run), "a", "b").captions}
    assert {kind: each.ok_b for kind, each in told.items()} == {
        kind: each.ok_a - 1 for kind, each in told.items()
    }
    assert told["dense"].model_b == told["dense"].model_a, "no word of a person is left"


def test_a_run_beside_itself_has_no_difference(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert diff.main([str(home / "a"), str(home / "a")]) == 0
    assert "no difference" in capsys.readouterr().out


def test_clips_of_sources_that_were_cut_otherwise_are_found_by_their_time(home: Path) -> None:
    import dataclasses

    import pyarrow as pa

    run = read_run(open_run(home / "a"))
    rows = run.clips.to_pylist()
    for number, row in enumerate(rows):
        row[s.CLIP_ID] = f"other{number}"
        row[s.START_S] += 0.1
    moved = dataclasses.replace(run, clips=pa.Table.from_pylist(rows, schema=run.clips.schema))
    found = compare(run, moved, "a", "moved")
    assert found.recut == 6 and found.both == 6 and not found.entered and not found.left
    for row in rows:
        row[s.START_S] += 1000
        row[s.END_S] += 1000
    far = dataclasses.replace(run, clips=pa.Table.from_pylist(rows, schema=run.clips.schema))
    found = compare(run, far, "a", "far")
    assert (found.recut, len(found.entered), len(found.left)) == (0, 6, 6)


def test_the_page_has_the_clips_pictures_and_escapes_names(home: Path) -> None:
    out = home / "out" / "diff.html"
    out.parent.mkdir()
    assert diff.main([str(home / "a"), str(home / "b"), "--html", str(out)]) == 0
    page = out.read_text()
    assert page.count("data:image/jpeg;base64,") == 4 and "default-src 'none'" in page
    run = read_run(open_run(home / "a"))
    found = compare(run, run, "<script>alert(1)</script>", "b")
    from jobs.report.diff_page import write_page

    write_page(out, found, run, run)
    assert "<script>" not in out.read_text() and "&lt;script&gt;" in out.read_text()


def test_wrong_sides_are_one_line(home: Path) -> None:
    with pytest.raises(UserError, match="is a recipe; to compare recipes, say on which run: --on"):
        diff.main([str(home / "slow.toml"), str(home / "a")])
    with pytest.raises(UserError, match="with --on, give two recipes"):
        diff.main([str(home / "a"), str(home / "b"), "--on", str(home / "a")])
    with pytest.raises(UserError, match="none is no run folder"):
        diff.main([str(home / "none"), str(home / "a")])
    with pytest.raises(UserError, match="at least one"):
        diff.main([str(home / "a"), str(home / "b"), "--clips", "0"])
