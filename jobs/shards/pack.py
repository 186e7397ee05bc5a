"""``filmstock pack DIR``: kept clips and their captions become training shards."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from jobs.core.args import Folder, parse_args
from jobs.core.clips import clip_root, kept_clips, usable_captions
from jobs.core.console import Progress, say, warn
from jobs.core.errors import EXIT_OK, EXIT_PARTIAL, UserError
from jobs.core.recipe import folder_recipe, parse_override, save_recipe
from jobs.core.run import (
    clear_done,
    config_key,
    done_info,
    files_key,
    log_metrics,
    mark_done,
    stage_is_done,
)
from pipeline import schema as s
from pipeline.config import PackConfig
from pipeline.store.paths import Location, location

if TYPE_CHECKING:
    import pyarrow as pa

STAGE = "pack"


@dataclass(frozen=True, kw_only=True)
class Args:
    """Write the kept, captioned clips of a run folder as training shards."""

    folder: tyro.conf.Positional[Folder]
    """Run folder with manifest/, selection.parquet and captions/."""
    recipe: str | None = None
    """Recipe file or name; its [pack] section is used. Default: the folder's own recipe."""
    set: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """Override a setting: --set pack.shard_bytes=1000000000; may be repeated."""


@dataclass(frozen=True, kw_only=True)
class PackResult:
    """What became of the kept clips."""

    packed: int = 0
    """Clips in the shards."""
    uncaptioned: int = 0
    """Kept clips without any usable caption; left out."""
    unreadable: int = 0
    """Kept clips whose bytes are missing or do not match their hash; left out."""
    hours: float = 0.0
    """Duration of the packed clips."""


def main(argv: list[str]) -> int:
    """Parse the command line and run."""
    args = parse_args(Args, argv, STAGE)
    if not args.folder.is_dir():
        raise UserError(f"{args.folder} is no folder; give the run folder that ingest wrote")
    overrides = dict(parse_override(text) for text in args.set)
    recipe = folder_recipe(args.folder, args.recipe, overrides)
    result = run(recipe.pack, args.folder)
    save_recipe(args.folder, recipe)
    return EXIT_PARTIAL if result.unreadable or not result.packed else EXIT_OK


def run(config: PackConfig, folder: Location | str) -> PackResult:
    """Write ``shards/`` of the run folder, unless the same settings and inputs made it already."""
    from pipeline.shards.write import ShardWriter

    folder = location(folder)
    _check_inputs(folder)
    key = config_key(
        config, files_key([folder / "manifest", folder / "selection.parquet", folder / "captions"])
    )
    if stage_is_done(folder, STAGE, key):
        info = done_info(folder, STAGE) or {}
        result = PackResult(**{name: info[name] for name in PackResult.__dataclass_fields__})
        say(f"pack: nothing to do, {result.packed} clips are in {folder / 'shards'}")
        return result
    manifest, captions = kept_clips(folder), usable_captions(folder, config.kinds)
    clear_done(folder, STAGE)
    counts = dict.fromkeys(("packed", "uncaptioned", "unreadable"), 0)
    seconds = 0.0
    concepts = tuple(
        name.removeprefix(s.CONCEPT_PREFIX)
        for name in manifest.column_names
        if name.startswith(s.CONCEPT_PREFIX)
    )
    with (
        ShardWriter(
            folder / "shards",
            s.shards_schema(concepts),
            shard_bytes=config.shard_bytes,
            row_group_bytes=config.row_group_bytes,
            metadata={"pack_key": key},
            overwrite=True,
        ) as writer,
        Progress(STAGE, manifest.num_rows, "clips") as progress,
    ):
        for row in _rows(manifest):
            texts = captions.get(row[s.CLIP_ID], {})
            row.pop(s.CAPTION_ORIGINAL, None)  # as it came; captions/ says whether it is usable
            outcome = _add(writer, folder, row, texts)
            counts[outcome] += 1
            if outcome == "packed":
                seconds += row[s.END_S] - row[s.START_S]
            progress.update(1, f"{writer.n_bytes / 1e6:.0f} MB")
    result = PackResult(**counts, hours=seconds / 3600)
    report(result, folder)
    log_metrics(folder, STAGE, vars(result))
    outputs = sorted(f"shards/{path.name}" for path in (folder / "shards").glob("*.parquet"))
    mark_done(folder, STAGE, key, {**vars(result), "outputs": outputs})
    return result


def report(result: PackResult, folder: Location) -> None:
    """One line for the result, and one for each thing that was left out."""
    say(f"pack: {result.packed} clips, {result.hours:.3f} hours in {folder / 'shards'}")
    if result.uncaptioned:
        warn(f"{result.uncaptioned} kept clips have no usable caption and were left out")
    if result.unreadable:
        warn(f"{result.unreadable} kept clips cannot be read back and were left out")
    if not result.packed:
        warn("no clip was packed; filmstock inspect shows what select and caption decided")


def _check_inputs(folder: Location) -> None:
    makers = {"manifest": "ingest", "selection.parquet": "select", "captions": "caption"}
    for name, command in makers.items():
        if not (folder / name).exists():
            raise UserError(f"{folder} has no {name}; run filmstock {command} first")


def _rows(manifest: pa.Table) -> Iterator[dict[str, Any]]:
    for batch in manifest.to_batches(max_chunksize=1024):
        yield from batch.to_pylist()


def _add(writer: Any, folder: Location, row: dict[str, Any], texts: dict[str, str]) -> str:
    """Append one clip; says what became of it."""
    from pipeline.shards.ranges import ClipError, read_clip

    if not texts:
        return "uncaptioned"
    try:
        video = read_clip(clip_root(folder, row[s.SHARD]), row)
    except ClipError as error:
        warn(f"clip {row[s.CLIP_ID]}: {error}")
        return "unreadable"
    columns = set(writer.schema.names)
    scalars = {name: value for name, value in row.items() if name in columns}
    writer.add({**scalars, **texts, s.VIDEO: video})
    return "packed"
