"""Video tables: exact byte ranges, atomic appearance, rolling, readable by others."""

from __future__ import annotations

import io
import json
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import schema as s
from pipeline.shards import write as shard_write
from pipeline.shards.layout import card_of, manifest_of
from pipeline.shards.pages import cell_ranges
from pipeline.shards.write import ShardWriter, video_hash, write_video_table
from pipeline.store.parquet import write_table
from pipeline.tables import shard_manifest_schema, shards_schema
from tests.helpers.shard_media import make_rows, make_shards


def random_table(sizes: list[int], seed: int = 0) -> pa.Table:
    rng = np.random.default_rng(seed)
    videos = [rng.bytes(size) for size in sizes]
    ids = [f"clip{i}" for i in range(len(sizes))]
    return pa.table({s.CLIP_ID: ids, s.VIDEO: pa.array(videos, pa.binary()), "score": sizes})


@pytest.mark.parametrize("row_group_bytes", [1, 5_000, 1 << 30])
def test_byte_ranges_are_the_cells(tmp_path, row_group_bytes):
    sizes = [1, 7, 100_000, 3, 2048, 2049, 70_001, 5, 1_500_000]
    table = random_table(sizes)
    path = tmp_path / "part-00000.parquet"
    ranges = write_video_table(path, table, row_group_bytes=row_group_bytes)
    raw = path.read_bytes()
    assert [raw[at : at + n] for at, n in ranges] == table[s.VIDEO].to_pylist()
    assert [n for _, n in ranges] == sizes
    assert cell_ranges(path, "video.bytes") == ranges


def test_the_manifest_is_written_last_of_all(tmp_path, monkeypatch):
    """It says that the set is whole; a kill before it must leave a set that says nothing."""
    done: list[str] = []
    for name in ("write_bytes", "write_table"):
        real = getattr(shard_write, name)

        def note(path, body, real=real):
            done.append(path.name)
            assert sorted(p.name for p in (tmp_path / "shards").iterdir()) == ["part-00000.parquet"]
            real(path, body)

        monkeypatch.setattr(shard_write, name, note)
    make_shards(tmp_path / "shards", make_rows(2))
    assert done == ["shards.README.md", "shards.manifest.parquet"]


def test_layout_is_plain_uncompressed_one_clip_per_page(tmp_path):
    path = tmp_path / "part.parquet"
    write_video_table(path, random_table([4000] * 10), row_group_bytes=12_000)
    meta = pq.ParquetFile(path).metadata
    assert meta.num_row_groups == 4 and meta.num_rows == 10
    column = next(
        meta.row_group(0).column(i)
        for i in range(meta.num_columns)
        if meta.row_group(0).column(i).path_in_schema == "video.bytes"
    )
    assert column.compression == "UNCOMPRESSED"
    assert "PLAIN_DICTIONARY" not in column.encodings and "RLE_DICTIONARY" not in column.encodings
    assert not column.is_stats_set
    assert column.total_compressed_size > 3 * 4000 + 3 * 15  # a page header per clip


def test_metadata_names_features_and_version(tmp_path):
    path = tmp_path / "part.parquet"
    write_video_table(path, random_table([10]), metadata={"made_by": "test"})
    metadata = pq.read_schema(path).metadata
    features = json.loads(metadata[b"huggingface"])["info"]["features"]
    assert features["video"] == {"_type": "Video"}
    assert features["score"] == {"_type": "Value", "dtype": "int64"}
    assert metadata[b"filmstock.schema_version"].decode() == s.SCHEMA_VERSION
    assert metadata[b"made_by"] == b"test"


def test_nothing_appears_when_a_write_fails(tmp_path):
    videos = pa.array([b"abc", None, b"def"], pa.binary())
    table = pa.table({s.CLIP_ID: ["a", "b", "c"], s.VIDEO: videos})
    with pytest.raises(ValueError, match="row 1 .* has no video bytes"):
        write_video_table(tmp_path / "part.parquet", table)
    assert list(tmp_path.iterdir()) == []


def test_wrong_video_type_is_refused(tmp_path):
    table = pa.table({s.CLIP_ID: ["a"], s.VIDEO: pa.array([b"abc"], pa.large_binary())})
    with pytest.raises(ValueError, match="must be binary, not large_binary"):
        write_video_table(tmp_path / "part.parquet", table)


