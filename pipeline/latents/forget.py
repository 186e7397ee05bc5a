"""Take clips out of ``latents/`` for good: their posteriors, and captions that no other clip shows."""

from __future__ import annotations

from collections.abc import Callable, Collection

from pipeline import schema as s
from pipeline.latents.index import commit, is_committed
from pipeline.latents.layout import (
    CAPTIONS_INDEX,
    CLIPS_INDEX,
    KINDS,
    ROWS_HASH,
    SHARDS_HASH,
    TEXTS,
    committed,
    metadata_of,
)
from pipeline.latents.parts import clip_keys, prune_clips, prune_texts
from pipeline.shards.layout import MANIFEST_NAME
from pipeline.store.parquet import write_table
from pipeline.store.paths import Location, matching, parquet_input

DRAFT = ".taking-out.parquet"
"""What says, until it is done, which captions are to stay."""


def take_out(
    folder: Location, gone: Collection[str], shards_hash: Callable[[], str] | None = None
) -> bool:
    """Remove clips by their ids; whether anything changed. Retry-safe: a rerun after a kill ends the same.

    ``shards_hash`` gives the identity of the shards that the latents that are left are in line with; None: they are in
    line with none, and ``encode`` has to be run. An encoding that was interrupted loses all its captions, because only
    a finished one says whose they are; ``encode`` makes them anew.
    """
    rows = {clip: key for keys in clip_keys(folder).values() for clip, key in keys.items()}
    kept = {clip: key for clip, key in rows.items() if clip not in gone}
    draft = folder / DRAFT
    if is_committed(folder):
        if len(kept) == len(rows):
            draft.unlink(missing_ok=True)
            return False
        _write_draft(folder, gone)
    whole = draft.exists()
    if not whole and len(kept) == len(rows) and not matching(folder / TEXTS):
        return False
    captions, metadata = _read_draft(folder) if whole else ({}, {})
    for name in (MANIFEST_NAME, CLIPS_INDEX, CAPTIONS_INDEX):
        (folder / name).unlink(missing_ok=True)
    prune_texts(folder, {key for kinds in captions.values() for key in kinds.values()})
    prune_clips(folder, kept)
    if whole and kept:
        if shards_hash is not None:
            metadata[SHARDS_HASH] = shards_hash()
        commit(folder, metadata, captions)
    draft.unlink(missing_ok=True)
    return True


def _write_draft(folder: Location, gone: Collection[str]) -> None:
    """Which clip that stays shows which caption: what a rerun goes on with after a kill."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    metadata = dict(committed(folder))
    for key in (ROWS_HASH, KINDS, SHARDS_HASH):
        metadata.pop(key, None)
    table = pq.read_table(parquet_input(folder / MANIFEST_NAME), partitioning=None)
    out = pc.is_in(table[s.CLIP_ID], value_set=pa.array(sorted(gone), pa.string()))
    table = table.filter(pc.invert(out)).select([s.CLIP_ID, s.KIND, s.TEXT_KEY])
    write_table(folder / DRAFT, table.replace_schema_metadata(metadata))


def _read_draft(folder: Location) -> tuple[dict[str, dict[str, str]], dict[str, str]]:
    import pyarrow.parquet as pq

    table = pq.read_table(parquet_input(folder / DRAFT), partitioning=None)
    names = (s.CLIP_ID, s.KIND, s.TEXT_KEY)
    found: dict[str, dict[str, str]] = {}
    for clip, kind, key in zip(*(table[name].to_pylist() for name in names), strict=True):
        found.setdefault(clip, {})[kind] = key
    return found, metadata_of(table.schema)
