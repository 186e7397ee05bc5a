"""A run folder or a shards folder as the viewer holds it: few columns in memory, all others read where they lie.

Of a million clips about 60 MB are held: what a page of the grid needs. Scores are read from Parquet when they are asked
for. Tables of an object store are copied to a temporary folder first; videos never are, they are read by range.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jobs.core.errors import UserError
from jobs.core.keys import config_key
from jobs.core.run import RunFolder, open_run
from jobs.edits.journal import Journal
from jobs.edits.replay import Replayed, settle
from pipeline import schema as s
from pipeline.shards.layout import manifest_of
from pipeline.shards.ranges import ShardFiles
from pipeline.store.paths import Location, ObjectPath, location, matching, typed

if TYPE_CHECKING:
    import pyarrow as pa

HELD = (
    s.CLIP_ID, s.SOURCE_ID, s.START_S, s.END_S, s.N_FRAMES, s.FPS, s.WIDTH, s.HEIGHT, s.SHARD,
    s.BYTE_OFFSET, s.BYTE_LENGTH,
)  # fmt: skip
"""Columns held in memory."""
DECISIONS = ("", str(s.Decision.KEEP), str(s.Decision.REJECT), str(s.Decision.ERROR))
"""Decision by its code in ``Dataset.decided``; the first is: not decided."""
TABLES = ("captions", "truth", "embeddings")


@dataclass
class Dataset:
    """The tables of a folder; make one with ``open_dataset``."""

    run: RunFolder
    """The folder; ``run.path`` may be a shards folder."""
    shards_only: bool
    """Whether it is a shards folder, which has no selection and no rules."""
    files: list[Path]
    """Parquet files with one row a clip, on this machine."""
    tables: dict[str, list[Path]]
    """Further tables -> their files on this machine."""
    stamp: str
    """Changes when the tables do."""
    scratch: tempfile.TemporaryDirectory[str] | None = None
    """Copies of an object store's tables."""
    lock: threading.RLock = field(default_factory=threading.RLock)

    def __len__(self) -> int:
        return int(self.held.num_rows)

    @cached_property
    def held(self) -> pa.Table:
        """The columns in memory, a row a clip."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        small = {s.START_S: pa.float32(), s.END_S: pa.float32(), s.FPS: pa.float32()}
        small |= {s.WIDTH: pa.uint16(), s.HEIGHT: pa.uint16()}
        words = [s.SHARD, s.SOURCE_ID]
        parts = []
        for file in self.files:  # one by one: what a part takes while it is read is given back
            with pq.ParquetFile(file, read_dictionary=words) as parquet:
                names = [name for name in HELD if name in parquet.schema_arrow.names]
                table = parquet.read(names)
            for at, name in enumerate(names):
                column = table[name]
                if name in small:
                    column = column.cast(small[name], safe=False)
                elif name in words and not pa.types.is_dictionary(column.type):
                    column = column.dictionary_encode()
                table = table.set_column(at, name, column)
            parts.append(table.replace_schema_metadata())
        whole = pa.concat_tables(parts, promote_options="permissive").unify_dictionaries()
        del parts, table
        found = pa.table({n: whole[n].combine_chunks() for n in whole.column_names})
        del whole
        pa.default_memory_pool().release_unused()
        return found

    @cached_property
    def columns(self) -> dict[str, str]:
        """Column of the manifest -> Arrow type, of all parts together."""
        import pyarrow.parquet as pq

        found: dict[str, str] = {}
        for file in self.files:
            for each in pq.read_schema(file):
                found.setdefault(each.name, str(each.type))
        found.pop(s.VIDEO, None)
        return found

    @cached_property
    def seconds(self) -> np.ndarray:
        """float32 (N,): length of each clip, 0 where it is not known."""
        start, end = (self.held[name].to_numpy() for name in (s.START_S, s.END_S))
        return np.nan_to_num(end - start)

    @cached_property
    def selection(self) -> dict[str, Any]:
        """By row: ``decided`` (N,) codes of ``DECISIONS``, ``reasons`` joined by commas, ``of`` the clip kept."""
        import pyarrow as pa
        import pyarrow.compute as pc
        import pyarrow.parquet as pq

        count = len(self)
        file = next(iter(self.tables.get("selection", [])), None)
        if file is None:
            nothing = pa.nulls(count, pa.dictionary(pa.int32(), pa.string()))
            return {
                "decided": np.zeros(count, np.uint8),
                "reasons": nothing,
                "of": pa.nulls(count, pa.string()),
            }
        table = pq.read_table(
            file,
            columns=[s.CLIP_ID, s.DECISION, s.REASONS, s.DUPLICATE_OF],
            read_dictionary=[s.DECISION],
        )
        at = pc.index_in(self.held[s.CLIP_ID], value_set=table[s.CLIP_ID].combine_chunks())
        codes = pc.index_in(
            table[s.DECISION].cast(pa.string()), value_set=pa.array(DECISIONS)
        ).combine_chunks()
        decided = codes.take(at).fill_null(0).to_numpy(zero_copy_only=False).astype(np.uint8)
        coded = pc.binary_join(table[s.REASONS].combine_chunks(), ",").dictionary_encode()
        found = {
            "decided": decided,
            "reasons": coded.take(at),
            "of": table[s.DUPLICATE_OF].combine_chunks().take(at),
        }
        del table, at, codes, coded
        pa.default_memory_pool().release_unused()
        return found

    def reasons(self, row: int) -> list[str]:
        """Why the rules rejected a clip."""
        text = self.selection["reasons"][row].as_py()
        return text.split(",") if text else []

    # -- one clip

    def row_of(self, clip: str) -> int:
        """Row of a clip; KeyError when it is not here."""
        import pyarrow.compute as pc

        row = int(pc.index(self.held[s.CLIP_ID], clip).as_py())
        if row < 0:
            raise KeyError(clip)
        return row

    def held_row(self, row: int) -> dict[str, Any]:
        """The held columns of one clip."""
        return dict(self.held.slice(row, 1).to_pylist()[0])

    def clip_bytes(self, row: dict[str, Any], offset: int, length: int) -> bytes:
        """``length`` bytes from ``offset`` of the clip in a held row, out of its shard."""
        files = self.shard_files(row[s.SHARD])
        return files.read(row[s.SHARD], row[s.BYTE_OFFSET] + offset, length)

    def shard_files(self, shard: str) -> ShardFiles:
        """The open shards of the folder that ``shard`` lies in; a shard's name never leads out of it."""
        if ".." in shard.split("/") or shard.startswith("/") or "\\" in shard or "://" in shard:
            raise FileNotFoundError(shard)
        with self.lock:
            root = self.run.path if self.shards_only else self.run.clip_root(shard)
            return self._shards.setdefault(str(root), ShardFiles(root))

    @cached_property
    def _shards(self) -> dict[str, ShardFiles]:
        return {}

    # -- edits

    @cached_property
    def journal(self) -> Journal:
        """The journals of this folder."""
        return Journal(self.run.path)

    def edits(self) -> Replayed:
        """The edits as they stand now, on the clips that are here."""
        edits = self.journal.read()
        clips: dict[str, tuple[str, float, float]] = {}
        rates: dict[str, float] = {}
        if edits:
            import pyarrow as pa
            import pyarrow.compute as pc

            named = pa.array(
                sorted({edit.source_id for edit in edits if edit.source_id}), pa.string()
            )
            ids = pa.array(sorted({edit.clip_id for edit in edits}), pa.string())
            sources = self.held[s.SOURCE_ID].combine_chunks()
            hit = pc.is_in(sources.dictionary, value_set=named).to_numpy(zero_copy_only=False)
            own = pc.is_in(self.held[s.CLIP_ID], value_set=ids).to_numpy()
            rows = np.flatnonzero(hit[sources.indices.to_numpy()] | own)
            picked = self.held.take(pa.array(rows)).select(
                [s.CLIP_ID, s.SOURCE_ID, s.START_S, s.END_S, s.FPS]
            )
            for row in picked.to_pylist():
                clips[row[s.CLIP_ID]] = (row[s.SOURCE_ID], row[s.START_S], row[s.END_S])
                rates[row[s.SOURCE_ID]] = row[s.FPS]
        return settle(edits, clips, rates)

    def close(self) -> None:
        """Forget the copies of an object store's tables."""
        if self.scratch is not None:
            self.scratch.cleanup()