def test_writer_rolls_shards_and_commits_a_manifest(tmp_path):
    rows = make_rows(24)
    folder = make_shards(tmp_path / "shards", rows, shard_bytes=12_000)
    parts = sorted(folder.glob("part-*.parquet"))
    assert len(parts) > 3
    manifest = pq.read_table(manifest_of(folder)).to_pylist()
    assert [row[s.CLIP_ID] for row in manifest] == [row[s.CLIP_ID] for row in rows]
    for want, row in zip(rows, manifest, strict=True):
        with (folder / row[s.SHARD]).open("rb") as file:
            file.seek(row[s.BYTE_OFFSET])
            data = file.read(row[s.BYTE_LENGTH])
        assert data == want[s.VIDEO]
        assert row[s.VIDEO_XXH3] == video_hash(data)
        assert row[s.CAPTION_DENSE] == want[s.CAPTION_DENSE]
    schema = pq.read_schema(manifest_of(folder))
    assert schema.names == shard_manifest_schema().names
    assert pq.read_metadata(parts[0]).num_rows < len(rows)


@settings(max_examples=25, deadline=None)
@given(sizes=st.lists(st.integers(1, 12), min_size=1, max_size=12), limit=st.integers(1, 20))
def test_a_shard_holds_as_many_clips_as_fit_and_no_more(sizes, limit):
    """Byte ranges, sizes of shards and their number, against filling them one by one by hand."""
    expected: list[list[int]] = [[]]
    for size in sizes:
        if expected[-1] and sum(expected[-1]) + size > limit:
            expected.append([])
        expected[-1].append(size)
    schema = pa.schema([(s.CLIP_ID, pa.string()), (s.VIDEO, pa.binary())])
    videos = [bytes([i]) * size for i, size in enumerate(sizes)]
    with TemporaryDirectory() as folder:
        out = Path(folder) / "shards"
        with ShardWriter(out, schema, shard_bytes=limit, metadata={"made_by": "test"}) as writer:
            for i, video in enumerate(videos):
                writer.add({s.CLIP_ID: str(i), s.VIDEO: video})
        rows = pq.read_table(manifest_of(out)).to_pylist()
        raw = {path.name: path.read_bytes() for path in out.glob("*.parquet")}
        assert pq.read_schema(manifest_of(out)).metadata[b"made_by"] == b"test"
    cells = [raw[r[s.SHARD]][r[s.BYTE_OFFSET] : r[s.BYTE_OFFSET] + r[s.BYTE_LENGTH]] for r in rows]
    assert cells == videos and [r[s.VIDEO_XXH3] for r in rows] == [video_hash(v) for v in videos]
    shards = [f"part-{i:05d}.parquet" for i, held in enumerate(expected) for _ in held]
    assert [row[s.SHARD] for row in rows] == shards and len(raw) == len(expected)


def test_writing_twice_gives_the_same_bytes(tmp_path):
    rows = make_rows(6)
    a, b = make_shards(tmp_path / "a", rows), make_shards(tmp_path / "b", rows)
    names = sorted(path.name for path in a.iterdir())
    assert names == sorted(path.name for path in b.iterdir())
    assert all((a / name).read_bytes() == (b / name).read_bytes() for name in names)


def test_error_inside_the_block_leaves_no_manifest_and_the_next_writer_cleans_up(tmp_path):
    folder, rows = tmp_path / "shards", make_rows(12)
    with (
        pytest.raises(RuntimeError, match="stop"),
        ShardWriter(folder, shards_schema(), shard_bytes=8_000) as writer,
    ):
        for row in rows:
            writer.add(row)
        raise RuntimeError("stop")
    assert not manifest_of(folder).exists()
    assert list(folder.glob("part-*.parquet"))  # finished parts of the interrupted write
    (folder / ".part-00099.parquet.tmp-0011").write_bytes(b"left by a kill")
    make_shards(folder, rows[:4])
    assert pq.read_table(manifest_of(folder)).num_rows == 4
    assert not list(folder.glob(".*"))
    assert "4 clips" in card_of(folder).read_text()
    named = {row[s.SHARD] for row in pq.read_table(manifest_of(folder)).to_pylist()}
    assert named == {path.name for path in folder.glob("part-*.parquet")}


def test_finished_shards_are_not_overwritten_unasked(tmp_path):
    folder = make_shards(tmp_path / "shards", make_rows(2))
    with pytest.raises(ValueError, match="already holds finished shards"):
        ShardWriter(folder, shards_schema())


def test_overwriting_takes_the_old_manifest_away_before_anything_else(tmp_path, monkeypatch):
    """A manifest whose shards are half gone reads as a finished set: its clips are missing, or other clips."""
    folder = make_shards(tmp_path / "shards", make_rows(12), shard_bytes=8_000)
    gone, unlink = [], Path.unlink
    monkeypatch.setattr(
        Path, "unlink", lambda self, **kw: (gone.append(self.name), unlink(self, **kw))[1]
    )
    with ShardWriter(folder, shards_schema(), overwrite=True) as writer:
        assert gone[0] == "shards.manifest.parquet" and len(gone) > 2, gone
        assert not manifest_of(folder).exists()
        assert not list(folder.glob("part-*"))
        writer.add(make_rows(1)[0])
        assert not manifest_of(folder).exists()
    assert pq.read_table(manifest_of(folder)).num_rows == 1


