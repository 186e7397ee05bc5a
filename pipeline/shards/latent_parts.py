"""Write ``latents/``: parts named by what they hold, a manifest as commit record, stale rows removed.

A row's ``cache_key`` says everything it was computed from. A part's name is the hash of its keys, so
writing the same part twice leaves one file; a folder without a manifest is an unfinished encoding.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import xxhash

from pipeline import schema as s
from pipeline.shards.latents import METADATA_KEYS, PAYLOAD, committed_parts
from pipeline.shards.layout import MANIFEST_NAME, VERSION_KEY
from pipeline.store.parquet import write_table
from pipeline.store.paths import Location, matching, parquet_input
from pipeline.tables import latents_schema

if TYPE_CHECKING:
    import pyarrow as pa

Key = tuple[str, str]
"""(clip_id, kind) of a row."""


def cache_key(*parts: object) -> str:
    """Hash of everything a latent row is computed from; 32 hex digits."""
    return xxhash.xxh3_128_hexdigest(repr(parts).encode())


def part_name(keys: Iterable[str]) -> str:
    """File name of the part whose rows have these cache keys."""
    return f"part-{xxhash.xxh3_64_hexdigest(repr(sorted(keys)).encode())}.parquet"


def write_latents(
    folder: Location, rows: Sequence[Mapping[str, Any]], metadata: Mapping[str, str]
) -> Location:
    """Write ``rows`` (columns of ``latents_schema``) as one part; returns its path."""
    import pyarrow as pa

    schema = latents_schema()
    columns = {name: [row[name] for row in rows] for name in schema.names}
    table = pa.table(columns, schema=schema.with_metadata(_checked(metadata)))
    path = folder / part_name(columns[s.CACHE_KEY])
    write_part(path, table)
    return path


def write_part(path: Location, table: pa.Table) -> None:
    """Payload columns plain and uncompressed (byte-range readable), pages checksummed."""
    names = table.column_names
    write_table(
        path,
        table,
        compression={_leaf(n): "none" if n in PAYLOAD else "zstd" for n in names},
        use_dictionary=False,
        write_statistics=[n for n in names if n not in PAYLOAD],
        data_page_version="1.0",
        write_page_checksum=True,
        row_group_size=1024,
    )


def present_keys(folder: Location) -> dict[Location, dict[Key, str]]:
    """Per part, the cache key of each row; unreadable parts hold nothing."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    found: dict[Location, dict[Key, str]] = {}
    for path in matching(folder):
        found[path] = {}
        try:
            table = pq.read_table(
                parquet_input(path), columns=[s.CLIP_ID, s.KIND, s.CACHE_KEY], partitioning=None
            ).to_pydict()
            keys = zip(table[s.CLIP_ID], table[s.KIND], strict=True)
            found[path] = dict(zip(keys, table[s.CACHE_KEY], strict=True))
        except (ConnectionError, PermissionError):
            raise  # nothing is known of this part, and it must not be taken for a damaged one
        except (pa.ArrowException, OSError):
            continue
    return found


def prune(folder: Location, wanted: Mapping[Key, str]) -> tuple[set[Key], int]:
    """Drop rows whose key is not the wanted one, and rows present twice; (rows kept, rows dropped).

    Parts without a stale row are left as they are. The manifest goes first when anything changes.
    """
    import pyarrow.parquet as pq

    kept: set[Key] = set()
    dropped = 0
    for path, rows in present_keys(folder).items():
        good = {key for key, value in rows.items() if wanted.get(key) == value and key not in kept}
        kept |= good
        if good and len(good) == len(rows):
            continue
        (folder / MANIFEST_NAME).unlink(missing_ok=True)
        dropped += len(rows) - len(good)
        if good:
            table = pq.read_table(parquet_input(path), partitioning=None)
            keys = zip(table[s.CLIP_ID].to_pylist(), table[s.KIND].to_pylist(), strict=True)
            table = table.filter([key in good for key in keys])
            target = folder / part_name(table[s.CACHE_KEY].to_pylist())
            write_part(target, table)
            if target == path:
                continue
        path.unlink()
    return kept, dropped


def commit(folder: Location, metadata: Mapping[str, str]) -> int:
    """Write ``manifest.parquet`` over all parts present: the encoding is finished. Returns its rows."""
    import pyarrow as pa

    rows = [
        {s.CLIP_ID: clip, s.KIND: kind, s.CACHE_KEY: key, s.SHARD: path.name}
        for path, keys in present_keys(folder).items()
        for (clip, kind), key in keys.items()
    ]
    rows.sort(key=lambda row: (row[s.CLIP_ID], row[s.KIND]))
    names = (s.CLIP_ID, s.KIND, s.CACHE_KEY, s.SHARD)
    schema = pa.schema([(name, pa.string()) for name in names], metadata=_checked(metadata))
    table = pa.table({name: [row[name] for row in rows] for name in names}, schema=schema)
    write_table(folder / MANIFEST_NAME, table)
    return len(rows)


def is_committed(folder: Location) -> bool:
    """Whether the last encoding into ``folder`` ran to its end and its parts are all there."""
    try:
        return all(path.exists() for path in committed_parts(folder))
    except ValueError:
        return False


def _checked(metadata: Mapping[str, str]) -> dict[str, str]:
    missing = [key for key in METADATA_KEYS if key not in metadata]
    if missing:
        raise ValueError(f"latents need {', '.join(missing)} in their metadata")
    return {VERSION_KEY: s.SCHEMA_VERSION, **metadata}


def _leaf(name: str) -> str:
    return f"{name}.list.element" if name == s.LATENT_SHAPE else name