def open_dataset(folder: Location | str) -> Dataset:
    """The dataset at a run folder or a shards folder; UserError where there is none."""
    place = location(folder)
    if not place.exists():
        raise UserError(f"{place} does not exist; give a run folder or a shards folder")
    if not place.is_dir():
        raise UserError(f"{place} is a file; give the folder that it lies in")
    manifest = matching(place / "manifest")
    shards_only = not manifest
    if shards_only:
        found = manifest_of(place)
        if not found.exists():
            raise UserError(
                f"{place} holds neither manifest/ nor shards with their manifest; "
                f"filmstock ingest SRC... --out {typed(place)} makes them"
            )
        manifest = [found]
    tables: dict[str, list[Location]] = {name: matching(place / name) for name in TABLES}
    if not shards_only and (place / "selection.parquet").exists():
        tables["selection"] = [place / "selection.parquet"]
    for name in ("sources", "dropped"):
        if not shards_only and (place / f"{name}.parquet").exists():
            tables[name] = [place / f"{name}.parquet"]
    stamp = stamp_of([*manifest, *(file for files in tables.values() for file in files)])
    scratch = None
    if isinstance(place, ObjectPath):
        scratch = tempfile.TemporaryDirectory(prefix="filmstock-view-")
        folder_of = Path(scratch.name)
        manifest = [copied(file, folder_of / "manifest") for file in manifest]
        tables = {
            name: [copied(file, folder_of / name) for file in files]
            for name, files in tables.items()
        }
    return Dataset(
        run=open_run(place),
        shards_only=shards_only,
        files=[Path(str(file)).absolute() for file in manifest],
        tables={
            name: [Path(str(file)).absolute() for file in files]
            for name, files in tables.items()
            if files
        },
        stamp=stamp,
        scratch=scratch,
    )


def clip_model(data: Dataset) -> str | None:
    """Name of the CLIP model that made the embeddings, by the folder's recipe."""
    if data.shards_only or not data.run.has_recipe():
        return None
    return str(data.run.recipe().openclip.model)


def stamp_of(files: list[Location]) -> str:
    """A text that changes when one of the files does."""
    found = []
    for file in files:
        stat: Any = file.stat()
        found.append((str(file), stat.st_size, getattr(stat, "stamp", None) or stat.st_mtime_ns))
    return config_key(found)


def copied(file: Location, folder: Path) -> Location:
    """A copy of an object on this machine."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / file.name
    with target.open("wb") as out:
        if isinstance(file, ObjectPath):
            for chunk in file.chunks():
                out.write(chunk)
        else:
            with file.open("rb") as source:
                shutil.copyfileobj(source, out)
    return target
