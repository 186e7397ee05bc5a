"""A stage refuses inputs that are out of date, and names the command that has to run."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from jobs.cli import main
from jobs.core.errors import UserError
from jobs.core.run import RunFolder, open_run
from jobs.edits.fresh import Inputs, check_fresh, open_stage
from jobs.edits.journal import Journal
from jobs.report.status import read_status
from jobs.select import command as select
from jobs.shards import pack
from pipeline import schema as s
from pipeline.config import PackConfig, SelectConfig
from pipeline.store.parquet import write_table
from pipeline.tables import captions_schema
from tests.helpers.caption_media import make_run_folder, write_selection
from tests.helpers.run_folders import encode_run, make_run

FLOW = {
    "select": ("manifest",),
    "caption": ("manifest", "selection.parquet"),
    "pack": ("manifest", "selection.parquet", "captions"),
}


def describe(run: RunFolder, clips: list[str], kind: str = "dense") -> None:
    rows = [{s.CLIP_ID: c, s.KIND: kind, s.TEXT: "a circle", s.OUTCOME: "ok"} for c in clips]
    table = pa.Table.from_pylist(rows, schema=captions_schema())
    write_table(run.captions / "part-0.parquet", table)


def finish(run: RunFolder, *stages: str) -> None:
    for name in stages:
        open_stage(run, name, "settings", inputs=FLOW[name]).finish({})


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """A folder that went through select, caption and pack: two clips kept of three."""
    kept = make_run_folder(tmp_path, 3, rejected=1)
    run = open_run(tmp_path)
    describe(run, kept)
    finish(run, "select", "caption", "pack")
    run.shards.mkdir()
    return run


def test_nothing_changed_is_fresh_and_has_the_same_key(run: RunFolder):
    check_fresh(run, "shards")
    one, two = (open_stage(run, "pack", "settings", inputs=FLOW["pack"]) for _ in range(2))
    assert one == two and one.info is not None
    assert open_stage(run, "pack", "others", inputs=FLOW["pack"]).key != one.key


def test_another_selection_makes_shards_stale_until_pack_has_run(run: RunFolder):
    write_selection(run.path, ["clip000", "clip001", "clip002"], ["clip000"])  # type: ignore[arg-type]
    finish(run, "select")
    with pytest.raises(UserError) as caught:
        check_fresh(run, "shards")
    assert str(caught.value) == (
        f"{run.path}/shards is stale: selection.parquet has changed since filmstock pack wrote it; "
        f"run filmstock pack {run.path} first"
    )
    finish(run, "pack")  # captions of a stricter selection are all there
    check_fresh(run, "shards")


def test_a_clip_that_is_kept_anew_needs_a_caption_first(run: RunFolder):
    ids = ["clip000", "clip001", "clip002"]
    write_selection(run.path, ids, ids)  # type: ignore[arg-type]
    finish(run, "select")
    with pytest.raises(UserError, match=r"captions is stale: .* run filmstock caption "):
        open_stage(run, "pack", inputs=FLOW["pack"])
    describe(run, ids, kind="original")
    with pytest.raises(UserError, match="captions is stale"):
        check_fresh(run, "captions")
    describe(run, ids)
    finish(run, "caption", "pack")
    check_fresh(run, "shards")


def test_the_first_stale_table_of_the_flow_is_named(run: RunFolder):
    part = next(run.manifest.glob("part-*"))
    (run.manifest / "part-more.parquet").write_bytes(part.read_bytes())
    assert "selection.parquet is stale: manifest has changed" in (
        Inputs(run).stale(["shards"]) or ""
    )
    (run.path / ".done" / "select.json").unlink()  # select has not come to its end
    assert "captions is stale" not in (Inputs(run).stale(["captions"]) or "")


def test_captions_that_changed_make_shards_stale(run: RunFolder):
    describe(run, ["clip000", "clip001"], kind="short")
    with pytest.raises(UserError, match="shards is stale: captions has changed .* filmstock pack"):
        check_fresh(run, "shards")


def test_what_is_missing_comes_before_what_is_stale(run: RunFolder):
    with pytest.raises(UserError, match="no embeddings; run filmstock ingest"):
        open_stage(run, "select", inputs=("embeddings",))


@pytest.mark.parametrize(
    ("action", "value", "line"),
    [
        ("caption", {"kind": "dense", "text": "a square"}, "shards is stale: what was corrected"),
        ("decision", {"decision": "reject"}, "selection.parquet is stale: what was decided"),
    ],
)
def test_what_people_did_since_makes_a_table_stale_until_its_stage_has_run(
    run: RunFolder, action: str, value: dict[str, str], line: str
):
    done = Journal(run.path).append("ann", action, value, clip_id="clip000")
    with pytest.raises(UserError, match=f"{line} by hand has changed since filmstock"):
        check_fresh(run, "shards")
    finish(run, "select", "pack")
    check_fresh(run, "shards")
    Journal(run.path).append("bob", "undo", {"of": done.id})
    with pytest.raises(UserError, match=f"{line} by hand has changed since filmstock"):
        check_fresh(run, "shards")
    finish(run, "select", "pack")
    Journal(run.path).append("bob", "tag", {"tag": "nice"}, clip_id="clip000")
    check_fresh(run, "shards")
    assert open_stage(run, "pack", "settings", inputs=FLOW["pack"]).info is not None


USES = [
    ["encode", "{run}"],
    ["export", "{run}", "--for", "videofolder", "--check"],
    ["push", "{run}", "--repo", "a/b", "--licence", "mit", "--dry-run"],
    ["train-dit", "{run}", "--out", "{run}-dit", "--steps", "1"],
    ["caches", "{run}", "--for", "fastvideo", "--out", "{run}-caches"],
]
"""Commands that hand on what was packed."""


def test_nobody_is_given_a_caption_that_was_corrected_since(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    run = make_run(tmp_path / "run", tmp_path / "raw", ("quay",))
    encode_run(run)
    assert [line.state for line in read_status(run)] == ["done"] * 5
    clip = run.kept_clips()[s.CLIP_ID][0].as_py()
    value = {"kind": "dense", "text": "A quay, as a person says."}
    Journal(run.path).append("ann", "caption", value, clip_id=clip)
    for words in USES:
        assert main([word.format(run=run) for word in words]) == 2, words
        assert "shards is stale: what was corrected by hand has" in capsys.readouterr().err, words
    line = next(line for line in read_status(run) if line.stage == "pack")
    assert (line.state, line.note) == ("stale", "what was corrected by hand changed since it ran")


def test_a_run_that_keeps_nothing_is_said_to_hold_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    run = make_run(tmp_path / "run", tmp_path / "raw", ("quay",))
    select.run(SelectConfig(where={"none": "motion_mean > 1e9"}), run)
    assert pack.run(PackConfig(), run).packed == 0
    line = read_status(run)[-1]
    assert (line.stage, line.note) == ("encode", "no clip was packed") and "select" in line.command
    for words in USES[:3]:
        assert main([word.format(run=run) for word in words]) == 2, words
        assert "shards holds no clip: select kept none" in capsys.readouterr().err, words


def test_latents_of_clips_that_are_rejected_by_now_become_no_caches(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    run = make_run(tmp_path / "run", tmp_path / "raw", ("quay",))
    encode_run(run)
    select.run(SelectConfig(where={"none": "motion_mean > 1e9"}), run)
    pack.run(PackConfig(), run)
    assert main([word.format(run=run) for word in USES[-1]]) == 2
    assert "latents is stale" in capsys.readouterr().err
    assert not (tmp_path / "run-caches").exists()
