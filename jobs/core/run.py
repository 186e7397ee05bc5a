"""An opened run folder: its tables, the clips that select kept, usable captions, recipe, stages and their figures.

It is opened once, ``run = open_run("runs/a")``, and handed from function to function in place of a path. A folder may
also be a prefix of an object store (``s3://bucket/run``).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.core.errors import UserError
from jobs.core.recipe import RESOLVED, Recipe, folder_recipe, parse_overrides, save_recipe
from jobs.core.stage import METRICS, Stage, done_info, stage_key
from pipeline import schema as s
from pipeline.store.paths import Location, location, matching, parquet_input, typed

if TYPE_CHECKING:
    import pyarrow as pa

FORGETTING = ".forgotten/plan.json"
"""What a run folder has while a forgetting is under way in it, or was killed."""

SINCE_1 = (s.DOMAIN, s.LOOK)
"""Columns of the manifest that runs of version 0.0 lack: what a clip shows, and how its frames look."""

MADE_BY = {
    "sources.parquet": "ingest",
    "dropped.parquet": "ingest",
    "clips": "ingest",
    "manifest": "ingest",
    "embeddings": "ingest",
    "selection.parquet": "select",
    "captions": "caption",
    "truth": "truth",
    "shards": "pack",
    "latents": "encode",
}
"""Table of a run folder -> stage that writes it, in the order of the data flow."""


@dataclass(frozen=True)
class RunFolder:
    """A run folder; the tables themselves are read when they are asked for."""

    path: Location
    """Where it is."""

    def __str__(self) -> str:
        return str(self.path)

    def __truediv__(self, name: str) -> Location:
        return self.path / name

    @property
    def manifest(self) -> Location:
        """Folder of the table with one row a clip."""
        return self.path / "manifest"

    @property
    def selection(self) -> Location:
        """Table of what select decided of each clip."""
        return self.path / "selection.parquet"

    @property
    def captions(self) -> Location:
        """Folder of the table with one row a clip and kind of caption."""
        return self.path / "captions"

    @property
    def embeddings(self) -> Location:
        """Folder of the table of CLIP embeddings."""
        return self.path / "embeddings"

    @property
    def shards(self) -> Location:
        """Folder of the training shards."""
        return self.path / "shards"

    def need(self, *tables: str) -> None:
        """Check that tables are there; UserError names the command that writes the first that is not."""
        if not self.path.exists():
            raise UserError(
                f"{self} does not exist; filmstock ingest SRC... --out {typed(self)} makes it"
            )
        if not self.path.is_dir():
            raise UserError(f"{self} is no folder; give the run folder that ingest wrote")
        if (self.path / FORGETTING).is_file():
            raise UserError(
                f"a forgetting was cut short in {self}; filmstock forget --run {typed(self)} goes on with it"
            )
        for name in tables:
            if not (self.path / name).exists():
                stage = MADE_BY[name]
                how = (
                    f"ingest SRC... --out {typed(self)}"
                    if stage == "ingest"
                    else f"{stage} {typed(self)}"
                )
                raise UserError(f"{self} has no {name}; run filmstock {how} first")
        if "manifest" in tables:
            self._refuse_earlier()

    def check_tables(self) -> None:
        """UserError for a table that is not of its kind, or may not be read, though what was made of it is there."""
        if not isinstance(self.path, Path):
            return
        for name in MADE_BY:
            table = self.path / name
            if not table.exists():
                continue
            if table.is_dir() == name.endswith(".parquet"):
                kind, wanted = ("folder", "file") if table.is_dir() else ("file", "folder")
                stage = "caption" if name == "truth" else MADE_BY[name]
                raise UserError(
                    f"{table} is a {kind}, not a {wanted}; remove it and run filmstock {stage} again"
                )
            if not os.access(table, os.R_OK | (os.X_OK if table.is_dir() else 0)):
                raise UserError(
                    f"{table}: there is no right to read it; change its rights, or run as a user who may"
                )

    def _refuse_earlier(self) -> None:
        """UserError for clips that an earlier filmstock ingested: what it did not measure, no stage can read."""
        from pipeline.shards.read import read_schema

        for path in matching(self.manifest)[:1]:
            absent = [name for name in SINCE_1 if name not in read_schema(path).names]
            if absent:
                raise UserError(
                    f"{self} was ingested by an earlier filmstock (its manifest has no {', '.join(absent)}); "
                    "run filmstock ingest SRC... --out NEW"
                )

    # -- tables

    def kept_clips(self) -> pa.Table:
        """Manifest rows of the clips that select kept, in source order."""
        import pyarrow.compute as pc
        import pyarrow.parquet as pq

        from pipeline.shards.read import open_table

        selection = pq.read_table(parquet_input(self.selection), columns=[s.CLIP_ID, s.DECISION])
        kept = selection.filter(pc.equal(selection[s.DECISION], str(s.Decision.KEEP)))[s.CLIP_ID]
        manifest = open_table(self.manifest)
        rows = manifest.filter(pc.is_in(manifest[s.CLIP_ID], value_set=kept.combine_chunks()))
        return rows.sort_by([(s.SOURCE_ID, "ascending"), (s.START_PTS, "ascending")])

    def usable_captions(
        self, kinds: tuple[str, ...] = s.CAPTION_KINDS
    ) -> dict[str, dict[str, str]]:
        """clip_id -> kind -> text, of captions that ended well."""
        from pipeline.shards.read import open_table

        for kind in kinds:
            s.caption_column(kind)  # refuses unknown kinds
        table = open_table(self.captions, [s.CLIP_ID, s.KIND, s.TEXT, s.OUTCOME])
        found: dict[str, dict[str, str]] = {}
        for row in table.to_pylist():
            if row[s.OUTCOME] == s.CaptionOutcome.OK and row[s.TEXT] and row[s.KIND] in kinds:
                found.setdefault(row[s.CLIP_ID], {})[row[s.KIND]] = row[s.TEXT]
        return found

    def dropped(self) -> dict[str, tuple[int, float]]:
        """Reason -> (stretches, seconds) of footage that became no clip; {} before ingest has come to its end."""
        import pyarrow.parquet as pq

        path = self.path / "dropped.parquet"
        if not path.is_file():
            return {}
        found: dict[str, tuple[int, float]] = {}
        table = pq.ParquetFile(parquet_input(path)).read([s.REASON, s.START_S, s.END_S])
        for row in table.to_pylist():
            count, seconds = found.get(row[s.REASON], (0, 0.0))
            found[row[s.REASON]] = (count + 1, seconds + row[s.END_S] - row[s.START_S])
        return found

    def has_captions(self) -> bool:
        """Whether any caption is stored."""
        return bool(matching(self.captions))

    def read_clip(self, row: dict[str, Any]) -> bytes:
        """The MP4 file of a clip, a manifest row, checked against its hash; ClipError when it is not there."""
        from pipeline.shards.ranges import read_clip

        return read_clip(self.clip_root(row[s.SHARD]), row)

    def clip_root(self, shard: str) -> Location:
        """Folder that the manifest's ``shard`` is relative to: ``clips/``, or the run folder itself."""
        if shard not in self._roots:
            below = self.path / "clips"
            self._roots[shard] = self.path if (self.path / shard).exists() else below
        return self._roots[shard]

    @cached_property
    def _roots(self) -> dict[str, Location]:
        """What ``clip_root`` has found: a store is asked once for each shard."""
        return {}

    # -- recipe, stages and figures

    def last_step(self) -> int | None:
        """The last step that a training in this folder has logged."""
        path = self.path / METRICS
        for line in reversed(path.read_text().splitlines() if path.is_file() else []):
            try:
                return int(json.loads(line)["step"])
            except (ValueError, KeyError, TypeError):
                continue
        return None

    def recipe(
        self, named: str | None = None, overrides: Mapping[str, Any] | None = None
    ) -> Recipe:
        """The recipe a stage uses: the one named, else the folder's own, else the defaults."""
        return folder_recipe(self.path, named, overrides)

    def has_recipe(self) -> bool:
        """Whether an earlier run left its resolved recipe."""
        return (self.path / RESOLVED).is_file()

    def save_recipe(self, recipe: Recipe) -> None:
        """Keep the resolved recipe of the last run."""
        save_recipe(self.path, recipe)

    def stage(self, name: str, key: str) -> Stage:
        """Stage ``name`` of this folder, to be run with ``key``."""
        return Stage(self.path, name, key)

    def stage_key(self, name: str) -> str | None:
        """Key that a stage was last finished with, None while it is unfinished."""
        return stage_key(self.path, name)

    def done_info(self, name: str) -> dict[str, Any] | None:
        """What a stage noted when it was last finished."""
        return done_info(self.path, name)

    def last_metrics(self) -> dict[str, dict[str, Any]]:
        """Stage -> its last line of ``metrics.jsonl``."""
        last: dict[str, dict[str, Any]] = {}
        path = self.path / METRICS
        for line in path.read_text().splitlines() if path.is_file() else ():
            try:
                entry = json.loads(line)
            except ValueError:  # a line cut short by a kill
                continue
            if isinstance(entry, dict) and "stage" in entry:
                last[entry["stage"]] = entry
        return last


def dropped_line(dropped: Mapping[str, tuple[int, float]]) -> str:
    """``5 short (3.2 s), 2 fade (6.8 s)``: footage that became no clip, most seconds first."""
    most = sorted(dropped.items(), key=lambda item: -item[1][1])
    return ", ".join(f"{count} {reason} ({seconds:.1f} s)" for reason, (count, seconds) in most)


def run_of(table: Location | str) -> RunFolder:
    """The run folder of one of its tables (``shards``, ``latents``), or of itself."""
    place = location(table)
    return open_run(place.parent if place.name in MADE_BY else place)


def open_run(folder: Location | str) -> RunFolder:
    """The run folder at a path or URI; nothing is read yet, and it need not be there."""
    return RunFolder(location(folder))


def open_with_recipe(
    folder: Location | str,
    named: str | None,
    settings: Iterable[str],
    *tables: str,
    more: Mapping[str, Any] | None = None,
) -> tuple[RunFolder, Recipe]:
    """A run folder with ``tables`` and the recipe of a stage of it, ``--set`` and ``more`` settings over it."""
    run = open_run(folder)
    run.need(*tables)
    return run, run.recipe(named, {**parse_overrides(settings), **(more or {})})
