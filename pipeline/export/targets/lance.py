"""Lance: a dataset of rows with the video as a blob column, read lazily by ``take_blobs``.

Lance names its files at random, so two exports hold the same rows in files of other names.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.export.target import Export, Target
from pipeline.store.paths import Location

if TYPE_CHECKING:
    import pyarrow as pa

BATCH = 16
"""Clips in memory at a time."""


def check() -> None:
    """Refuse before anything is written where the package is not there."""
    try:
        import lance  # noqa: F401
    except ModuleNotFoundError:
        raise ValueError(
            "--for lance needs the package pylance; pip install 'filmstock[lance]'"
        ) from None


def write(out: Location, export: Export) -> None:
    """Put the clips' files into ``clips.lance`` and take them away."""
    import lance

    if not isinstance(out, Path):
        raise ValueError(f"--for lance writes to a disk, not to {out}; copy the dataset afterwards")
    place = out / "clips.lance"
    shutil.rmtree(place, ignore_errors=True)  # of a run that was killed here
    options: dict[str, Any] = {"data_storage_version": "2.1"}
    lance.write_dataset(_batches(out, export), str(place), schema=_schema(), **options)


def read(out: Location) -> Iterator[tuple[str, bytes]]:
    """(clip id, video) of every row."""
    import lance

    rows = lance.dataset(str(out / "clips.lance"))
    names = rows.to_table(columns=["id"])["id"].to_pylist()
    for i, name in enumerate(names):
        with rows.take_blobs("video_blob", indices=[i])[0] as file:
            yield name, file.read()


def _schema() -> pa.Schema:
    import pyarrow as pa

    blob = {"lance-encoding:blob": "true"}
    return pa.schema(
        [
            pa.field("id", pa.string()),
            pa.field("video_blob", pa.large_binary(), metadata=blob),
            pa.field("caption", pa.string()),
            pa.field("captions", pa.list_(pa.string())),
            pa.field("num_frames", pa.int32()),
            pa.field("fps", pa.float64()),
            pa.field("width", pa.int32()),
            pa.field("height", pa.int32()),
        ]
    )


def _batches(out: Path, export: Export) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    schema = _schema()
    for start in range(0, len(export.clips), BATCH):
        part = export.clips[start : start + BATCH]
        values = [
            [c.name for c in part],
            [(out / c.media).read_bytes() for c in part],
            [c.caption for c in part],
            [list(c.captions) for c in part],
            [c.n_frames for c in part],
            [c.fps for c in part],
            [c.width for c in part],
            [c.height for c in part],
        ]
        columns = [pa.array(v, f.type) for v, f in zip(values, schema, strict=True)]
        yield pa.record_batch(columns, schema=schema)


TARGET = Target(
    name="lance",
    reads="lancedb/lance pylance",
    many_captions=True,
    audio=True,
    check=check,
    writer=write,
    read_back=read,
)
