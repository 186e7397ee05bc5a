"""The chaos run in small, and that its checks see what they are there to see."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow as pa
import pytest

from benchmarks.chaos import chaos
from benchmarks.chaos_check import check_end, check_now, visible
from pipeline import schema as s
from pipeline.shards.part import video_hash
from pipeline.store.parquet import write_table

VIDEO = b"0123456789"


@pytest.fixture
def calm(tmp_path: Path) -> tuple[Path, Path]:
    """A raw folder with one file, and the run folder of it: one clip of ten bytes."""
    raw, out = tmp_path / "raw", tmp_path / "calm"
    for folder in (raw, out / "clips", out / "manifest", out / "embeddings"):
        folder.mkdir(parents=True)
    (raw / "a.mp4").touch()
    (out / "clips" / "part-a.parquet").write_bytes(b"head" + VIDEO)
    (out / "embeddings" / "part-a.parquet").write_bytes(b"vectors")
    row = {
        s.CLIP_ID: ["c"],
        s.SHARD: ["part-a.parquet"],
        s.BYTE_OFFSET: [4],
        s.BYTE_LENGTH: [len(VIDEO)],
        s.VIDEO_XXH3: [video_hash(VIDEO)],
    }
    write_table(out / "manifest" / "part-a.parquet", pa.table(row))
    source = {s.SOURCE_URI: [str(raw / "a.mp4")], s.N_CLIPS: [1]}
    write_table(out / "sources.parquet", pa.table(source))
    return raw, out


def test_a_whole_folder_is_right(calm: tuple[Path, Path]) -> None:
    raw, out = calm
    assert check_end(out, visible(out), raw) == []


def test_what_is_lost_changed_or_left_behind_is_seen(
    calm: tuple[Path, Path], tmp_path: Path
) -> None:
    raw, out = calm
    want = visible(out)

    def broken(name: str) -> Path:
        return Path(shutil.copytree(out, tmp_path / name))

    lost = broken("lost")
    (lost / "clips" / "part-a.parquet").unlink()
    assert check_now(lost, want) == ["part-a.parquet: rows without their clips or embeddings"]
    half = broken("half")
    (half / "clips" / "part-a.parquet").write_bytes(b"head0123")
    assert any("not like the undisturbed run" in line for line in check_now(half, want))
    twice = broken("twice")
    shutil.copy(out / "manifest" / "part-a.parquet", twice / "manifest" / "part-b.parquet")
    found = check_end(twice, want, raw)
    assert any("part-b.parquet is not in" in line for line in found)
    assert any("clip c is there 2 times" in line for line in found)
    left = broken("left")
    (left / "clips" / ".part-b.parquet.tmp-12").touch()
    assert any("is left behind" in line for line in check_end(left, want, raw))
    (raw / "b.mp4").touch()
    assert any("b.mp4 is not accounted for" in line for line in check_end(out, want, raw))


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_three_kills_lose_nothing(tmp_path: Path) -> None:
    assert chaos(tmp_path, kills=3, sources=10, seed=1) == []
