"""``filmstock select DIR``: decide which clips of a run folder are kept, and print the funnel."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from jobs.args import parse_args
from jobs.console import say, warn
from jobs.errors import EXIT_OK, EXIT_PARTIAL, UserError
from jobs.recipe import folder_recipe, parse_override, save_recipe
from jobs.runfolder import (
    config_key,
    done_info,
    files_key,
    log_metrics,
    mark_done,
    stage_is_done,
    write_table,
)
from pipeline import schema
from pipeline.config import SelectConfig
from pipeline.select import Selection, funnel_lines, select_clips

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

STAGE = "select"
OUTPUT = "selection.parquet"


@dataclass(frozen=True, kw_only=True)
class Args:
    """Keep or reject the clips of a run folder by their scores; nothing is decoded."""

    folder: tyro.conf.Positional[Path]
    """Run folder that `filmstock ingest` wrote."""
    recipe: str | None = None
    """Recipe file or name; its [select] section is used. Default: the folder's own recipe."""
    set: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """Override a setting: --set 'select.where.static="motion_mean > 0.01"'; may be repeated."""


def main(argv: list[str]) -> int:
    """Parse the command line and run."""
    args = parse_args(Args, argv, "select")
    find_manifest(args.folder)
    overrides = dict(parse_override(text) for text in args.set)
    recipe = folder_recipe(args.folder, args.recipe, overrides)
    kept = run(recipe.select, args.folder)
    save_recipe(args.folder, recipe)
    return EXIT_OK if kept else EXIT_PARTIAL


def run(config: SelectConfig, folder: Path | str) -> int:
    """Write ``selection.parquet`` and return the number of clips kept; a finished selection is left alone."""
    folder = Path(folder)
    manifest_dir = find_manifest(folder)
    inputs = [manifest_dir]
    if config.dedup_cosine is not None:
        inputs.append(folder / "embeddings")
    key = config_key(config, files_key(inputs))
    if stage_is_done(folder, STAGE, key):
        info = done_info(folder, STAGE) or {}
        kept = int(info.get("kept", 0))
        say(f"select: nothing to do, {kept} clips kept by the same settings")
        return kept
    manifest = read_parts(manifest_dir)
    if manifest.num_rows == 0:
        raise UserError(
            f"{manifest_dir} has no clips; {folder / 'sources.parquet'} says how each input ended"
        )
    embeddings = None
    if config.dedup_cosine is not None:
        embeddings = read_embeddings(folder / "embeddings")
    selection = select_clips(manifest, config, embeddings)
    write_table(folder / OUTPUT, selection.table)
    report(selection, manifest)
    funnel = {row.step: row.clips for row in selection.funnel}
    log_metrics(folder, STAGE, {"funnel": funnel, "hours": selection.funnel[-1].hours})
    mark_done(folder, STAGE, key, {"kept": selection.kept, "outputs": [OUTPUT]})
    return selection.kept


def report(selection: Selection, manifest: pa.Table) -> None:
    """Print the funnel, and what a person should look into."""
    for line in funnel_lines(selection.funnel):
        say(line)
    for reason, count in selection.unmeasured.items():
        warn(
            f"{count} of {manifest.num_rows} clips have no score for {reason!r} and are kept apart as "
            f"{schema.Decision.ERROR}; to let them pass, add 'OR <column> IS NULL' to its predicate"
        )
    if selection.kept == 0:
        warn("no clip was kept; the funnel shows which predicate removes the most")


def find_manifest(folder: Path) -> Path:
    """``manifest/`` of a run folder, or a one-line error that says what is missing."""
    if not folder.exists():
        raise UserError(f"{folder} does not exist; filmstock ingest SRC... --out {folder} makes it")
    manifest = folder / "manifest"
    if not folder.is_dir() or not manifest.is_dir():
        raise UserError(
            f"{folder} has no manifest/; run filmstock ingest SRC... --out {folder} first"
        )
    return manifest


def read_parts(path: Path) -> pa.Table:
    """All ``part-*.parquet`` of a table folder as one table."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    parts = sorted(path.glob("part-*.parquet"))
    if not parts:
        raise UserError(f"{path} has no part-*.parquet; run the command that writes it first")
    tables = []
    for part in parts:
        try:
            tables.append(pq.ParquetFile(part).read())
        except (pa.ArrowException, OSError) as error:
            raise UserError(
                f"cannot read {part}: {error}; remove it and run ingest again"
            ) from None
    return pa.concat_tables(tables, promote_options="default")


def read_embeddings(path: Path) -> dict[str, np.ndarray]:
    """clip_id -> unit vector (D,) float32 of every clip."""
    import numpy as np

    table = read_parts(path)
    ids = table.column(schema.CLIP_ID).to_pylist()
    column = table.column(schema.CLIP_EMBEDDING).combine_chunks()
    dim = column.type.list_size
    vectors = np.asarray(column.flatten(), dtype=np.float32).reshape(-1, dim)
    valid = [clip for clip, ok in zip(ids, column.is_valid().to_pylist(), strict=True) if ok]
    return dict(zip(valid, vectors, strict=True))