def test_overwriting_that_fails_leaves_no_finished_set(tmp_path):
    folder = make_shards(tmp_path / "shards", make_rows(12), shard_bytes=8_000)
    with (
        pytest.raises(RuntimeError, match="stop"),
        ShardWriter(folder, shards_schema(), overwrite=True),
    ):
        raise RuntimeError("stop")
    assert not manifest_of(folder).exists()
    make_shards(folder, make_rows(2))
    assert pq.read_table(manifest_of(folder)).num_rows == 2


def test_bad_rows_are_refused(tmp_path):
    writer = ShardWriter(tmp_path, shards_schema())
    with pytest.raises(ValueError, match=r"\['colour'\]"):
        writer.add({**make_rows(1)[0], "colour": "red"})
    with pytest.raises(ValueError, match="no video bytes"):
        writer.add({s.CLIP_ID: "a"})


def test_table_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "table.parquet"
    write_table(path, pa.table({"a": [1]}))
    with pytest.raises(pa.ArrowException):
        write_table(path, pa.table({"a": [2]}), compression="no such codec")
    assert pq.read_table(path).to_pydict() == {"a": [1]}
    assert [p.name for p in tmp_path.iterdir()] == ["table.parquet"]


def test_opens_with_datasets_as_video(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    import av

    rows = make_rows(5)
    folder = make_shards(tmp_path / "shards", rows, shard_bytes=6_000)
    files = str(folder / "part-*.parquet")
    data = datasets.load_dataset(
        "parquet", data_files=files, split="train", cache_dir=str(tmp_path / "cache")
    )
    assert isinstance(data.features["video"], datasets.Video)
    assert data["caption_dense"] == [row[s.CAPTION_DENSE] for row in rows]
    cells = data.cast_column("video", datasets.Video(decode=False))["video"]
    for cell, row in zip(cells, rows, strict=True):
        assert cell["bytes"] == row[s.VIDEO]
        assert cell["path"] == f"{row[s.CLIP_ID]}.mp4"
        with av.open(io.BytesIO(cell["bytes"])) as container:
            assert sum(1 for _ in container.decode(video=0)) == row[s.N_FRAMES]


def test_folder_opens_with_datasets(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")

    folder = make_shards(tmp_path / "shards", make_rows(5), shard_bytes=6_000)
    data = datasets.load_dataset(str(folder), split="train", cache_dir=str(tmp_path / "cache"))
    assert data.num_rows == 5 and isinstance(data.features["video"], datasets.Video)
    assert "byte_offset" not in data.features
    card = card_of(folder).read_text()
    assert "5 clips" in card and "n<1K" in card


def test_opens_with_duckdb(tmp_path):
    import duckdb

    rows = make_rows(5)
    folder = make_shards(tmp_path / "shards", rows, shard_bytes=6_000)
    query = f"""
        select p.clip_id, octet_length(p.video.bytes), m.byte_length, m.caption_short
        from '{folder}/part-*.parquet' p join '{manifest_of(folder)}' m using (clip_id)
        where m.n_frames = 9 order by m.start_s
    """
    want = [row for row in rows if row[s.N_FRAMES] == 9]
    assert duckdb.sql(query).fetchall() == [
        (row[s.CLIP_ID], len(row[s.VIDEO]), len(row[s.VIDEO]), row[s.CAPTION_SHORT]) for row in want
    ]


READERS = {
    "pandas, folder": lambda folder: len(import_module("pandas").read_parquet(folder)),
    "pyarrow, folder": lambda folder: import_module("pyarrow.dataset").dataset(folder).count_rows(),
    "pyarrow, table": lambda folder: pq.read_table(folder).num_rows,
    "duckdb, glob": lambda folder: len(
        import_module("duckdb").sql(f"select clip_id from '{folder}/*.parquet'").fetchall()
    ),
    "polars, folder": lambda folder: import_module("polars").read_parquet(folder).height,
    "polars, glob": lambda folder: import_module("polars").read_parquet(f"{folder}/*").height,
    "datasets, folder": lambda folder: (
        import_module("datasets")
        .load_dataset(folder, split="train", cache_dir=f"{folder}/../cache")
        .num_rows
    ),
}
"""How people open a folder of Parquet files, without a word about which of them hold clips."""


@pytest.mark.parametrize("reader", READERS)
def test_a_plain_read_of_the_folder_gives_the_clips(reader, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    pytest.importorskip(reader.partition(",")[0])
    folder = make_shards(tmp_path / "shards", make_rows(5), shard_bytes=6_000)
    assert READERS[reader](str(folder)) == 5
