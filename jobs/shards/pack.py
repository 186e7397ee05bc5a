"""``filmstock pack DIR``: kept clips and their captions become training shards."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from jobs.core.args import Folder, parse_args
from jobs.core.console import Progress, say, warn
from jobs.core.errors import EXIT_OK, EXIT_PARTIAL
from jobs.core.run import RunFolder, open_with_recipe
from jobs.core.stage import done_info
from jobs.edits.apply import correct, run_edits
from jobs.edits.fresh import open_stage
from jobs.edits.replay import Replayed
from pipeline import schema as s
from pipeline.config import PackConfig
from pipeline.shards.layout import manifest_of
from pipeline.store.members import ROOT
from pipeline.store.paths import Location
from pipeline.tables import manifest_schema, shards_schema

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
    folder, recipe = open_with_recipe(args.folder, args.recipe, args.set)
    result = run(recipe.pack, folder)
    folder.save_recipe(recipe)
    return EXIT_PARTIAL if result.unreadable or not result.packed else EXIT_OK


def run(config: PackConfig, folder: RunFolder) -> PackResult:
    """Write ``shards/`` of the run folder, unless the same settings and inputs made it already."""
    open_writer(config.writer)  # one that is not there is refused before anything is read
    inputs = ("manifest", "selection.parquet", "captions")
    edits = run_edits(folder)
    stage = open_stage(folder, STAGE, config, inputs=inputs, edits=edits)
    result = stage.finished(PackResult)
    if result is not None and not result.unreadable:  # what could not be read may be there again
        say(f"pack: nothing to do, {result.packed} clips are in {folder.shards}")
        return result
    with stage.working(first=partial(remove_earlier, config, folder)):
        result = write_shards(config, folder, stage.key, edits)
        report(result, folder)
        stage.log(vars(result))
        pattern = "part-*.parquet" if config.writer == "parquet" else "*"
        outputs = sorted(f"shards/{path.name}" for path in folder.shards.glob(pattern))
        outputs += [path.name for path in [manifest_of(folder.shards)] if path.exists()]
        stage.finish({**vars(result), "outputs": outputs})
    return result


def write_shards(config: PackConfig, folder: RunFolder, key: str, edits: Replayed) -> PackResult:
    """Write every kept clip that has a caption, corrected as in ``edits``; ``key`` is noted in the shards."""
    manifest = folder.kept_clips()
    captions = correct(folder.usable_captions(config.kinds), edits, config.kinds)
    counts = dict.fromkeys(("packed", "uncaptioned", "unreadable"), 0)
    seconds = 0.0
    concepts = tuple(
        name.removeprefix(s.CONCEPT_PREFIX)
        for name in manifest.column_names
        if name.startswith(s.CONCEPT_PREFIX)
    )
    known = manifest_schema(concepts).names
    extra = tuple(name for name in manifest.column_names if name not in known)
    schema = shards_schema(concepts, extra)
    columns = frozenset(schema.names)
    with (
        open_writer(config.writer)(
            folder.shards,
            schema,
            shard_bytes=config.shard_bytes,
            row_group_bytes=config.row_group_bytes,
            metadata={"pack_key": key},
            overwrite=True,
        ) as writer,
        Progress(STAGE, manifest.num_rows, "clips") as progress,
    ):
        for row in _rows(manifest):
            found = captions.get(row[s.CLIP_ID], {})
            texts = {s.caption_column(kind): text for kind, text in found.items()}
            row.pop(s.CAPTION_ORIGINAL, None)  # as it came; captions/ says whether it is usable
            row |= provenance(row, config.validation_share)
            outcome = _add(writer, columns, folder, row, texts)
            counts[outcome] += 1
            if outcome == "packed":
                seconds += row[s.END_S] - row[s.START_S]
            progress.update(1, f"{writer.n_bytes / 1e6:.0f} MB")
    return PackResult(**counts, hours=seconds / 3600)


def remove_earlier(config: PackConfig, folder: RunFolder) -> None:
    """Remove what was packed before: what another writer left would pass for the result of this one."""
    earlier = (done_info(folder.path, STAGE) or {}).get("outputs", [])
    if config.writer != "parquet":
        remove(folder.shards.glob("*"))
        manifest_of(folder.shards).unlink(missing_ok=True)
    else:
        names = [name for name in earlier if name.startswith("shards/")]
        remove(folder.shards / PurePath(name).name for name in names)


def remove(places: Iterable[Location]) -> None:
    """Remove files, and folders with what is in them; one that is gone already is no error."""
    for place in list(places):
        if isinstance(place, Path) and place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)
        else:
            place.unlink(missing_ok=True)


def provenance(row: dict[str, Any], validation_share: float) -> dict[str, str | None]:
    """Where a clip is from as a shard says it: nothing about this machine's folders."""
    uri, source, shot = row.get(s.SOURCE_URI), row[s.SOURCE_ID], row.get(s.SHOT)
    return {
        s.SOURCE_URI: None if uri is None else shared_name(uri),
        s.SHOT_ID: None if shot is None else s.shot_id(source, shot),
        s.SPLIT: s.split_of(source, validation_share),
    }


def shared_name(uri: str) -> str:
    """A URI as others may know it: of a file here, or inside one, the names without the folders."""
    place = uri.removeprefix(f"{ROOT}/")
    if place != uri and "://" not in place:
        return "/".join(PurePath(place).parts[-3:])
    return uri if "://" in place else PurePath(uri).name


def open_writer(name: str) -> Callable[..., Any]:
    """The class that writes shards."""
    from pipeline.extensions import load_extension
    from pipeline.shards.write import ShardWriter

    if name == "parquet":
        return ShardWriter
    writer: Callable[..., Any] = load_extension(name, "shard writer")
    return writer


def report(result: PackResult, folder: RunFolder) -> None:
    """One line for the result, and one for each thing that was left out."""
    say(f"pack: {result.packed} clips, {result.hours:.3f} hours in {folder.shards}")
    if result.uncaptioned:
        warn(f"{result.uncaptioned} kept clips have no usable caption and were left out")
    if result.unreadable:
        warn(f"{result.unreadable} kept clips cannot be read back and were left out")
    if not result.packed:
        warn("no clip was packed; filmstock inspect shows what select and caption decided")


def _rows(manifest: pa.Table) -> Iterator[dict[str, Any]]:
    for batch in manifest.to_batches(max_chunksize=1024):
        yield from batch.to_pylist()


def _add(
    writer: Any,
    columns: Collection[str],
    folder: RunFolder,
    row: dict[str, Any],
    texts: dict[str, str],
) -> str:
    """Append one clip; says what became of it."""
    from pipeline.shards.ranges import ClipError

    if not texts:
        return "uncaptioned"
    try:
        video = folder.read_clip(row)
    except ClipError as error:
        warn(f"clip {row[s.CLIP_ID]}: {error}")
        return "unreadable"
    scalars = {name: value for name, value in row.items() if name in columns}
    writer.add({**scalars, **texts, s.VIDEO: video})
    return "packed"
