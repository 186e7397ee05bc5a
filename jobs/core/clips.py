"""The clips of a run folder that later stages work on: those that select kept, and the captions that can be used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline import schema as s
from pipeline.store.paths import Location, parquet_input

if TYPE_CHECKING:
    import pyarrow as pa


def kept_clips(folder: Location) -> pa.Table:
    """Manifest rows of the clips that select kept, in source order."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    from pipeline.shards.read import open_table

    selection = pq.read_table(
        parquet_input(folder / "selection.parquet"), columns=[s.CLIP_ID, s.DECISION]
    )
    kept = selection.filter(pc.equal(selection[s.DECISION], str(s.Decision.KEEP)))[s.CLIP_ID]
    manifest = open_table(folder / "manifest")
    rows = manifest.filter(pc.is_in(manifest[s.CLIP_ID], value_set=kept.combine_chunks()))
    return rows.sort_by([(s.SOURCE_ID, "ascending"), (s.START_PTS, "ascending")])


def usable_captions(folder: Location, kinds: tuple[str, ...]) -> dict[str, dict[str, str]]:
    """clip_id -> caption column -> text, of captions that ended well."""
    from pipeline.shards.read import open_table

    for kind in kinds:
        s.caption_column(kind)  # refuses unknown kinds
    table = open_table(folder / "captions", [s.CLIP_ID, s.KIND, s.TEXT, s.OUTCOME])
    found: dict[str, dict[str, str]] = {}
    for row in table.to_pylist():
        usable = row[s.OUTCOME] == s.CaptionOutcome.OK and row[s.TEXT] and row[s.KIND] in kinds
        if usable:
            found.setdefault(row[s.CLIP_ID], {})[s.caption_column(row[s.KIND])] = row[s.TEXT]
    return found


def clip_root(folder: Location, shard: str) -> Location:
    """Folder that a manifest's ``shard`` is relative to: the run folder or its ``clips/``."""
    return folder if (folder / shard).exists() else folder / "clips"
