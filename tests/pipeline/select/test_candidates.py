"""Candidates: who is compared, in which order of worth, and how a keeper gets its name."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from pipeline.config import SelectConfig
from pipeline.select.candidates import Earlier, Embeddings, keeper_columns, make_candidates
from pipeline.select.duplicates import in_order

MANIFEST = pa.table(
    {
        "clip_id": ["a", "b", "c", "d"],
        "video_xxh3": ["1", "2", None, "4"],
        "phash": pa.array([7, None, 9, 10], pa.uint64()),
        "look": ["l7", None, "l9", None],
        "width": [10, 20, 20, 30],
        "blur": [0.1, None, 0.2, 0.3],
    }
)
OLD = pa.table(
    {
        "clip_id": ["old"],
        "video_xxh3": ["9"],
        "phash": pa.array([2**63], pa.uint64()),
        "look": ["old"],
        "duplicate_in": ["first"],
    }
)
CONFIG = SelectConfig(dedup_keep=("width", "blur"), dedup_cosine=0.9)


def test_earlier_clips_come_first_then_ours_by_worth():
    passed = np.array([0, 1, 2])
    vectors = Embeddings(clip_ids=pa.array(["c", "a"]), vectors=np.eye(2, dtype=np.float16))
    clips = make_candidates(
        MANIFEST, passed, np.arange(4), CONFIG, vectors, Earlier(table=OLD, embeddings=None)
    )
    assert in_order(clips, np.arange(4)).tolist() == [3, 2, 1, 0], (
        "old, then c (sharper than NULL), b, a"
    )
    assert clips.earlier == 1
    assert clips.video_hash.to_pylist() == ["1", "2", None, "9"]
    assert clips.phash[clips.has_phash].tolist() == [7, 9, 2**63]
    assert clips.embeddings is not None
    assert clips.embeddings[0].tolist() == [0, 1] and clips.embeddings[2].tolist() == [1, 0]
    assert np.isnan(clips.embeddings[[1, 3]]).all()
    assert clips.embeddings.dtype == np.float16, (
        "NaN for the earlier clips must not widen all the others"
    )


def test_embeddings_are_left_out_when_nothing_asks_for_them():
    clips = make_candidates(
        MANIFEST, np.arange(4), np.arange(4), SelectConfig(dedup_keep=()), None, None
    )
    assert clips.embeddings is None
    assert in_order(clips, np.arange(4)).tolist() == [0, 1, 2, 3]


def test_keepers_are_named_with_their_dataset():
    ids = MANIFEST["clip_id"].combine_chunks()
    keeper = np.array([1, 1, 3, 3])
    passed, order = np.array([0, 2, 3]), np.array([3, 0, 1, 2])
    of, where = keeper_columns(ids, passed, keeper, Earlier(table=OLD), order)
    assert of.to_pylist() == ["old", "c", None, None]
    assert where.to_pylist() == ["first", None, None, None]
    nothing = np.zeros(0, np.int64)
    of, where = keeper_columns(ids, nothing, nothing, None, order)
    assert of.to_pylist() == where.to_pylist() == [None] * 4


def test_a_run_of_a_time_without_looks_is_refused_by_name():
    older = MANIFEST.drop_columns(["look"])
    with pytest.raises(ValueError, match=r"has no column look.*\. Ingest it anew into another"):
        make_candidates(older, np.arange(4), np.arange(4), CONFIG, None, None)
    exact = SelectConfig(dedup_keep=("width",), dedup_phash=False)
    assert not make_candidates(older, np.arange(4), np.arange(4), exact, None, None).has_phash.any()
    found = make_candidates(older, np.arange(4), np.arange(4), exact, None, Earlier(table=OLD))
    assert (
        found.looks.to_pylist() == [None] * 4 + ["old"]
        and found.has_phash.tolist()[:4] == [False] * 4
    )


def test_shots_are_known_where_the_manifest_has_them():
    rows = MANIFEST.append_column("source_id", pa.array(["s"] * 4))
    rows = rows.append_column("shot", pa.array([0, None, 2, 2], pa.int32()))
    found = make_candidates(rows, np.array([1, 3]), np.arange(4), CONFIG, None, Earlier(table=OLD))
    assert found.shots is not None and found.shots.tolist() == [-1, 2, -1]
    assert found.sources is not None and found.sources.to_pylist() == ["s", "s", None]
    pieces = SelectConfig(dedup_keep=("width",), dedup_pieces=True)
    assert make_candidates(rows, np.arange(4), np.arange(4), pieces, None, None).shots is None


TWO_OLD = pa.concat_tables(
    [OLD, OLD.set_column(0, "clip_id", pa.array(["older"])).set_column(4, "duplicate_in", pa.array(["second"]))]
)  # fmt: skip


def test_each_of_several_earlier_clips_has_its_own_look_vector_and_name():
    """One row off, and a clip is thrown out for what another one of an earlier set shows."""
    looks = TWO_OLD.set_column(3, "look", pa.array(["old", None]))
    vectors = Embeddings(clip_ids=pa.array(["b"]), vectors=np.array([[1, 0]], np.float16))
    theirs = Embeddings(clip_ids=pa.array(["older"]), vectors=np.array([[0, 1]], np.float16))
    found = make_candidates(
        MANIFEST, np.array([1]), np.arange(4), CONFIG, vectors, Earlier(table=looks, embeddings=theirs)
    )  # fmt: skip
    assert found.look_rows.tolist() == [1, 4, 5] and found.has_phash.tolist() == [
        False,
        True,
        False,
    ]
    assert found.looks.to_pylist() == ["l7", None, "l9", None, "old", None]
    assert found.embeddings is not None and found.embeddings.dtype == np.float16
    assert np.isnan(found.embeddings[:, 0]).tolist() == [False, True, False]
    assert found.embeddings[2].tolist() == [0, 1]
    ids, order = MANIFEST["clip_id"].combine_chunks(), np.arange(4)
    passed, keeper = np.array([0, 2]), np.array([3, 2, 2, 3])
    of, where = keeper_columns(ids, passed, keeper, Earlier(table=TWO_OLD), order)
    assert of.to_pylist() == ["older", None, "old", None]
    assert where.to_pylist() == ["second", None, "first", None]
