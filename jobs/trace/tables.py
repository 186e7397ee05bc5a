"""Take rows out of the tables of a run folder, file by file; each file is the old one or the new one, never half.

Every function may be run again after a kill at any moment: what is gone already is passed over. The bytes of videos
go before the manifest that names their place, and a manifest that still has rows to lose finds the places of the
others anew, so a kill between the two leaves nothing that a rerun does not mend.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobs.core.run import RunFolder
from pipeline import schema as s
from pipeline.shards.card import dataset_card
from pipeline.shards.layout import VERSION_KEY, VIDEO_LEAF, card_of, manifest_of
from pipeline.store.atomic import write_bytes
from pipeline.store.parquet import write_table
from pipeline.store.paths import Location, matching, parquet_input

if TYPE_CHECKING:
    import pyarrow as pa

IDS = (s.CLIP_ID, s.SOURCE_ID, s.DUPLICATE_OF)
"""Columns by which a row is known to be of a work."""


@dataclass(frozen=True, kw_only=True)
class Gone:
    """Ids to take out."""

    clips: Collection[str]
    sources: Collection[str]

    def keep(self, table: pa.Table) -> pa.ChunkedArray:
        """Which rows stay."""
        import pyarrow as pa
        import pyarrow.compute as pc

        keep = pa.chunked_array([pa.array([True] * table.num_rows, pa.bool_())])
        for name, ids in ((s.CLIP_ID, self.clips), (s.SOURCE_ID, self.sources)):
            if name in table.column_names and ids:
                found = pc.is_in(table[name], value_set=pa.array(list(ids), pa.string()))
                keep = pc.and_(keep, pc.invert(found))
        return keep

    def without(self, table: pa.Table) -> pa.Table:
        """The table without their rows, and without the name of a clip that another is a duplicate of."""
        import pyarrow as pa
        import pyarrow.compute as pc

        table = table.filter(self.keep(table))
        if s.DUPLICATE_OF in table.column_names:
            column = table[s.DUPLICATE_OF]
            lost = pc.is_in(column, value_set=pa.array(list(self.clips), pa.string()))
            cleared = pc.if_else(lost, pa.scalar(None, column.type), column)
            table = table.set_column(
                table.schema.get_field_index(s.DUPLICATE_OF),
                table.schema.field(s.DUPLICATE_OF),
                cleared,
            )
        return table

    def touches(self, path: Location) -> bool:
        """Whether a Parquet file has anything of them."""
        import pyarrow.parquet as pq

        with pq.ParquetFile(parquet_input(path)) as file:
            names = [name for name in IDS if name in file.schema_arrow.names]
            ids = file.read(names) if names else None
        return ids is not None and not self.without(ids).equals(ids)


def read_whole(path: Location) -> pa.Table:
    """One Parquet file, its metadata with it; not the dataset that its folder may be."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(parquet_input(path)) as file:
        return file.read()


def take_out_table(path: Location, gone: Gone) -> bool:
    """Rewrite one Parquet file without video; removed when no row is left of a part. True when it changed."""

    if not gone.touches(path):
        return False
    left = gone.without(read_whole(path))
    if not left.num_rows and path.name.startswith("part-"):
        path.unlink()
    elif path.name == "selection.parquet":
        from jobs.select.tables import table_bytes

        write_bytes(path, table_bytes(left))
    else:
        write_table(path, left)
    return True


