"""Find the tables at a path, and open them in DuckDB without reading what is not asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from jobs.core.errors import UserError
from pipeline import schema as s
from pipeline.shards.read import open_table
from pipeline.store.paths import Location, ObjectPath, matching, parquet_input, typed

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

RUN_TABLES = (
    "sources.parquet",
    "dropped.parquet",
    "clips",
    "manifest",
    "embeddings",
    "selection.parquet",
    "captions",
    "shards",
    "latents",
    "latents/texts",
)
"""Tables of a run folder, in the order of the data flow."""

SHOWN_METADATA = ("filmstock.schema_version", "vae_id", "text_encoder_id", "text_dim", "view")


@dataclass(frozen=True, kw_only=True)
class TableFiles:
    """One table: the Parquet files it lies in."""

    name: str
    """What it is called in a run folder, e.g. manifest."""
    path: Location
    """Folder or file it was found at."""
    files: tuple[Location, ...]
    """Its Parquet files."""
    columns: dict[str, str] = field(default_factory=dict)
    """Column -> type, of the first file."""
    metadata: dict[str, str] = field(default_factory=dict)
    """What the schema metadata says about its making."""

    @property
    def sql(self) -> str:
        """Name of its view in DuckDB."""
        return f'"table:{self.name}"'

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(file.stat().st_size for file in self.files)


def find_tables(path: Location) -> list[TableFiles]:
    """Tables at a run folder, a table folder or a Parquet file; UserError when there is none."""
    if not path.exists():
        raise UserError(
            f"{path} does not exist; give a run folder, a table folder or a .parquet file"
        )
    if path.is_file():
        return [_describe(path.stem, path, (path,))]
    found = []
    for entry in RUN_TABLES:
        here = path / entry
        files = (here,) if here.is_file() else tuple(matching(here))
        if files:
            found.append(_describe(here.stem, here, files))
    if not found and (parts := tuple(matching(path, "*.parquet"))):
        data = tuple(p for p in parts if p.name.startswith("part-"))
        found = [_describe(path.name, path, data or parts)]
        if texts := tuple(matching(path / "texts")):  # of latents
            found.append(_describe("texts", path / "texts", texts))
    if not found:
        raise UserError(
            f"{path} holds none of our tables; filmstock ingest SRC... --out {typed(path)} makes them"
        )
    return found


def open_tables(tables: list[TableFiles]) -> DuckDBPyConnection:
    """An in-memory DuckDB with a view per table."""
    import duckdb

    db = duckdb.connect()
    for table in tables:
        if isinstance(table.path, ObjectPath):
            whole = open_table(table.path, [name for name in table.columns if name != s.VIDEO])
            db.register(table.sql.strip('"'), without_halves(whole))
            continue
        files = ", ".join("'" + str(file).replace("'", "''") + "'" for file in table.files)
        db.execute(
            f"create view {table.sql} as select * from read_parquet([{files}], union_by_name=true)"
        )
    return db


def without_halves(table: pa.Table) -> pa.Table:
    """The table with lists of float16, which DuckDB takes from files but not from memory, as float32."""
    import pyarrow as pa

    for i, name in enumerate(table.column_names):
        kind = table.schema.field(i).type
        if pa.types.is_fixed_size_list(kind):
            wider = pa.list_(pa.float32(), kind.list_size)
            table = table.set_column(i, name, table.column(i).cast(wider))
    return table


def _describe(name: str, path: Location, files: tuple[Location, ...]) -> TableFiles:
    import pyarrow as pa
    import pyarrow.parquet as pq

    for file in files:
        try:
            pq.read_metadata(parquet_input(file))
        except ConnectionError:
            raise
        except (pa.ArrowException, OSError) as error:
            raise UserError(
                f"{file} is not a readable Parquet file ({str(error).splitlines()[0][:120]}); "
                "remove it and run the stage that wrote it again"
            ) from None
    schema = pq.read_schema(parquet_input(files[0]))
    raw = {k.decode(): v.decode("utf-8", "replace") for k, v in (schema.metadata or {}).items()}
    metadata = {key: raw[key] for key in SHOWN_METADATA if key in raw}
    columns = {f.name: str(f.type) for f in schema}
    return TableFiles(name=name, path=path, files=files, columns=columns, metadata=metadata)
