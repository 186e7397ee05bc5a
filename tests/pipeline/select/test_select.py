"""Select decides by query: three outcomes kept apart, every reason named, and a funnel that adds up."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipeline.config import BalanceConfig, BestConfig, SelectConfig
from pipeline.select.candidates import Earlier, Embeddings
from pipeline.select.select import check_rules, columns_read, select_clips, step_names
from pipeline.tables import manifest_schema, selection_schema

WHERE = {"static": "motion_mean > 0.01", "dark": "luma_mean > 0.1", "text": "concept_text < 0.9"}


def manifest(*rows: dict[str, Any]) -> pa.Table:
    """A manifest of 10-second 640x360 clips, all of them good but for what the rows say."""
    kind = manifest_schema(("text",))
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
    look = "1" + b64encode(bytes(72)).decode()
    hashes = (2**63 + 5, 2**63 + 4, 77, 2**40)
    table = manifest(*({"phash": value, "look": look} for value in hashes))
    rows = decide(table, dedup_phash_bits=2)
    assert [rows[f"c{i}"]["decision"] for i in range(4)] == ["keep", "reject", "keep", "keep"]
    assert decide(table, dedup_phash=False)["c1"]["decision"] == "keep"
    vectors = np.array([[0, 1], [0, 1], [1, 0]], np.float16)
    unit = Embeddings(clip_ids=pa.array(["c2", "c3", "c0"]), vectors=vectors)
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
    assert tuple(row.step for row in funnel[2:-1]) == step_names(SelectConfig(where=WHERE))
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


def test_decisions_do_not_depend_on_the_order_of_rows():
    table = manifest({"video_xxh3": "x"}, {"video_xxh3": "x"}, {"luma_mean": 0.0}, {})
    config = SelectConfig(where=WHERE)
    mixed = table.take(pa.array([3, 1, 0, 2]))
    assert select_clips(table, config).table.equals(select_clips(mixed, config).table)


def test_an_empty_manifest_gives_an_empty_selection():
    selection = select_clips(manifest(), SelectConfig(where=WHERE))
    assert selection.table.num_rows == 0
    assert selection.table.schema.equals(selection_schema())
    assert selection.kept == 0


def test_the_order_of_keepers_is_a_setting():
    table = manifest(
        {"video_xxh3": "x", "blur": 0.1, "end_s": 9.0},
        {"video_xxh3": "x", "blur": None, "end_s": 9.0},
        {"video_xxh3": "x", "blur": 0.3, "end_s": 8.0},
        {"video_xxh3": "x", "blur": 0.3, "end_s": 8.0},
    )

    def kept(**config: Any) -> list[str]:
        return [name for name, row in decide(table, **config).items() if row["decision"] == "keep"]

    assert kept() == ["c0"], "equal resolution, then the longest, then the sharpest; NULL loses"
    assert kept(dedup_keep=("blur",)) == ["c2"], "clip_id decides the last tie"
    assert kept(dedup_keep=("-blur",)) == ["c0"]
    assert kept(dedup_keep=()) == ["c0"]


def test_a_clip_of_an_earlier_dataset_is_kept_out_whatever_its_size():
    table = manifest(
        {"video_xxh3": "x", "width": 1920},
        {"video_xxh3": "y"},
        {"video_xxh3": "y"},
        {"video_xxh3": "x", "luma_mean": 0.0},
    )
    old = pa.table(
        {
            "clip_id": ["old", "older"],
            "video_xxh3": ["x", "x"],
            "phash": pa.array([None, None], pa.uint64()),
            "look": pa.array([None, None], pa.string()),
            "duplicate_in": ["first", "second"],
        }
    )
    selection = select_clips(table, SelectConfig(where=WHERE), None, Earlier(table=old))
    rows = [list(row.values())[1:] for row in selection.table.to_pylist()]
    assert rows == [
        ["reject", ["duplicate_exact"], "old", "first"],
        ["keep", [], None, None],
        ["reject", ["duplicate_exact"], "c1", None],
        ["reject", ["dark"], None, None],
    ]


def test_near_embeddings_of_an_earlier_dataset_are_found_and_missing_ones_are_not():
    table = manifest({}, {}, {})
    ours = Embeddings(
        clip_ids=pa.array(["c0", "c1"]), vectors=np.array([[0, 1], [1, 0]], np.float16)
    )
    old = pa.table(
        {
            "clip_id": ["a", "b"],
            "video_xxh3": pa.array([None, None], pa.string()),
            "phash": pa.array([None, None], pa.uint64()),
            "look": pa.array([None, None], pa.string()),
            "duplicate_in": ["d", "d"],
        }
    )
    theirs = Embeddings(clip_ids=pa.array(["b"]), vectors=np.array([[0, 1]], np.float16))
    config = SelectConfig(dedup_cosine=0.9)
    for embeddings, expected in ((theirs, ["b", None, None]), (None, [None] * 3)):
        earlier = Earlier(table=old, embeddings=embeddings)
        selection = select_clips(table, config, ours, earlier)
        assert selection.table.column("duplicate_of").to_pylist() == expected


def test_a_keep_rate_is_of_what_passed_and_names_its_cut():
    table = manifest(
        {"aesthetic": 1.0},
        {"aesthetic": 5.0, "luma_mean": 0.0},
        {"aesthetic": 3.0, "video_xxh3": "x"},
        {"aesthetic": 4.0, "video_xxh3": "x", "end_s": 9.0},
        {"aesthetic": 2.0},
        {"aesthetic": 0.0, "luma_mean": 0.0},
        {"aesthetic": None},
    )
    config = SelectConfig(where=WHERE, best={"plain": BestConfig(by="aesthetic", keep=0.5)})
    selection = select_clips(table, config)
    assert selection.table.column("reasons").to_pylist() == [
        ["plain"],
        ["dark"],
        [],
        ["duplicate_exact"],
        [],
        ["dark", "plain"],
        ["unmeasured:plain"],
    ], "half of c0, c2, c4 rounded up, and the cut at 2 also names rejected clips below it"
    assert selection.notes == ("best plain: 2 of 3 clips, those with aesthetic >= 2",)
    steps = {row.step: (row.removes, row.only) for row in selection.funnel}
    assert steps["plain"] == (2, 1)
    assert selection.kept == 2


def test_caps_hold_after_everything_else_and_do_not_depend_on_row_order():
    rows = [{"source_id": "ab"[i % 2], "aesthetic": float(i)} for i in range(8)]
    rows[6]["luma_mean"] = 0.0
    table = manifest(*rows)
    config = SelectConfig(
        where=WHERE,
        balance={"crowd": BalanceConfig(cap=2, group="source_id", prefer="aesthetic")},
    )
    selection = select_clips(table, config)
    kept = [r["clip_id"] for r in selection.table.to_pylist() if r["decision"] == "keep"]
    assert kept == ["c2", "c4", "c5", "c7"], "the two best of each source, c6 being dark"
    assert selection.notes == ("balance crowd: 2 of 2 groups had more than 2 clips",)
    mixed = select_clips(table.take(pa.array([5, 2, 7, 0, 1, 6, 3, 4])), config)
    assert mixed.table.equals(selection.table)


def test_concepts_are_balanced_by_the_highest_score_and_weak_ones_are_left_alone():
    table = manifest(*({"concept_text": score} for score in (0.9, 0.8, 0.7, 0.2, 0.1, None)))
    balance = {"crowd": BalanceConfig(cap=1, concepts=("text",))}
    selection = select_clips(table, SelectConfig(balance=balance))
    assert selection.table.column("decision").to_pylist() == [
        "keep", "reject", "reject", "keep", "keep", "error",
    ]  # fmt: skip


def test_only_the_columns_that_rules_name_are_read():
    names = manifest().column_names
    config = SelectConfig(
        where={"a": "Motion_Mean > 0"},
        dedup_keep=("width * height",),
        best={"b": BestConfig(by="aesthetic", keep=0.5)},
        balance={"c": BalanceConfig(cap=1, concepts=("text",), prefer="blur")},
    )
    fixed = {"clip_id", "start_s", "end_s", "video_xxh3", "error", "training_forbidden"}
    rest = {"motion_mean", "width", "height", "aesthetic", "concept_text", "blur"}
    told = {"phash", "look", "source_id", "shot"}
    assert set(columns_read(names, config)) == fixed | rest | told
    exact = replace(config, dedup_phash=False, dedup_pieces=True)
    assert set(columns_read(names, exact)) == fixed | rest | {"phash"}
    off = replace(exact, dedup_exact=False)
    assert set(columns_read(names, off)) == fixed | rest


def test_rules_may_not_pose_as_ours_or_share_a_name():
    with pytest.raises(ValueError, match="duplicate_exact"):
        check_rules(SelectConfig(where={"duplicate_exact": "true"}))
    with pytest.raises(ValueError, match=r"'dark' is taken by select\.where"):
        check_rules(
            SelectConfig(where={"dark": "true"}, best={"dark": BestConfig(by="1", keep=0.5)})
        )
