"""The index of ``latents/``: made from the parts when an encoding is finished, mapped into memory when it is opened."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xxhash

from pipeline import schema as s
from pipeline.latents.layout import (
    CAPTIONS_INDEX,
    CLIP_KEYS,
    CLIPS_INDEX,
    KINDS,
    ROWS_HASH,
    TEXT_KEYS,
    TEXTS,
    checked,
    committed,
    metadata_of,
)
from pipeline.shards.layout import MANIFEST_NAME
from pipeline.shards.pages import cell_ranges
from pipeline.store.atomic import atomic_path
from pipeline.store.parquet import write_table
from pipeline.store.paths import Location, ObjectPath, matching, names_in, parquet_input
from pipeline.tables import (
    caption_index_schema,
    latent_index_schema,
    latents_manifest_schema,
    latents_schema,
    texts_schema,
)

if TYPE_CHECKING:
    import pyarrow as pa

CACHE_VARIABLE = "FILMSTOCK_CACHE"
"""Environment variable: folder of this machine where the index of a store's latents is kept."""


def source_draw(source: str) -> int:
    """Where a source stands when sources are held out: a hash of its id, uniform over 32 bits."""
    digest = hashlib.blake2b(f"held-out:{source}".encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big")


def kind_of(name: str) -> str:
    """Kind of a caption of ``latents/``: ``structured`` of ``structured.0``, one of its renderings."""
    return name.partition(".")[0]


def commit(
    folder: Location, metadata: Mapping[str, str], captions: Mapping[str, Mapping[str, str]]
) -> tuple[int, int]:
    """Write the index and ``manifest.parquet`` over all parts: the encoding is finished. Returns (clips, captions).

    ``captions``: clip id -> kind -> text key. A clip without latents and a caption without features are left out.

    Raises:
        ValueError: the parts were made by different models.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    metadata = checked(metadata)
    clips = _scalars(folder, matching(folder), latents_schema(), (s.POSTERIOR,), CLIP_KEYS)
    texts = _scalars(
        folder / TEXTS,
        matching(folder / TEXTS),
        texts_schema(),
        (s.TEXT_FEATURES, s.CAPTION),
        TEXT_KEYS,
    )
    shown = [(c, kind, key) for c, kinds in captions.items() for kind, key in kinds.items()]
    names = (s.CLIP_ID, s.KIND, s.TEXT_KEY)
    told = pa.table(
        {name: pa.array([row[i] for row in shown], pa.string()) for i, name in enumerate(names)}
    )
    del shown
    at = pc.index_in(told[s.TEXT_KEY], value_set=texts[s.TEXT_KEY].combine_chunks())
    told = told.append_column("text_at", at).filter(pc.is_valid(at))
    clips = clips.filter(pc.is_in(clips[s.CLIP_ID], value_set=told[s.CLIP_ID].combine_chunks()))
    clips = clips.sort_by(s.CLIP_ID).combine_chunks()
    at = pc.index_in(told[s.CLIP_ID], value_set=clips[s.CLIP_ID].combine_chunks())
    told = told.append_column("clip_at", at).filter(pc.is_valid(at))
    told = told.sort_by([("clip_at", "ascending"), (s.KIND, "ascending")]).combine_chunks()
    return write_index(folder, metadata, clips, texts.take(told["text_at"]), told)


def write_index(
    folder: Location, metadata: dict[str, str], clips: pa.Table, texts: pa.Table, told: pa.Table
) -> tuple[int, int]:
    """The index over ``clips``, sorted by id, and the captions ``told`` (sorted by ``clip_at``), each with its text."""
    import pyarrow as pa

    owner = told["clip_at"].to_numpy()
    keys = clips[s.CACHE_KEY].take(told["clip_at"])
    manifest = pa.table(
        {
            s.CLIP_ID: told[s.CLIP_ID],
            s.KIND: told[s.KIND],
            s.CACHE_KEY: keys,
            s.TEXT_KEY: told[s.TEXT_KEY],
            s.SHARD: clips[s.SHARD].take(told["clip_at"]),
            s.TEXT_SHARD: texts[s.SHARD],
        }
    )
    counts = np.bincount(owner, minlength=len(clips))
    kinds = told[s.KIND].combine_chunks().dictionary_encode()
    if isinstance(kinds, pa.ChunkedArray):
        kinds = kinds.combine_chunks()
    plain = [kind_of(name) for name in kinds.dictionary.to_pylist()]
    bits = sorted(set(plain))
    if len(bits) > 16:
        raise ValueError(f"{len(bits)} kinds of captions, at most 16 fit the index: {bits}")
    flags = np.array([1 << bits.index(kind) for kind in plain], np.uint16)
    mask = np.zeros(len(clips), np.uint16)
    np.bitwise_or.at(mask, owner, flags[kinds.indices.to_numpy()])
    info = {**metadata, ROWS_HASH: _rows_hash(manifest), KINDS: json.dumps(bits)}
    sources = _source(clips).combine_chunks().dictionary_encode()
    if isinstance(sources, pa.ChunkedArray):
        sources = sources.combine_chunks()
    draws = np.array([source_draw(name) for name in sources.dictionary.to_pylist()], np.uint32)
    made = {
        s.SOURCE_ID: sources,
        s.SOURCE_DRAW: draws[sources.indices.to_numpy()],
        s.FIRST_CAPTION: np.cumsum(counts, dtype=np.int64) - counts,
        s.CAPTION_MASK: mask,
        s.BYTE_OFFSET: clips[s.POSTERIOR],
    }
    _write_arrow(folder / CLIPS_INDEX, latent_index_schema(), clips, made, info)
    made = {
        s.KIND: kinds,
        s.TEXT_SHARD: texts[s.SHARD],
        s.BYTE_OFFSET: texts[s.TEXT_FEATURES],
        s.CAPTION_OFFSET: texts[s.CAPTION],
        s.CAPTION_LENGTH: texts[s.CAPTION_LENGTH],
    }
    _write_arrow(folder / CAPTIONS_INDEX, caption_index_schema(), texts, made, info)
    schema = latents_manifest_schema().with_metadata(info)
    write_table(folder / MANIFEST_NAME, manifest.cast(latents_manifest_schema()).cast(schema))
    return len(clips), len(told)


def _source(clips: pa.Table) -> pa.ChunkedArray:
    """The source of each clip; a clip that names none is its own."""
    import pyarrow.compute as pc

    return pc.coalesce(clips[s.SOURCE_ID], clips[s.CLIP_ID])


def _write_arrow(
    path: Location,
    schema: pa.Schema,
    table: pa.Table,
    made: Mapping[str, Any],
    metadata: Mapping[str, str],
) -> None:
    """One record batch, uncompressed, so that a column is one array of the mapped file."""
    import pyarrow as pa

    columns = []
    for field in schema:
        column = made[field.name] if field.name in made else table[field.name]
        if isinstance(column, np.ndarray):
            column = pa.array(column, field.type)
        if isinstance(column, pa.ChunkedArray):
            column = column.combine_chunks()
        if pa.types.is_dictionary(field.type) and not pa.types.is_dictionary(column.type):
            column = column.dictionary_encode()
        columns.append(column.cast(field.type))
    batch = pa.record_batch(columns, schema=schema.with_metadata(dict(metadata)))
    with (
        atomic_path(path) as temporary,
        pa.OSFile(str(temporary), "wb") as sink,
        pa.ipc.new_file(sink, batch.schema) as writer,
    ):
        writer.write_batch(batch)


def _scalars(
    folder: Location,
    paths: Sequence[Location],
    schema: pa.Schema,
    payload: tuple[str, ...],
    shared: tuple[str, ...],
) -> pa.Table:
    """Scalars of all parts; a payload column holds byte offsets, ``shard`` the name of the part."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = [name for name in schema.names if name not in payload]
    tables = []
    first: dict[str, str] | None = None
    for path in paths:
        with pq.ParquetFile(parquet_input(path)) as file:
            table = file.read(columns=names)
        told = metadata_of(table.schema)
        found = {key: told.get(key, "") for key in shared}
        if first is not None and found != first:
            wrong = [key for key in shared if found[key] != first[key]]
            raise ValueError(
                f"{path} was made with another {', '.join(wrong)} than {paths[0].name}; "
                "run `filmstock encode` again to renew what is stale"
            )
        first = found
        for column in payload:
            ranges = np.array(cell_ranges(path, column), np.int64).reshape(-1, 2)
            table = table.append_column(column, pa.array(ranges[:, 0]))
            if column == s.CAPTION:
                lengths = pa.array(ranges[:, 1].astype(np.int32))
                table = table.append_column(s.CAPTION_LENGTH, lengths)
        shard = pa.DictionaryArray.from_arrays(
            pa.array(np.zeros(len(table), np.int32)), [path.name]
        )
        tables.append(table.append_column(s.SHARD, shard.cast(pa.string())))
    if tables:
        return pa.concat_tables(tables).replace_schema_metadata(None)
    types = [(name, schema.field(name).type) for name in names]
    types += [(name, pa.int64()) for name in payload]
    types += [(s.CAPTION_LENGTH, pa.int32()), (s.SHARD, pa.string())]
    return pa.schema(types).empty_table()


def _rows_hash(manifest: pa.Table) -> str:
    """Identity of what training sees: ids, kinds and keys, not where they lie."""
    digest = xxhash.xxh3_128()
    for name in (s.CLIP_ID, s.KIND, s.CACHE_KEY, s.TEXT_KEY):
        for chunk in manifest[name].chunks:
            for start in range(0, len(chunk), 1 << 16):
                digest.update("\n".join(chunk[start : start + (1 << 16)].to_pylist()).encode())
                digest.update(b"\n")
    return digest.hexdigest()


def open_index(root: Location) -> tuple[dict[str, str], pa.RecordBatch, pa.RecordBatch]:
    """(metadata, clips, captions) of a finished encoding, both mapped into memory; nothing of them is read.

    Raises:
        ValueError: no finished encoding, an older layout, a part that is gone; the message says what to run.
    """
    metadata = committed(root)
    opened = []
    for name in (CLIPS_INDEX, CAPTIONS_INDEX):
        path = _local(root / name, metadata.get(ROWS_HASH, ""))
        batch = _mapped(path)
        if metadata_of(batch.schema).get(ROWS_HASH) != metadata.get(ROWS_HASH):
            raise ValueError(
                f"{root / name} is not that of its manifest; run `filmstock encode` again"
            )
        opened.append(batch)
    clips, captions = opened
    if not len(clips):
        raise ValueError(f"{root} holds no clip at all; run `filmstock encode` on shards that do")
    for place, column in ((root, clips[s.SHARD]), (root / TEXTS, captions[s.TEXT_SHARD])):
        gone = set(column.dictionary.to_pylist()) - set(names_in(place))
        if gone:
            raise ValueError(
                f"{place / min(gone)} is missing; run `filmstock encode` again to make it anew"
            )
    return metadata, clips, captions


def _mapped(path: Path) -> pa.RecordBatch:
    import pyarrow as pa

    try:
        return pa.ipc.open_file(pa.memory_map(str(path))).get_batch(0)
    except (pa.ArrowException, OSError) as error:
        raise ValueError(
            f"{path} is damaged or gone ({error}); run `filmstock encode` again"
        ) from None


def _local(path: Location, identity: str) -> Path:
    """The file itself, or this machine's copy of an object, which all processes of the node map."""
    if not isinstance(path, ObjectPath):
        return path
    default = Path(tempfile.gettempdir()) / f"filmstock-{os.getuid()}"
    # the same rows may lie in other parts, elsewhere or after a part was made anew
    place = xxhash.xxh3_64_hexdigest(f"{path} {path.stat().stamp}".encode())
    copy = Path(os.environ.get(CACHE_VARIABLE) or default) / f"{identity}-{place}-{path.name}"
    if not copy.exists():
        with atomic_path(copy) as temporary, temporary.open("wb") as sink:
            for chunk in path.chunks():
                sink.write(chunk)
    return copy


def is_committed(folder: Location) -> bool:
    """Whether the last encoding into ``folder`` ran to its end and its parts are all there."""
    try:
        open_index(folder)
    except ValueError:
        return False
    return True
