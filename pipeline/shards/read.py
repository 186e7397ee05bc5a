"""Open finished shards and the tables of a run: a manifest names each clip's (shard, byte_offset, byte_length, hash).

Folders may be local paths or URIs (``pipeline.store.paths``); ``ranges`` reads the clips.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import xxhash

from pipeline import schema as s
from pipeline.shards.layout import MANIFEST_SUFFIX, VERSION_KEY, manifest_of
from pipeline.shards.ranges import ShardFiles, read_range
from pipeline.store.paths import Location, each, location, matching, parquet_input

if TYPE_CHECKING:
    import pyarrow as pa

RANGE_COLUMNS = (s.SHARD, s.BYTE_OFFSET, s.BYTE_LENGTH, s.VIDEO_XXH3)


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """Rows of a finished shard folder, sorted by clip id so that resharding does not move them."""

    root: str
    """Folder that holds the shard files."""
    table: pa.Table
    """All manifest columns, one row per clip."""
    hash: str
    """Identity of the data: ids, video hashes and captions; not the shard layout."""

    def __len__(self) -> int:
        return self.table.num_rows

    def __getstate__(self) -> dict[str, Any]:
        """What a spawned process needs; it finds the rest by itself."""
        return {"root": self.root, "table": self.table, "hash": self.hash}

    @cached_property
    def columns(self) -> dict[str, Any]:
        """Columns by name, as one array each: a cell of a chunked one takes ten times as long to find."""
        found = {name: self.table[name] for name in self.table.column_names}
        return {n: c.chunk(0) if c.num_chunks == 1 else c for n, c in found.items()}

    @cached_property
    def files(self) -> ShardFiles:
        """The shard files."""
        return ShardFiles(self.root)

    @cached_property
    def _ranges(self) -> tuple[list[str], memoryview, memoryview, memoryview]:
        """Names of shards, and for each row the number of its name, byte offset and length."""
        named = self.columns[s.SHARD].dictionary_encode()
        codes = _integers(named.indices, "i")
        ends = (_integers(self.columns[name], "q") for name in (s.BYTE_OFFSET, s.BYTE_LENGTH))
        return named.dictionary.to_pylist(), codes, *ends

    def row(self, index: int) -> dict[str, Any]:
        """Row ``index`` as a dict."""
        return self.table.slice(index, 1).to_pylist()[0]

    def read(self, index: int, *, check: bool = True) -> bytes:
        """Encoded bytes of the clip in row ``index``, hash-checked."""
        shards, codes, offsets, lengths = self._ranges
        expected = self.columns[s.VIDEO_XXH3][index].as_py() if check else None
        return self.files.clip(shards[codes[index]], offsets[index], lengths[index], expected)

    def caption(self, index: int, kind: str) -> str | None:
        """Caption of ``kind`` of row ``index``, None when it has none."""
        column = self.columns.get(s.caption_column(kind))
        return None if column is None else column[index].as_py()


def open_manifest(folder: str | Location) -> Manifest:
    """Open finished shards: a shard folder, its manifest, or a run folder with ``shards/``."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    root = shard_root(folder)
    path = manifest_of(location(root))
    try:
        # Not read_table: that imports pandas, half a second and 50 MB in every worker.
        with pq.ParquetFile(parquet_input(path), pre_buffer=False) as file:
            table = file.read()
    except FileNotFoundError:
        raise ValueError(_no_manifest(root)) from None
    except (PermissionError, ConnectionError):
        raise
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{path} is not a readable Parquet file: {error}") from None
    version = (table.schema.metadata or {}).get(VERSION_KEY.encode(), b"?").decode()
    if version != s.SCHEMA_VERSION:
        raise ValueError(
            f"{path} has schema version {version}, this filmstock reads "
            f"{s.SCHEMA_VERSION}; write the shards again with `filmstock pack`"
        )
    missing = [name for name in (s.CLIP_ID, *RANGE_COLUMNS) if name not in table.column_names]
    if missing:
        raise ValueError(f"{path} lacks {', '.join(missing)}: not a shard manifest")
    table = table.sort_by(s.CLIP_ID).combine_chunks()
    return Manifest(root=root, table=table, hash=manifest_hash(table))


def manifest_hash(table: pa.Table) -> str:
    """Identity of what a trainer sees (ids, video hashes, captions), whatever the order and layout."""
    import pyarrow as pa
    import pyarrow.compute as pc

    captions = [s.caption_column(kind) for kind in s.CAPTION_KINDS]
    names = [n for n in (s.CLIP_ID, s.VIDEO_XXH3, *captions) if n in table.column_names]
    digest = xxhash.xxh3_128()
    for name in names:
        column = table[name].cast(pa.large_binary()).combine_chunks()
        lengths = pc.fill_null(pc.binary_length(column), -1)
        digest.update(name.encode())
        digest.update(_integers(lengths, "q"))
        digest.update(_joined(column.drop_null()))
    return digest.hexdigest()


