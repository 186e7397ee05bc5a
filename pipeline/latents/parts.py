"""Write the parts of ``latents/``, and remove what is stale.

A key says everything that a row was computed from: of a clip ``cache_key``, of a caption ``text_key``. A part's name is
the hash of its rows, so that writing the same part twice leaves one file. Clips of equal bytes share a key, not a row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xxhash

from pipeline import schema as s
from pipeline.latents.codec import pack_text, to_bf16
from pipeline.latents.layout import (
    LAYOUT,
    LAYOUT_KEY,
    POSTERIOR_KEPT,
    TEXT_STORAGE,
    TEXTS,
    checked,
    metadata_of,
)
from pipeline.shards.layout import MANIFEST_NAME
from pipeline.shards.read import check_version
from pipeline.store.parquet import write_table
from pipeline.store.paths import Location, matching, parquet_input
from pipeline.tables import latents_schema, texts_schema

if TYPE_CHECKING:
    import pyarrow as pa

PAYLOAD = (s.POSTERIOR, s.CAPTION, s.TEXT_FEATURES)
"""Columns that are read by byte range; all others are scalars."""
CLIP_ROW, TEXT_ROW = (s.CLIP_ID, s.CACHE_KEY), (s.TEXT_KEY,)
"""What a row is known by: its id first."""


def cache_key(*parts: object) -> str:
    """Hash of everything that a row is computed from; 32 hex digits."""
    return xxhash.xxh3_128_hexdigest(repr(parts).encode())


def part_name(rows: Iterable[tuple[str, ...]]) -> str:
    """File name of the part that has these rows: of each clip its id and key, of each caption its key."""
    return f"part-{xxhash.xxh3_64_hexdigest(repr(sorted(rows)).encode())}.parquet"


def write_clips(
    folder: Location, rows: Sequence[Mapping[str, Any]], metadata: Mapping[str, str]
) -> Location:
    """Write a part of clips; returns its path.

    Each row has the scalars of ``latents_schema``, and ``latent_mean`` and ``latent_logvar``, float (C, T, H, W); the
    latter is left out when the metadata's ``posterior`` says ``mean``.
    """
    metadata = checked(metadata)
    full = metadata[POSTERIOR_KEPT] == "full"

    def cells(row: Mapping[str, Any]) -> dict[str, Any]:
        payload = to_bf16(row[s.LATENT_MEAN]) + (to_bf16(row[s.LATENT_LOGVAR]) if full else b"")
        shape = list(np.shape(row[s.LATENT_MEAN]))
        return {**row, s.POSTERIOR: payload, s.LATENT_SHAPE: shape, **_hash_of(payload)}

    return _write(folder, latents_schema(), CLIP_ROW, map(cells, rows), metadata)


def write_texts(
    folder: Location, rows: Sequence[Mapping[str, Any]], metadata: Mapping[str, str]
) -> Location:
    """Write a part of captions; returns its path.

    Each row has ``text_key``, ``caption``, ``text_features``, a float array (L, D), and ``text_cut`` or none.
    """
    metadata = checked(metadata)

    def cells(row: Mapping[str, Any]) -> dict[str, Any]:
        payload = pack_text(row[s.TEXT_FEATURES], metadata[TEXT_STORAGE])
        length = {s.TEXT_LEN: len(row[s.TEXT_FEATURES])}
        return {**row, s.TEXT_FEATURES: payload, **length, **_hash_of(payload)}

    return _write(folder / TEXTS, texts_schema(), TEXT_ROW, map(cells, rows), metadata)


def _hash_of(payload: bytes) -> dict[str, int]:
    return {s.PAYLOAD_XXH3: xxhash.xxh3_64_intdigest(payload)}


def _write(
    folder: Location,
    schema: pa.Schema,
    names: tuple[str, ...],
    rows: Iterable[Mapping[str, Any]],
    metadata: Mapping[str, str],
) -> Location:
    import pyarrow as pa

    found = list(rows)
    columns = {name: [row.get(name) for row in found] for name in schema.names}
    path = folder / part_name(tuple(row[name] for name in names) for row in found)
    write_part(path, pa.table(columns, schema=schema.with_metadata(metadata)))
    return path


def write_part(path: Location, table: pa.Table) -> None:
    """Payload columns plain and uncompressed (byte-range readable), pages checksummed."""
    names = table.column_names
    write_table(
        path,
        table,
        compression={
            f"{n}.list.element" if n == s.LATENT_SHAPE else n: "none" if n in PAYLOAD else "zstd"
            for n in names
        },
        use_dictionary=False,
        write_statistics=[n for n in names if n not in PAYLOAD],
        data_page_version="1.0",
        write_page_checksum=True,
        row_group_size=1024,
    )


def clip_keys(folder: Location) -> dict[Location, dict[str, str]]:
    """Per part of clips, clip id -> cache key; parts that are damaged or of another layout hold nothing.

    ValueError for a part of another schema version: what another filmstock wrote is not taken for damage.
    """
    return {path: _columns(path, s.CLIP_ID, s.CACHE_KEY) for path in matching(folder)}


def text_keys(folder: Location) -> dict[Location, dict[str, str]]:
    """Per part of texts, text key -> text key; see ``clip_keys``."""
    return {path: _columns(path, s.TEXT_KEY, s.TEXT_KEY) for path in matching(folder / TEXTS)}


def _columns(path: Location, key: str, value: str) -> dict[str, str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(parquet_input(path)) as file:
            check_version(file.schema_arrow, path)
            if metadata_of(file.schema_arrow).get(LAYOUT_KEY) != LAYOUT:
                return {}
            table = file.read(columns=list({key, value})).to_pydict()
    except (ConnectionError, PermissionError):
        raise  # nothing is known of this part, and it must not be taken for a damaged one
    except (pa.ArrowException, OSError):
        return {}
    return dict(zip(table[key], table[value], strict=True))


def prune_clips(folder: Location, wanted: Mapping[str, str]) -> tuple[set[str], int]:
    """Drop clips whose cache key is not ``wanted``'s, and clips present twice; (clips kept, rows dropped).

    Parts without a stale row are left as they are. The manifest goes first when anything changes.
    """
    return _prune(folder, clip_keys(folder), CLIP_ROW, wanted.get)


def prune_texts(folder: Location, wanted: Iterable[str]) -> tuple[set[str], int]:
    """The same for captions that no clip shows any more; (text keys kept, rows dropped)."""
    keys = set(wanted)
    found = text_keys(folder)
    return _prune(folder, found, TEXT_ROW, lambda k: k if k in keys else None)


def _prune(
    folder: Location,
    parts: Mapping[Location, Mapping[str, str]],
    names: tuple[str, ...],
    want: Callable[[str], str | None],
) -> tuple[set[str], int]:
    import pyarrow.parquet as pq

    kept: set[str] = set()
    dropped = 0
    written: set[Location] = set()
    for path, rows in parts.items():
        if path in written:  # a kill left it beside the part that it was made of
            continue
        good = {name for name, found in rows.items() if want(name) == found and name not in kept}
        kept |= good
        if good and len(good) == len(rows):
            continue
        (folder / MANIFEST_NAME).unlink(missing_ok=True)
        dropped += len(rows) - len(good)
        if good:
            table = pq.read_table(parquet_input(path), partitioning=None)
            table = table.filter([row in good for row in table[names[0]].to_pylist()])
            columns = (table[name].to_pylist() for name in names)
            target = path.parent / part_name(zip(*columns, strict=True))
            write_part(target, table)
            written.add(target)
            if target == path:
                continue
        path.unlink()
    return kept, dropped
