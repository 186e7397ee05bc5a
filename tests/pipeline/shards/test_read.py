"""Opening manifests and reading clips by range; every way a read can go wrong is told apart."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pipeline import schema as s
from pipeline.shards.layout import manifest_of
from pipeline.shards.ranges import ClipError, read_clip, read_range
from pipeline.shards.read import iter_videos, manifest_hash, open_manifest, open_table
from tests.helpers.shard_media import flip_byte, make_rows, make_shards


@pytest.fixture(scope="module")
def rows():
    return make_rows(8)


def test_reads_every_clip(tmp_path, rows):
    manifest = open_manifest(make_shards(tmp_path / "shards", rows))
    assert len(manifest) == 8
    by_id = {row[s.CLIP_ID]: row for row in rows}
    for i in range(8):
        row = manifest.row(i)
        assert manifest.read(i) == by_id[row[s.CLIP_ID]][s.VIDEO]
        assert manifest.caption(i, "short") == by_id[row[s.CLIP_ID]][s.CAPTION_SHORT]
        assert manifest.caption(i, "original") is None


def test_a_manifest_that_has_been_read_from_travels_to_other_processes(tmp_path, rows):
    manifest = open_manifest(make_shards(tmp_path / "shards", rows))
    first = manifest.read(0)
    copy = pickle.loads(pickle.dumps(manifest))
    assert (copy.hash, copy.read(0)) == (manifest.hash, first)


def test_accepts_run_folder_shard_folder_manifest_file_and_uri(tmp_path, rows):
    folder = make_shards(tmp_path / "shards", rows)
    places = [tmp_path, folder, manifest_of(folder), f"file://{folder}"]
    opened = [open_manifest(place) for place in places]
    assert len({m.hash for m in opened}) == 1
    assert all(m.read(3) == opened[0].read(3) for m in opened)


def test_hash_is_of_the_data_not_of_the_layout(tmp_path, rows):
    a = open_manifest(make_shards(tmp_path / "a", rows, shard_bytes=5_000))
    b = open_manifest(make_shards(tmp_path / "b", rows[::-1], shard_bytes=1 << 20))
    assert a.hash == b.hash
    assert a.table[s.CLIP_ID].to_pylist() == b.table[s.CLIP_ID].to_pylist()
    changed = [{**rows[0], s.CAPTION_DENSE: "another caption"}, *rows[1:]]
    assert open_manifest(make_shards(tmp_path / "c", changed)).hash != a.hash


def test_flipped_byte_is_a_hash_error(tmp_path, rows):
    folder = make_shards(tmp_path / "shards", rows)
    manifest = open_manifest(folder)
    flip_byte(folder, manifest.row(2))
    with pytest.raises(ClipError, match="do not match their hash") as caught:
        manifest.read(2)
    assert caught.value.kind == "hash"
    assert len(manifest.read(2, check=False)) == manifest.row(2)[s.BYTE_LENGTH]
    manifest.read(1)


def test_truncated_and_missing_shards(tmp_path, rows):
    folder = make_shards(tmp_path / "shards", rows)
    manifest = open_manifest(folder)
    row = manifest.row(0)
    with (folder / row[s.SHARD]).open("r+b") as file:
        file.truncate(row[s.BYTE_OFFSET] + 10)
    with pytest.raises(ClipError, match="10 of") as caught:
        read_clip(folder, row)
    assert caught.value.kind == "truncated"
    with pytest.raises(ClipError, match="does not exist") as caught:
        read_range(folder, "part-99999.parquet", 4, 10)
    assert caught.value.kind == "missing"


def test_unfinished_or_wrong_folders_say_what_to_do(tmp_path, rows):
    with pytest.raises(ValueError, match="does not exist; give a run folder"):
        open_manifest(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="filmstock pack"):
        open_manifest(tmp_path)
    folder = make_shards(tmp_path / "shards", rows)
    manifest = manifest_of(folder).read_bytes()
    manifest_of(folder).unlink()
    with pytest.raises(ValueError, match="the write was interrupted"):
        open_manifest(folder)
    manifest_of(folder).write_bytes(manifest[:-20])
    with pytest.raises(ValueError, match="not a readable Parquet file"):
        open_manifest(folder)


def test_other_schema_version_is_refused(tmp_path, rows, monkeypatch):
    monkeypatch.setattr(s, "SCHEMA_VERSION", "0")
    folder = make_shards(tmp_path / "shards", rows[:2])
    monkeypatch.undo()
    with pytest.raises(ValueError, match="schema version 0, this filmstock reads 1"):
        open_manifest(folder)


def test_open_table_leaves_videos_on_disk(tmp_path, rows):
    folder = make_shards(tmp_path / "shards", rows)
    table = open_table(folder)
    assert table.num_rows == 8 and s.VIDEO not in table.column_names
    part = sorted(folder.glob("part-*.parquet"))[0]
    assert list(iter_videos(part)) == [row[s.VIDEO] for row in rows][: open_table(part).num_rows]


def test_a_replaced_shard_is_read_afresh(tmp_path, rows):
    folder = make_shards(tmp_path / "shards", rows[:1])
    assert open_manifest(folder).read(0) == rows[0][s.VIDEO]
    for path in folder.iterdir():
        path.unlink()
    make_shards(folder, rows[1:2])
    assert open_manifest(folder).read(0) == rows[1][s.VIDEO]


READ_ALL = """
import sys
from pathlib import Path

