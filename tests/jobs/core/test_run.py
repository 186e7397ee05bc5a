"""An opened run folder: what is missing is named with its command; kept clips, captions, clips by their shard."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pytest

from jobs.core.errors import UserError
from jobs.core.recipe import load_recipe
from jobs.core.run import dropped_line, open_run, open_with_recipe
from pipeline import schema as s
from pipeline.store.parquet import write_table
from pipeline.tables import captions_schema, dropped_schema, manifest_schema, selection_schema
from tests.helpers.caption_media import make_run_folder


def test_a_missing_table_is_named_with_the_command_that_writes_it(tmp_path: Path):
    with pytest.raises(UserError, match="does not exist; filmstock ingest"):
        open_run(tmp_path / "nowhere").need()
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="is no folder"):
        open_run(tmp_path / "file").need()
    run = open_run(tmp_path)
    with pytest.raises(UserError, match="no manifest; run filmstock ingest SRC... --out"):
        run.need("manifest", "captions")
    run.manifest.mkdir()
    with pytest.raises(UserError, match="no captions; run filmstock caption .* first"):
        run.need("manifest", "captions")


def test_tables_of_the_wrong_kind_or_without_rights_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    run = open_run(tmp_path)
    run.check_tables()  # none is there
    run.selection.mkdir()
    with pytest.raises(UserError, match="selection.parquet is a folder, .* filmstock select again"):
        run.check_tables()
    run.selection.rmdir()
    run.captions.write_text("")
    with pytest.raises(UserError, match="captions is a file, not a folder; remove it"):
        run.check_tables()
    run.captions.unlink()
    run.manifest.mkdir()
    run.check_tables()
    monkeypatch.setattr(os, "access", lambda path, how: False)
    with pytest.raises(UserError, match="manifest: there is no right to read it; change"):
        run.check_tables()


def test_kept_clips_come_in_source_order_and_their_bytes_from_clips_or_the_folder(tmp_path: Path):
    kept = make_run_folder(tmp_path, 3, rejected=1)
    run = open_run(str(tmp_path))
    rows = run.kept_clips().to_pylist()
    assert [row[s.CLIP_ID] for row in rows] == kept
    first = run.read_clip(rows[0])
    row = {**rows[0], s.SHARD: "part-00000.parquet"}  # relative to clips/, as ingest writes it
    assert run.read_clip(row) == first and first[4:8] == b"ftyp"


def test_clips_of_a_source_come_by_their_time_and_dropped_footage_is_summed(tmp_path: Path):
    rows = [
        dict.fromkeys(manifest_schema().names)
        | {s.CLIP_ID: f"c{n}", s.SOURCE_ID: "ab"[n % 2], s.START_PTS: 100 - n}
        for n in range(40)
    ]
    for part, some in enumerate((rows[::3], rows[1::3], rows[2::3])):
        table = pa.Table.from_pylist(some, schema=manifest_schema())
        write_table(tmp_path / "manifest" / f"part-{part}.parquet", table)
    decided = [{s.CLIP_ID: row[s.CLIP_ID], s.DECISION: "keep", s.REASONS: []} for row in rows]
    full = [dict.fromkeys(selection_schema().names) | row for row in decided]
    write_table(
        tmp_path / "selection.parquet", pa.Table.from_pylist(full, schema=selection_schema())
    )
    lost = [("short", 1.0, 1.5), ("fade", 10.0, 12.0), ("short", 20.0, 20.25)]
    names = (s.REASON, s.START_S, s.END_S)
    full = [
        dict.fromkeys(dropped_schema().names) | dict(zip(names, row, strict=True)) for row in lost
    ]
    write_table(tmp_path / "dropped.parquet", pa.Table.from_pylist(full, schema=dropped_schema()))
    run = open_run(tmp_path)
    found = [(row[s.SOURCE_ID], row[s.START_PTS]) for row in run.kept_clips().to_pylist()]
    assert found == sorted(found) and len(found) == 40
    assert run.dropped() == {"short": (2, 0.75), "fade": (1, 2.0)}
    assert dropped_line(run.dropped()) == "1 fade (2.0 s), 2 short (0.8 s)"


def test_usable_captions_are_those_that_ended_well(tmp_path: Path):
    ends = [("a", "dense", "one", "ok"), ("a", "short", "", "ok"), ("b", "dense", "no", "refused")]
    names = (s.CLIP_ID, s.KIND, s.TEXT, s.OUTCOME)
    rows = [dict(zip(names, end, strict=True)) for end in ends]
    run = open_run(tmp_path)
    assert not run.has_captions()
    write_table(
        run.captions / "part-0.parquet", pa.Table.from_pylist(rows, schema=captions_schema())
    )
    assert run.has_captions()
    assert run.usable_captions() == {"a": {"dense": "one"}}
    assert run.usable_captions(("short",)) == {}
    with pytest.raises(ValueError, match="long"):
        run.usable_captions(("long",))


def test_recipe_stages_and_last_figures(tmp_path: Path):
    run = open_run(tmp_path)
    assert run.recipe().name == "default" and run.last_metrics() == {}
    run.save_recipe(load_recipe(None, {"ingest.crf": 20}))
    assert run.recipe().ingest.crf == 20
    stage = run.stage("pack", "k")
    stage.log({"packed": 1})
    stage.log({"packed": 2})
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"stage": "pack", "pack')
    assert run.last_metrics()["pack"]["packed"] == 2
    assert run.stage_key("pack") is None
    stage.finish({})
    assert run.stage_key("pack") == "k" and run.done_info("pack") is not None


def test_a_stage_opens_its_folder_with_the_recipe_and_what_is_set_over_it(tmp_path: Path):
    folder = tmp_path / "run"
    make_run_folder(folder, clips=1)
    run, recipe = open_with_recipe(
        folder, None, ["pack.shard_bytes=123"], "manifest", more={"pack.validation_share": 0.5}
    )
    assert run.path == folder
    assert (recipe.pack.shard_bytes, recipe.pack.validation_share) == (123, 0.5)
    with pytest.raises(UserError, match="no truth"):
        open_with_recipe(folder, None, [], "truth")
