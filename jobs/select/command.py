"""``filmstock select DIR``: decide which clips of a run folder are kept, and print the funnel.

Only the columns that the rules read are loaded, so a million clips are decided again in seconds.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

import tyro

from jobs.core.args import Folder, parse_args
from jobs.core.console import say, warn
from jobs.core.errors import EXIT_OK, EXIT_PARTIAL, UserError
from jobs.core.keys import files_key
from jobs.core.run import RunFolder, dropped_line, open_with_recipe
from jobs.edits.apply import decide_by_hand, run_edits
from jobs.edits.fresh import open_stage
from jobs.edits.replay import Replayed
from jobs.select.earlier import earlier_files, read_earlier
from jobs.select.tables import (
    manifest_schema,
    read_embeddings,
    read_parts,
    table_bytes,
)
from jobs.select.what_if import apply_what_if, what_if_lines
from pipeline import schema
from pipeline.config import SelectConfig
from pipeline.select.funnel import funnel_lines
from pipeline.select.select import Selection, columns_read, select_clips
from pipeline.store.atomic import write_bytes

if TYPE_CHECKING:
    import pyarrow as pa

STAGE = "select"


@dataclass(frozen=True, kw_only=True)
class Args:
    """Keep or reject the clips of a run folder by their scores; nothing is decoded."""

    folder: tyro.conf.Positional[Folder]
    """Run folder that `filmstock ingest` wrote."""
    recipe: str | None = None
    """Recipe file or name; its [select] section is used. Default: the folder's own recipe."""
    set: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """Override a setting: --set 'select.where.static="motion_mean > 0.01"'; may be repeated."""
    dedup_against: Annotated[tuple[Folder, ...], tyro.conf.UseAppendAction] = ()
    """Earlier run or shards folder: reject what duplicates a clip of it; may be repeated. The folder remembers it."""
    what_if: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """Print what a predicate would change and write nothing: --what-if 'motion_mean > 0.3'; may be repeated.
    It takes the place of the recipe's bound on that column, or of REASON in --what-if 'REASON: predicate'."""


def main(argv: list[str]) -> int:
    """Parse the command line and run."""
    args = parse_args(Args, argv, "select")
    against = [str(folder) for folder in args.dedup_against]
    more = {"select.dedup_against": against} if against else None
    folder, recipe = open_with_recipe(args.folder, args.recipe, args.set, "manifest", more=more)
    if args.what_if:
        if not all(text.strip() for text in args.what_if):
            raise UserError(
                "--what-if '': write a predicate, such as --what-if 'motion_mean > 0.3'"
            )
        what_if(recipe.select, folder, args.what_if)
        return EXIT_OK
    kept = run(recipe.select, folder)
    folder.save_recipe(recipe)
    return EXIT_OK if kept else EXIT_PARTIAL


def run(config: SelectConfig, folder: RunFolder) -> int:
    """Write ``selection.parquet`` and return the number of clips kept; a finished selection is left alone."""
    folder.need("manifest")
    inputs = ("manifest",) if config.dedup_cosine is None else ("manifest", "embeddings")
    earlier = files_key(earlier_files(folder.path, config))
    edits = run_edits(folder)
    stage = open_stage(folder, STAGE, config, earlier, inputs=inputs, edits=edits)
    if info := stage.info:
        kept = int(info.get("kept", 0))
        say(f"select: nothing to do, {kept} clips kept by the same settings")
        return kept
    (selection,) = decide(folder, [config], edits)
    with stage.working():
        write_bytes(folder.selection, table_bytes(selection.table))
        if dropped := folder.dropped():
            say(f"footage that became no clip: {dropped_line(dropped)}")
        report(selection)
        funnel = {row.step: row.clips for row in selection.funnel}
        stage.log({"funnel": funnel, "hours": selection.funnel[-1].hours})
        outputs = [folder.selection.name]
        stage.finish({"kept": selection.kept, "outputs": outputs})
    return selection.kept


def what_if(config: SelectConfig, folder: RunFolder, texts: tuple[str, ...]) -> None:
    """Print how the predicates ``texts`` would change the selection; writes nothing."""
    columns = manifest_schema(folder.manifest).names
    where, changes = apply_what_if(config.where, texts, columns)
    now, then = decide(folder, [config, replace(config, where=where)], run_edits(folder))
    for line in (*changes, *what_if_lines(now, then)):
        say(line)


def decide(folder: RunFolder, configs: list[SelectConfig], edits: Replayed) -> list[Selection]:
    """Selections of a run folder's clips by several settings that differ in predicates only; writes nothing.

    What people decided in ``edits`` goes before what the rules say.
    """
    kind = manifest_schema(folder.manifest)
    columns = set()
    for config in configs:
        # on no clips at all, so that a mistake in a rule is named before a million are read
        select_clips(kind.empty_table(), replace(config, dedup_cosine=None))
        columns |= set(columns_read(kind.names, config))
    manifest = read_parts(folder.manifest, [name for name in kind.names if name in columns])
    if manifest.num_rows == 0:
        raise UserError(
            f"{folder.manifest} has no clips; {folder / 'sources.parquet'} says how each input ended"
        )
    embeddings = None
    if configs[0].dedup_cosine is not None:
        embeddings = read_embeddings(folder.embeddings)
    earlier = read_earlier(folder.path, configs[0], embeddings)
    found = [select_clips(manifest, config, embeddings, earlier) for config in configs]
    decisions = edits.decisions()
    if not decisions:
        return found
    seconds = clip_seconds(manifest, decisions)
    return [decide_by_hand(selection, decisions, seconds) for selection in found]


def clip_seconds(manifest: pa.Table, clips: Collection[str]) -> dict[str, float]:
    """clip_id -> length in seconds, of the clips asked for that have one."""
    import pyarrow as pa
    import pyarrow.compute as pc

    ids = manifest[schema.CLIP_ID]
    rows = manifest.filter(pc.is_in(ids, value_set=pa.array(list(clips), pa.string())))
    columns = (rows[name].to_pylist() for name in (schema.CLIP_ID, schema.START_S, schema.END_S))
    return {
        clip: end - start
        for clip, start, end in zip(*columns, strict=True)
        if start is not None and end is not None
    }


def report(selection: Selection) -> None:
    """Print the funnel, and what a person should look into."""
    for line in funnel_lines(selection.funnel):
        say(line)
    for note in selection.notes:
        say(note)
    for reason, count in selection.unmeasured.items():
        warn(
            f"{count} of {selection.table.num_rows} clips have no score for {reason!r} and are kept apart as "
            f"{schema.Decision.ERROR}; to let them pass, add 'OR <column> IS NULL' to its predicate"
        )
    if selection.kept == 0:
        warn("no clip was kept; the funnel shows which predicate removes the most")
