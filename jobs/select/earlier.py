"""Clips of earlier datasets, so that a new one does not repeat them: ``filmstock select DIR --dedup-against EARLIER``.

A run folder gives the clips it kept, with hashes and embeddings; a shards folder its manifest. Nothing is decoded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.core.console import warn
from jobs.core.errors import UserError
from jobs.select.tables import read_embeddings, read_parts
from pipeline import schema as s
from pipeline.config import SelectConfig
from pipeline.select.candidates import Earlier, Embeddings
from pipeline.shards.layout import manifest_of
from pipeline.store.paths import Location, location, parquet_input

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS = [s.CLIP_ID, s.VIDEO_XXH3, *s.HASH_COLUMNS]
"""What is compared, besides embeddings."""


def earlier_files(folder: Location, config: SelectConfig) -> list[Location]:
    """Files and folders that the clips of ``config.dedup_against`` are read from; UserError for one that has none."""
    files = []
    for name in config.dedup_against:
        manifest = _manifest(folder, location(name))
        files.append(manifest)
        if manifest.is_dir():
            files.append(location(name) / "selection.parquet")
            if config.dedup_cosine is not None:
                files.append(location(name) / "embeddings")
    return files


def read_earlier(
    folder: Location, config: SelectConfig, embeddings: Embeddings | None
) -> Earlier | None:
    """The clips of ``config.dedup_against``, in the order of its folders; None when it names none.

    ``embeddings`` are those of ``folder``; they say which size of vector can be compared.
    """
    import pyarrow as pa

    tables, vectors = [], []
    for name in config.dedup_against:
        manifest = _manifest(folder, location(name))
        table = _kept(location(name)) if manifest.is_dir() else _packed(manifest)
        if config.dedup_phash and table.num_rows and not _measured(table, s.LOOK):
            warn(
                f"{name} has no perceptual hashes, or those of an older version, which cannot be compared; only equal "
                "video bytes are found in it"
            )
        if embeddings is not None:
            found = _embeddings(location(name), manifest, embeddings)
            if found is not None:
                vectors.append(found)
        folders = pa.array([name] * table.num_rows, pa.string())
        tables.append(table.append_column(s.DUPLICATE_IN, folders))
    if not tables:
        return None
    return Earlier(table=pa.concat_tables(tables), embeddings=_joined(vectors))


def _manifest(folder: Location, earlier: Location) -> Location:
    """``manifest/`` of an earlier run folder, or the manifest of its or another shards folder."""
    if not earlier.is_dir():
        raise UserError(
            f"--dedup-against {earlier} is no folder; name an earlier run or shards folder"
        )
    if folder.resolve() in (earlier.resolve(), earlier.resolve().parent):
        raise UserError(
            f"--dedup-against {earlier} is the dataset that is selected; name an earlier one"
        )
    places = (
        earlier / "manifest",
        manifest_of(earlier),
        manifest_of(earlier / "shards"),
    )
    for place in places:
        if place.exists():
            return place
    raise UserError(
        f"--dedup-against {earlier} has no manifest/ and is no shards folder; name a folder that "
        "filmstock ingest or filmstock pack wrote"
    )


def _kept(run: Location) -> pa.Table:
    """Clips that an earlier run kept, or all that did not fail when it has not selected yet."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    table = read_parts(run / "manifest", [*COLUMNS, s.ERROR])
    selection = run / "selection.parquet"
    if selection.is_file():
        decided = pq.read_table(parquet_input(selection), columns=[s.CLIP_ID, s.DECISION])
        kept = decided.filter(pc.equal(decided[s.DECISION], str(s.Decision.KEEP)))[s.CLIP_ID]
        table = table.filter(pc.is_in(table[s.CLIP_ID], value_set=kept.combine_chunks()))
    else:
        table = table.filter(table[s.ERROR].is_null())
    return _comparable(table)


def _packed(manifest: Location) -> pa.Table:
    """Clips of a shards folder."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(parquet_input(manifest)) as file:
        return _comparable(file.read(COLUMNS).replace_schema_metadata())


def _comparable(table: pa.Table) -> pa.Table:
    """The columns that are compared; hashes without looks are of an older version and count as none."""
    import pyarrow as pa

    if s.LOOK not in table.column_names:
        table = table.drop_columns([name for name in (s.PHASH,) if name in table.column_names])
        table = table.append_column(s.PHASH, pa.nulls(table.num_rows, pa.uint64()))
        table = table.append_column(s.LOOK, pa.nulls(table.num_rows, pa.string()))
    return table.select(COLUMNS)


def _measured(table: pa.Table, name: str) -> bool:
    return bool(table[name].null_count < table.num_rows)


def _embeddings(run: Location, manifest: Location, ours: Embeddings) -> Embeddings | None:
    if not (manifest.is_dir() and (run / "embeddings").is_dir()):
        warn(f"{run} has no embeddings/; dedup_cosine does not look into it")
        return None
    found = read_embeddings(run / "embeddings")
    if found.vectors.shape[1] != ours.vectors.shape[1]:
        raise UserError(
            f"embeddings of {run} have {found.vectors.shape[1]} numbers, these have "
            f"{ours.vectors.shape[1]}: another CLIP model made them; ingest both with the same "
            "[openclip] model, or leave dedup_cosine out"
        )
    return found


def _joined(parts: list[Embeddings]) -> Embeddings | None:
    import numpy as np
    import pyarrow as pa

    if not parts:
        return None
    return Embeddings(
        clip_ids=pa.concat_arrays([part.clip_ids for part in parts]),
        vectors=np.concatenate([part.vectors for part in parts]),
    )