def take_out_video(path: Location, gone: Gone) -> bool:
    """Rewrite one file of clips, a row group at a time, every remaining cell compared; True when it changed."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    from pipeline.shards.part import OpenPart

    if not gone.touches(path):
        return False
    with pq.ParquetFile(parquet_input(path), pre_buffer=False) as file:
        found = file.schema_arrow
        index = found.get_field_index(s.VIDEO)
        flat = found.set(index, pa.field(s.VIDEO, pa.binary())).remove_metadata()
        raw = {k.decode(): v.decode() for k, v in (found.metadata or {}).items()}
        metadata = {k: v for k, v in raw.items() if k not in ("huggingface", VERSION_KEY)}
        part = OpenPart(path, flat, metadata)
        try:
            rows = 0
            for group in range(file.num_row_groups):
                table = gone.without(file.read_row_group(group))
                if not table.num_rows:
                    continue
                video = table[s.VIDEO].combine_chunks()
                if pa.types.is_struct(video.type):
                    video = pc.struct_field(video, "bytes")
                table = table.set_column(index, s.VIDEO, video).cast(flat)
                part.write_group(table)
                rows += table.num_rows
            if rows:
                part.commit()
            else:
                part.discard()
                path.unlink()
        except BaseException:
            part.discard()
            raise
    return True


def mend_manifest(path: Location, videos: Location, gone: Gone) -> bool:
    """Rewrite a table that names byte ranges, after the files of clips in ``videos``; True when it changed."""
    import pyarrow as pa

    table = read_whole(path)
    left = gone.without(table)
    if left.num_rows == table.num_rows:
        return False
    lost = set(table[s.SHARD].to_pylist()) & _touched(table, gone)
    places: dict[str, tuple[int, int]] = {}
    for shard in sorted(lost):
        if (videos / shard).is_file():
            places |= clip_places(videos / shard)
    rows = left.select([s.CLIP_ID, s.BYTE_OFFSET, s.BYTE_LENGTH]).to_pylist()
    found = [places.get(row[s.CLIP_ID], (row[s.BYTE_OFFSET], row[s.BYTE_LENGTH])) for row in rows]
    for number, name in enumerate((s.BYTE_OFFSET, s.BYTE_LENGTH)):
        values = pa.array([place[number] for place in found], pa.int64())
        left = left.set_column(left.schema.get_field_index(name), name, values)
    if not left.num_rows and path.name.startswith("part-"):
        path.unlink()
    else:
        write_table(path, left.cast(table.schema))
    return True


def _touched(table: pa.Table, gone: Gone) -> set[str]:
    import pyarrow.compute as pc

    return set(table.filter(pc.invert(gone.keep(table)))[s.SHARD].to_pylist())


def clip_places(path: Location) -> dict[str, tuple[int, int]]:
    """clip_id -> (byte offset, byte length) in a file of clips."""
    import pyarrow.parquet as pq

    from pipeline.shards.pages import cell_ranges

    with pq.ParquetFile(parquet_input(path)) as file:
        ids = file.read([s.CLIP_ID])[s.CLIP_ID].to_pylist()
    return dict(zip(ids, cell_ranges(path, VIDEO_LEAF), strict=True))


def take_out_clips(run: RunFolder, gone: Gone) -> Iterator[str]:
    """``clips/`` and ``manifest/``; yields the files that changed."""
    for path in matching(run / "clips"):
        if take_out_video(path, gone):
            yield f"clips/{path.name}"
    for path in matching(run.manifest):
        if mend_manifest(path, run / "clips", gone):
            yield f"manifest/{path.name}"


def take_out_shards(run: RunFolder, gone: Gone) -> Iterator[str]:
    """``shards/``, the manifest beside it, and its card; yields the files that changed."""
    for path in matching(run.shards):
        if take_out_video(path, gone):
            yield f"shards/{path.name}"
    manifest = manifest_of(run.shards)
    if not manifest.is_file():
        return
    if mend_manifest(manifest, run.shards, gone):
        yield manifest.name
    if (card := card_of(run.shards)).is_file():
        from pipeline.shards.read import open_manifest

        table = open_manifest(run.shards).table
        size = sum(table[s.BYTE_LENGTH].to_pylist())
        text = dataset_card(table.num_rows, size).encode()
        if card.read_bytes() != text:
            write_bytes(card, text)
            yield card.name


def take_out_latents(run: RunFolder, gone: Gone, *, in_line: bool) -> Iterator[str]:
    """``latents/``: rows, then the record of what is there; yields what changed.

    ``in_line``: they were those of the shards, and so they are of what is left of them.
    """
    from pipeline.latents.forget import take_out
    from pipeline.shards.read import open_manifest

    if not (run / "latents").exists():
        return
    if take_out(
        run / "latents", gone.clips, (lambda: open_manifest(run.path).hash) if in_line else None
    ):
        yield "latents"
