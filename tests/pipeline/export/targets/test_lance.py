"""What a Lance dataset is written from, without its package (85 MB): ``test_targets`` reads one back where it is."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest

from pipeline.export.target import Clip, Export
from pipeline.export.targets.lance import BATCH, TARGET
from pipeline.store.paths import ObjectPath


def an_export(folder: Path, count: int) -> Export:
    """Clips with bytes of their own."""
    (folder / "videos").mkdir(parents=True)
    clips = []
    for i in range(count):
        (folder / f"videos/{i}.mp4").write_bytes(b"video %d" % i)
        captions = (f"caption {i}", "another")
        size = {"n_frames": 17 + i, "fps": 16.0, "width": 160, "height": 96, "bucket": (160, 96)}
        clips.append(Clip(name=f"clip{i}", media=f"videos/{i}.mp4", captions=captions, **size))
    return Export(root=str(folder), clips=tuple(clips), profile=None)


def test_every_clip_is_a_row_with_its_bytes_and_few_are_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, Any] = {}

    def write_dataset(batches: Any, place: str, schema: pa.Schema, **options: Any) -> None:
        assert not Path(place).exists(), "what a killed run left is away"
        found = list(batches)
        given.update(batches=found, place=place, schema=schema, options=options)

    monkeypatch.setitem(sys.modules, "lance", SimpleNamespace(write_dataset=write_dataset))
    export = an_export(tmp_path, BATCH + 3)
    (tmp_path / "clips.lance").mkdir()
    assert TARGET.check is not None and TARGET.writer is not None
    TARGET.check()
    TARGET.writer(tmp_path, export)
    assert [batch.num_rows for batch in given["batches"]] == [BATCH, 3]
    assert all(batch.schema == given["schema"] for batch in given["batches"])
    blob = given["schema"].field("video_blob")
    assert blob.metadata == {b"lance-encoding:blob": b"true"}, "read lazily, by take_blobs"
    assert given["options"]["data_storage_version"] == "2.1", "the one that was read back"
    rows = pa.Table.from_batches(given["batches"]).to_pylist()
    for i, row in enumerate(rows):
        assert row["id"] == f"clip{i}" and row["video_blob"] == b"video %d" % i
        assert row["captions"] == [f"caption {i}", "another"] and row["caption"] == f"caption {i}"
        assert row["num_frames"] == 17 + i


def test_it_is_refused_without_the_package_and_on_a_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export = an_export(tmp_path, 1)
    assert TARGET.check is not None and TARGET.writer is not None
    monkeypatch.setitem(sys.modules, "lance", SimpleNamespace())
    with pytest.raises(ValueError, match="writes to a disk, not to s3://sets/out"):
        TARGET.writer(ObjectPath("s3://sets/out"), export)
    monkeypatch.setitem(sys.modules, "lance", None)
    with pytest.raises(ValueError, match=r"pip install 'filmstock\[lance\]'"):
        TARGET.check()
