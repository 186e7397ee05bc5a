"""Earlier datasets: which clips of a run or shards folder count, and what is said of a folder that has none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.core.errors import UserError
from jobs.select.earlier import earlier_files, read_earlier
from pipeline.config import SelectConfig
from pipeline.select.candidates import Embeddings
from pipeline.shards.layout import manifest_of
from pipeline.tables import embeddings_schema, manifest_schema, selection_schema
from tests.helpers.shard_media import make_rows, make_shards

OURS = Embeddings(clip_ids=pa.array(["n"]), vectors=np.ones((1, 2), np.float16))


def write(path: Path, rows: list[dict[str, Any]], kind: pa.Schema) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    full = [{**dict.fromkeys(kind.names), **row} for row in rows]
    pq.write_table(pa.Table.from_pylist(full, schema=kind), path)


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A run folder of three clips: one fine, one failed, one fine but rejected."""
    folder = tmp_path / "old"
    rows: list[dict[str, Any]] = [
        {"clip_id": "a", "video_xxh3": "1", "phash": 2**63},
        {"clip_id": "b", "video_xxh3": "2", "error": "decode: x"},
        {"clip_id": "c", "video_xxh3": "3"},
    ]
    write(folder / "manifest" / "part-00000.parquet", rows, manifest_schema())
    vectors = [{"clip_id": c, "clip_embedding": [np.float16(1), np.float16(0)]} for c in "ac"]
    write(folder / "embeddings" / "part-00000.parquet", vectors, embeddings_schema(2))
    return folder


def select_old(folder: Path) -> None:
    decided = [
        {"clip_id": "a", "decision": "keep"},
        {"clip_id": "b", "decision": "error"},
        {"clip_id": "c", "decision": "reject"},
    ]
    write(folder / "selection.parquet", decided, selection_schema())


def test_a_run_gives_what_it_kept_or_before_that_what_did_not_fail(old: Path, tmp_path: Path):
    config = SelectConfig(dedup_against=(str(old),))
    found = read_earlier(tmp_path / "new", config, None)
    assert found is not None and found.embeddings is None
    assert found.table["clip_id"].to_pylist() == ["a", "c"]
    select_old(old)
    found = read_earlier(tmp_path / "new", config, None)
    assert found is not None
    assert found.table.to_pylist() == [
        {"clip_id": "a", "video_xxh3": "1", "phash": 2**63, "look": None, "duplicate_in": str(old)}
    ]


def test_embeddings_come_along_when_they_can_be_compared(old: Path, tmp_path: Path):
    config = SelectConfig(dedup_against=(str(old),), dedup_cosine=0.9)
    found = read_earlier(tmp_path / "new", config, OURS)
    assert found is not None and found.embeddings is not None
    assert found.embeddings.clip_ids.to_pylist() == ["a", "c"]
    other = Embeddings(clip_ids=OURS.clip_ids, vectors=np.ones((1, 3), np.float16))
    with pytest.raises(UserError, match="have 2 numbers, these have 3: another CLIP model"):
        read_earlier(tmp_path / "new", config, other)


def test_a_shards_folder_gives_every_clip_and_says_what_it_lacks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    shards = make_shards(tmp_path / "shards", make_rows(3))
    config = SelectConfig(dedup_against=(str(shards),))
    found = read_earlier(tmp_path / "new", config, None)
    assert found is not None and found.table.num_rows == 3
    manifest = pq.read_table(manifest_of(shards))
    assert found.table["video_xxh3"].to_pylist() == manifest["video_xxh3"].to_pylist()
    assert "no perceptual hashes" in capsys.readouterr().err
    for missing in (["look"], ["phash", "look"]):
        kept = manifest.drop_columns(missing)
        if "phash" in kept.column_names:  # of a time when it was all there was
            at = kept.column_names.index("phash")
            kept = kept.set_column(at, "phash", pa.array([1, 2, 3], pa.uint64()))
        pq.write_table(kept, manifest_of(shards))
        found = read_earlier(tmp_path / "new", config, OURS)
        assert found is not None and found.table["phash"].null_count == 3
        assert "of an older version" in capsys.readouterr().err
    found = read_earlier(tmp_path / "new", config, OURS)
    assert "no embeddings/" in capsys.readouterr().err


def test_files_that_decide_are_those_that_are_read(old: Path, tmp_path: Path):
    config = SelectConfig(dedup_against=(str(old),))
    names = [path.name for path in earlier_files(tmp_path / "new", config)]
    assert names == ["manifest", "selection.parquet"]
    assert read_earlier(tmp_path, SelectConfig(), None) is None


def test_a_folder_without_a_dataset_or_our_own_is_refused(old: Path, tmp_path: Path):
    for name, says in (
        (tmp_path / "nowhere", "is no folder"),
        (tmp_path, "has no manifest/ and is no shards folder"),
    ):
        with pytest.raises(UserError, match=says):
            earlier_files(tmp_path / "new", SelectConfig(dedup_against=(str(name),)))
    (old / "shards").mkdir()
    for own in (old, old / "shards"):
        with pytest.raises(UserError, match="is the dataset that is selected"):
            earlier_files(old, SelectConfig(dedup_against=(str(own),)))