def peak_mb():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1000

from pipeline.shards.read import open_manifest
import pyarrow.fs, pyarrow.parquet
imported = peak_mb()
manifest = open_manifest(sys.argv[1])
opened = peak_mb()
n_bytes = sum(len(manifest.read(i)) for i in range(len(manifest)))
assert "torch" not in sys.modules
print(imported, opened, peak_mb(), n_bytes)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
@pytest.mark.parametrize("megabytes", [64, pytest.param(1000, marks=pytest.mark.slow)])
def test_memory_while_reading_a_large_shard(tmp_path, megabytes):
    clip, size = np.random.default_rng(0).bytes(4_000_000), megabytes // 4
    row = make_rows(1)[0]
    rows = ({**row, s.CLIP_ID: f"{i:04d}", s.VIDEO: clip[i:] + clip[:i]} for i in range(size))
    folder = make_shards(tmp_path / "shards", rows, shard_bytes=2 << 30)
    assert len(list(folder.glob("part-*.parquet"))) == 1
    command = [sys.executable, "-c", READ_ALL, str(folder)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    imported, opened, after, n_bytes = map(float, ran.stdout.split())
    print(
        f"{megabytes} MB shard: {imported:.0f} MB with pyarrow imported, {opened:.0f} MB with the manifest open, "
        f"{after:.0f} MB at most while reading every clip"
    )
    assert n_bytes == megabytes * 1_000_000
    assert after - opened < 20  # a clip or two of 4 MB
    assert after < 200


def test_the_hash_tells_rows_and_nulls_apart_whatever_the_chunks():
    import pyarrow as pa

    def of(dense, ids=("a", "b"), chunks=1):
        half = pa.table({s.CLIP_ID: ids, s.VIDEO_XXH3: ["x", "y"], s.CAPTION_DENSE: dense})
        if chunks == 2:
            half = pa.concat_tables([half.slice(0, 1), half.slice(1)])
        return manifest_hash(half)

    dense = pa.array(["one", None], pa.string())
    assert of(dense) == of(dense, chunks=2) == of(pa.concat_arrays([dense[:1], dense])[1:])
    others = [of(pa.array(x, pa.string())) for x in (["one", ""], [None, "one"], ["on", "e"])]
    assert len({of(dense), *others, of(dense, ids=("ab", ""))}) == 5


def test_a_table_of_another_schema_version_is_refused(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({s.CLIP_ID: ["a"]})
    pq.write_table(table, tmp_path / "part-0.parquet")
    assert open_table(tmp_path).num_rows == 1, "tables of a run need not say their version"
    stamped = table.replace_schema_metadata({"filmstock.schema_version": "99"})
    pq.write_table(stamped, tmp_path / "part-1.parquet")
    with pytest.raises(
        ValueError, match=r"part-1.parquet has schema version 99, .* write it again"
    ):
        open_table(tmp_path)