def shard_root(folder: str | Location) -> str:
    """Folder of the shard files, from a shard folder, its manifest, or a run folder."""
    text = str(folder).rstrip("/")
    if text.endswith(MANIFEST_SUFFIX):
        text = text[: -len(MANIFEST_SUFFIX)]
    path = location(text)
    if not path.exists():
        raise ValueError(f"{path} does not exist; give a run folder or a folder of shards")
    if not manifest_of(path).is_file() and (path / "shards").is_dir():
        path = path / "shards"
    return str(path)


def _no_manifest(root: str) -> str:
    if (location(root) / "manifest.parquet").is_file():
        return f"{root} was written by an earlier filmstock; write the shards again with `filmstock pack`"
    if any(location(root).glob("part-*.parquet")):
        return (
            f"{root} has shard files but no {manifest_of(location(root)).name} beside it: the write was "
            "interrupted; run the command that makes it again"
        )
    return f"{root} holds no finished shards; make them with `filmstock pack` or `filmstock world`"


def open_table(folder: str | Location, columns: list[str] | None = None) -> pa.Table:
    """All ``*.parquet`` parts of a folder (or one file) as a table; never reads video bytes unasked."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    paths = table_files(folder)
    if columns is None:
        columns = [name for name in read_schema(paths[0]).names if name != s.VIDEO]

    def read(path: Location) -> pa.Table:
        with readable(path):
            table = pq.read_table(parquet_input(path), columns=columns, partitioning=None)
        check_version(table.schema, path)
        return table

    return pa.concat_tables(each(read, paths), promote_options="default")


def read_schema(path: Location) -> pa.Schema:
    """Schema of a Parquet file; ValueError when it is none."""
    import pyarrow.parquet as pq

    with readable(path):
        return pq.read_schema(parquet_input(path))


@contextmanager
def readable(path: Location) -> Iterator[None]:
    """What pyarrow says of a file that is damaged or no Parquet becomes a ValueError with its name and the fix."""
    import pyarrow as pa

    try:
        yield
    except (ConnectionError, PermissionError, FileNotFoundError):
        raise
    except (pa.ArrowInvalid, OSError) as error:
        raise ValueError(
            f"cannot read {path}: {error}; remove it and run the command that writes it again"
        ) from None


def check_version(schema: pa.Schema, path: str | Location) -> None:
    """ValueError for a table whose file says that it is of another schema version; one that says none is taken."""
    version = (schema.metadata or {}).get(VERSION_KEY.encode(), s.SCHEMA_VERSION.encode()).decode()
    if version != s.SCHEMA_VERSION:
        raise ValueError(
            f"{path} has schema version {version}, this filmstock reads {s.SCHEMA_VERSION}; write it again "
            "with this one, or use the one that wrote it"
        )


def table_files(folder: str | Location) -> list[Location]:
    """Data files of a table: ``folder`` itself if it is a file, else its ``part-*.parquet``, sorted."""
    path = location(folder)
    if path.is_file():
        return [path]
    found = matching(path)
    if not found:
        raise ValueError(
            f"{path} holds no part-*.parquet file; is the stage that writes it finished?"
        )
    return found


def iter_videos(path: str | Path) -> Iterator[bytes]:
    """Video bytes of a file we wrote, row by row, one clip in memory at a time."""
    from pipeline.shards.layout import VIDEO_LEAF
    from pipeline.shards.pages import cell_ranges

    root, name = os.path.split(str(path))
    for offset, length in cell_ranges(path, VIDEO_LEAF):
        yield read_range(root or ".", name, offset, length)


def _integers(column: pa.Array, code: Literal["i", "q"]) -> memoryview:
    """An integer column without NULLs as Python can index it; Arrow's own way imports pandas, 40 MB a process."""
    return memoryview(column.buffers()[1]).cast("B").cast(code)[column.offset :][: len(column)]


def _joined(column: pa.LargeBinaryArray) -> memoryview | bytes:
    """The bytes of all cells of a column without NULLs, one after another."""
    if not len(column):
        return b""
    ends = memoryview(column.buffers()[1]).cast("B").cast("q")[column.offset :][: len(column) + 1]
    return memoryview(column.buffers()[2] or b"")[ends[0] : ends[-1]]
