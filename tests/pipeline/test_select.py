"""Select decides by query: three outcomes kept apart, every reason named, and a funnel that adds up."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipeline import schema
from pipeline.config import SelectConfig
from pipeline.select import evaluate, funnel_lines, select_clips

WHERE = {"static": "motion_mean > 0.01", "dark": "luma_mean > 0.1", "text": "concept_text < 0.9"}


def manifest(*rows: dict[str, Any]) -> pa.Table:
    """A manifest of 10-second 640x360 clips, all of them good but for what the rows say."""
    kind = schema.manifest_schema(("text",))
    good = {
        "start_s": 0.0,
        "end_s": 10.0,
        "width": 640,
        "height": 360,
        "motion_mean": 0.05,
        "luma_mean": 0.5,
        "concept_text": 0.1,
    }
    empty = dict.fromkeys(kind.names)
    full = [{**empty, **good, "clip_id": f"c{i}", **row} for i, row in enumerate(rows)]
    return pa.Table.from_pylist(full, schema=kind)


def decide(table: pa.Table, **config: Any) -> dict[str, dict[str, Any]]:
    selection = select_clips(table, SelectConfig(where=WHERE, **config))
    return {row["clip_id"]: row for row in selection.table.to_pylist()}


def test_a_rejected_clip_lists_every_reason():
    rows = decide(manifest({"motion_mean": 0.0, "luma_mean": 0.0}, {}))
    assert rows["c0"]["decision"] == "reject"
    assert rows["c0"]["reasons"] == ["static", "dark"]
    assert rows["c1"]["decision"] == "keep"
    assert rows["c1"]["reasons"] == []


def test_a_missing_score_is_an_error_and_never_a_reject():
    selection = select_clips(manifest({"motion_mean": None}, {}), SelectConfig(where=WHERE))
    row = selection.table.to_pylist()[0]
    assert (row["decision"], row["reasons"]) == ("error", ["unmeasured:static"])
    assert selection.unmeasured == {"static": 1}


def test_a_failed_clip_is_an_error_with_its_stage():
    rows = decide(manifest({"error": "decode: truncated file", "motion_mean": 0.0}))
    assert (rows["c0"]["decision"], rows["c0"]["reasons"]) == ("error", ["failed:decode"])


def test_a_predicate_may_let_missing_scores_pass():
    table = manifest({"aesthetic": None}, {"aesthetic": 3.0}, {"aesthetic": 6.0})
    where = {"ugly": "aesthetic IS NULL OR aesthetic >= 4.5"}
    selection = select_clips(table, SelectConfig(where=where))
    assert selection.table.column("decision").to_pylist() == ["keep", "reject", "keep"]


def test_the_keeper_of_duplicates_is_never_a_rejected_clip():
    rows = decide(
        manifest(
            {"video_xxh3": "x", "width": 1920, "height": 1080, "luma_mean": 0.0},
            {"video_xxh3": "x"},
            {"video_xxh3": "x", "end_s": 20.0},
        )
    )
    assert rows["c0"]["reasons"] == ["dark"]
    assert rows["c2"]["decision"] == "keep", "larger resolution x duration among those that passed"
    assert rows["c1"]["reasons"] == ["duplicate_exact"]
    assert rows["c1"]["duplicate_of"] == "c2"


def test_near_duplicates_by_hash_and_by_embedding():
    table = manifest({"phash": 2**63 + 5}, {"phash": 2**63 + 4}, {"phash": 77}, {"phash": 2**40})
    rows = decide(table, dedup_phash_bits=2)
    assert [rows[f"c{i}"]["decision"] for i in range(4)] == ["keep", "reject", "keep", "keep"]
    assert decide(table, dedup_phash=False)["c1"]["decision"] == "keep"
    unit = {"c2": np.array([0.0, 1.0]), "c3": np.array([0.0, 1.0]), "c0": np.array([1.0, 0.0])}
    config = SelectConfig(dedup_phash=False, dedup_cosine=0.95)
    selection = select_clips(table, config, unit)
    assert selection.table.column("duplicate_of").to_pylist() == [None, None, None, "c2"]


def test_the_funnel_adds_up():
    table = manifest(
        {"motion_mean": 0.0},
        {"motion_mean": 0.0, "luma_mean": 0.0},
        {"luma_mean": 0.0},
        {"error": "score: x"},
        {"video_xxh3": "x"},
        {"video_xxh3": "x"},
    )
    funnel = select_clips(table, SelectConfig(where=WHERE)).funnel
    steps = {row.step: (row.removes, row.only, row.clips) for row in funnel}
    assert steps == {
        "all clips": (0, 0, 6),
        "error": (1, 1, 5),
        "static": (2, 1, 3),
        "dark": (2, 1, 2),
        "text": (0, 0, 2),
        "duplicate_exact": (1, 1, 1),
        "duplicate_phash": (0, 0, 1),
        "kept": (0, 0, 1),
    }
    assert funnel[0].hours == pytest.approx(60 / 3600)
    assert funnel[-1].hours == pytest.approx(10 / 3600)
    lines = funnel_lines(funnel)
    assert len({len(line) for line in lines}) == 1, "columns are aligned"


def test_decisions_do_not_depend_on_the_order_of_rows():
    table = manifest({"video_xxh3": "x"}, {"video_xxh3": "x"}, {"luma_mean": 0.0}, {})
    config = SelectConfig(where=WHERE)
    mixed = table.take(pa.array([3, 1, 0, 2]))
    assert select_clips(table, config).table.equals(select_clips(mixed, config).table)


def test_an_empty_manifest_gives_an_empty_selection():
    selection = select_clips(manifest(), SelectConfig(where=WHERE))
    assert selection.table.num_rows == 0
    assert selection.table.schema.equals(schema.selection_schema())
    assert selection.kept == 0


@pytest.mark.parametrize(
    ("predicate", "message"),
    [
        ("motion_men > 0", "no column 'motion_men'; did you mean 'motion_mean'"),
        ("motion_mean >", "syntax error"),
        ("motion_mean + 1", "true-or-false"),
        ("motion_mean > 0), (luma_mean > 0", "true-or-false"),
        ("true) FROM manifest WHERE (luma_mean > 2", "syntax error"),
        ("motion_mean > 0; DROP TABLE manifest", "syntax error"),
        ("clip_id IN (SELECT content FROM read_text('/etc/hostname'))", "disabled"),
    ],
)
def test_a_bad_predicate_is_named_with_what_is_wrong(predicate: str, message: str):
    with pytest.raises(ValueError, match="select.where.mine") as caught:
        evaluate(manifest({}), {"mine": predicate})
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_reason_may_not_pose_as_ours():
    with pytest.raises(ValueError, match="duplicate_exact"):
        evaluate(manifest({}), {"duplicate_exact": "true"})
