"""The search finds a needle wherever it lies: across windows, in compressed columns, in gzip files, in names."""

from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.trace import search
from jobs.trace.search import Needles, probes, remains
from pipeline import schema as s
from tests.helpers.shard_media import clip_bytes

ID = "0123456789abcdef0123"


def test_a_needle_is_found_wherever_it_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "WINDOW", 1000)
    (tmp_path / "edge.bin").write_bytes(b"\0" * 990 + ID.encode() + b"\0" * 5000)
    (tmp_path / "long.bin").write_bytes(b"ffff" + ID.encode() + b"eeee")
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(b"x" * 3000 + b"harbour at dawn"))
    (tmp_path / "edge.gz").write_bytes(gzip.compress(b"x" * 2995 + b"harbour at dawn" + b"x" * 99))
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "skipped").mkdir()
    (tmp_path / "kept" / "skipped" / "a").write_text(ID)  # only at the top is it passed over
    raw = pa.table({s.RAW_TEXT: ["x" * 400, "harbour at dawn" + "y" * 400]})
    pq.write_table(raw, tmp_path / "raw.parquet", compression="gzip", write_statistics=False)
    table = pa.table({"note": ["x" * 400, "harbour at dawn" + "y" * 400]})
    pq.write_table(table, tmp_path / "t.parquet", compression="zstd", write_statistics=False)
    (tmp_path / f"part-{ID}.txt").write_text("")
    (tmp_path / ".hidden").write_text(ID)
    (tmp_path / "clean.bin").write_bytes(bytes(range(256)) * 40)
    (tmp_path / "skipped").mkdir()
    (tmp_path / "skipped" / "a").write_text(ID)
    found = dict(remains(tmp_path, Needles.of([ID], [b"harbour at dawn"]), skip=("skipped",)))
    want = {
        "edge.gz",
        "kept/skipped/a",
        "raw.parquet",
        "edge.bin",
        "long.bin",
        "a.jsonl.gz",
        "t.parquet",
        f"part-{ID}.txt",
        ".hidden",
    }
    assert set(found) == want


def test_probes_are_of_the_picture_and_tell_clips_apart() -> None:
    first, second = clip_bytes(1, 9, 64, 96), clip_bytes(2, 9, 64, 96)
    assert probes(first) and all(probe in first and probe not in second for probe in probes(first))
    assert probes(b"\0" * 5000) == [] and probes(b"plain words " * 900) == []
