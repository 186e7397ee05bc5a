"""The audit page of captions: numbers that are right, frames beside the worst caption, one file without scripts."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from captioner.ask.structured import parse, to_json
from jobs.caption import truth
from jobs.core.errors import UserError
from jobs.core.run import open_run
from jobs.edits.journal import Journal
from jobs.report.captions import growth, histogram, openings, write_report
from pipeline import schema as s
from pipeline.store.parquet import write_table
from pipeline.tables import captions_schema
from pipeline.world.captions import caption, structured
from pipeline.world.scene import random_scene
from tests.helpers.caption_media import make_run_folder


def test_numbers_of_the_drawings():
    texts = ["A dog runs.", "A dog runs far away.", "The cat, asleep."]
    assert histogram(texts)[1:] == (3, 3, 5)
    assert openings(texts)[0][:2] == ("a dog runs", "66.7 %")
    assert growth(texts)[1:] == (8, 3)


def test_the_page_shows_outcomes_faults_and_the_worst_caption(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    make_run_folder(folder, clips=6)
    manifest = folder / "manifest" / "part-00000.parquet"
    table = pq.read_table(manifest)
    shards = pa.array(["part-00000.parquet"] * 6)  # as ingest names them, in clips/
    at = table.schema.get_field_index(s.SHARD)
    write_table(manifest, table.set_column(at, s.SHARD, shards))
    rows = []
    for i in range(6):
        clip, scene = f"clip{i:03d}", random_scene(i)
        dense = caption(scene, "dense") + (" It seems to be <b>a toy</b>." if i == 2 else "")
        fields = to_json(parse(json.dumps(structured(scene))))
        for kind, text in (("dense", dense), ("structured", fields)):
            rows.append(
                {s.CLIP_ID: clip, s.KIND: kind, s.TEXT: text, s.OUTCOME: "ok", s.CHECKS: []}
            )
        empty = {s.TEXT: "", s.OUTCOME: "empty", s.CHECKS: ["empty"]}
        rows.append({s.CLIP_ID: clip, s.KIND: "short", **empty})
    table = pa.Table.from_pylist(rows, schema=captions_schema())
    write_table(folder / "captions" / "part-0.parquet", table)
    before = write_report(open_run(folder)).read_text()
    assert "Nothing was scored yet" in before
    said = {row[s.CLIP_ID]: row[s.TEXT] for row in rows if row[s.KIND] == "dense"}
    scored = {s.MODEL: "clip", s.KIND: "dense", s.WORST_ASSERTION: "A toy."}
    truth.write_rows(
        folder,
        [
            {
                **scored,
                s.CLIP_ID: f"clip{i:03d}",
                s.TEXT_HASH: truth.text_hash(said[f"clip{i:03d}"]),
                s.TRUTH_MIN: -2.0 if i == 4 else i / 10,
                s.TRUTH_MEAN: 0.5,
                s.CHECKS: ["hedging"] if i == 2 else [],
            }
            for i in range(6)
        ],
    )
    page = write_report(open_run(folder)).read_text()
    assert "<script" not in page and "http" not in page.replace("http-equiv", "")
    assert "&lt;b&gt;a toy" in page and "hedging" in page
    cards = page.split("Worst grounded")[1]
    assert cards.index("clip clip004") < min(cards.index(f"clip clip00{i}") for i in (0, 1, 3, 5))
    assert cards.count("data:image/jpeg") == 6
    # two are corrected by hand: their own words are shown, and no score of the words before
    for clip, kind in (("clip004", "dense"), ("clip002", "dense"), ("clip000", "short")):
        value = {"kind": kind, "text": f"Zebras of {clip}."}
        Journal(folder).append("ann", "caption", value, clip_id=clip)
    page = write_report(open_run(folder)).read_text()
    assert "a toy" not in page and "hedging" not in page and "zebras of" in page
    assert "corrected by hand" in page and "corrected by hand" not in before
    cards = page.split("Worst grounded")[1]
    assert "clip clip004" not in cards and cards.count("data:image/jpeg") == 4
    next((folder / "truth").glob("part-*")).unlink()
    row = {**scored, s.CLIP_ID: "clip004", s.TRUTH_MIN: -3.0, s.TRUTH_MEAN: 0.0, s.CHECKS: []}
    truth.write_rows(folder, [{**row, s.TEXT_HASH: truth.text_hash("Zebras of clip004.")}])
    cards = write_report(open_run(folder)).read_text().split("Worst grounded")[1]
    assert "Zebras of clip004." in cards, "its new words were checked"


def test_a_folder_without_captions_says_what_to_run(tmp_path: Path) -> None:
    make_run_folder(tmp_path, clips=1)
    with pytest.raises(UserError, match="run filmstock caption"):
        write_report(open_run(tmp_path))
