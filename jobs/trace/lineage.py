"""``filmstock lineage CLIP --run DIR``: where a clip came from, and where it went."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec
import tyro

from jobs.core.args import Folder, parse_args
from jobs.core.console import say
from jobs.core.errors import EXIT_OK, UserError
from jobs.core.run import RunFolder, open_run
from jobs.core.uses import exports_of
from jobs.edits.apply import run_edits
from jobs.export.command import TABLE
from jobs.trace.forget import sighting_lines
from jobs.trace.imported import all_sightings, find_elsewhere, find_imports
from jobs.trace.sightings import Sighting, check_trained
from jobs.trace.targets import Names
from pipeline import schema as s
from pipeline.store.paths import Location, location, matching, parquet_input


@dataclass(frozen=True, kw_only=True)
class Args:
    """Show where a clip came from (source, span, scores, captions, decision) and went (shards, latents, trainings)."""

    clip: tyro.conf.Positional[str]
    """Clip id, or the start of one."""
    run: Folder
    """Run folder."""
    trained: Annotated[tuple[Path, ...], tyro.conf.UseAppendAction] = ()
    """Folder of a training that used it; may be repeated. Those noted in the run folder or beside it are found."""
    json: bool = False
    """Print one JSON object instead."""


@dataclass(frozen=True, kw_only=True)
class Lineage:
    """A clip's way."""

    clip: str
    """Its id."""
    manifest: dict[str, Any]
    """Source, span, shape, scores, bytes; {} where the folder has no manifest."""
    decision: dict[str, Any]
    """What select decided, and why; {} when it has not."""
    captions: list[dict[str, Any]]
    """Kind, text, outcome and model of each."""
    corrected: dict[str, str]
    """Kind -> text that a person put in the place of it, which is what is packed."""
    shards: list[dict[str, Any]]
    """File, byte offset, length and hash in the training shards."""
    latents: list[dict[str, Any]]
    """Kind of caption and file of each row."""
    trainings: list[Sighting]
    """Which steps of which training saw it."""
    exports: list[str]
    """Where its run was exported to."""
    exported: dict[str, str]
    """Such a folder -> what became of it there; empty where that cannot be read any more."""
    imports: list[str]
    """Run folders that it came to, over however many imports."""


def main(argv: list[str]) -> int:
    """Parse the command line and run."""
    args = parse_args(Args, argv, "lineage")
    run = open_run(args.run)
    run.need()
    if not args.clip:
        raise UserError("'' is no CLIP; give the id of one")
    check_trained(args.trained)
    found = read_lineage(run, find_clip(run, args.clip), list(args.trained))
    if args.json:
        say(json.dumps(msgspec.to_builtins(found, enc_hook=str), indent=2))
    else:
        for line in lines(found):
            say(line)
    return EXIT_OK


def find_clip(run: RunFolder, word: str) -> str:
    """The one clip that ``word`` stands for."""
    clips = list(Names(run).resolve([word]).clips)
    if len(clips) != 1:
        raise UserError(f"{word!r} is a source of {len(clips)} clips; give the id of one clip")
    return clips[0]


def read_lineage(run: RunFolder, clip: str, trained: list[Path]) -> Lineage:
    """Everything that a run folder, and the trainings that used it, say of a clip."""
    from pipeline.shards.layout import manifest_of

    manifest = next(iter(rows_of(run.manifest, clip)), {})
    hashes = [manifest[s.VIDEO_XXH3]] if manifest.get(s.VIDEO_XXH3) else []
    packed = [s.SHARD, s.BYTE_OFFSET, s.BYTE_LENGTH, s.VIDEO_XXH3, s.SPLIT]
    told = [s.KIND, s.TEXT, s.OUTCOME, s.MODEL, s.CHECKS, s.PROMPT_HASH]
    elsewhere = find_elsewhere(run, find_imports(run, [clip], hashes))
    return Lineage(
        clip=clip,
        manifest={name: value for name, value in manifest.items() if value is not None},
        decision=next(iter(rows_of(run.selection, clip)), {}),
        captions=rows_of(run.captions, clip, told),
        corrected=run_edits(run).captions().get(clip, {}),
        shards=rows_of(manifest_of(run.shards), clip, packed),
        latents=rows_of(run / "latents" / "manifest.parquet", clip, [s.KIND, s.SHARD]),
        trainings=all_sightings(run, [clip], elsewhere, trained),
        exports=(exports := exports_of(run.path)),
        exported={folder: in_export(folder, clip) for folder in exports},
        imports=[each.folder for each in elsewhere],
    )


def in_export(folder: str, clip: str) -> str:
    """What an export's table says of a clip."""
    path = location(folder) / TABLE
    if not path.is_file():
        return ""
    rows = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8")))
    row = next((row for row in rows if row.get("name") == clip), None)
    if row is None:
        return "it is not in it"
    return f"left out, {row['refusal']}" if row.get("refusal") else str(row.get("media") or "")


def rows_of(table: Location, clip: str, columns: list[str] | None = None) -> list[dict[str, Any]]:
    """Rows of a clip in a table, only those row groups read that may have it; [] where there is no table."""
    import pyarrow.parquet as pq

    files = [table] if table.is_file() else matching(table)
    found: list[dict[str, Any]] = []
    for path in files:
        with pq.ParquetFile(parquet_input(path)) as file:
            there = file.schema_arrow.names
            names = [n for n in columns or there if n in there and n != s.VIDEO]
            for group in range(file.num_row_groups):
                ids = file.read_row_group(group, columns=[s.CLIP_ID])[s.CLIP_ID]
                at = ids.index(clip).as_py()
                while at >= 0:
                    row = file.read_row_group(group, columns=names).slice(at, 1).to_pylist()[0]
                    found.append(row)
                    at = ids.index(clip, start=at + 1).as_py()
    return found


def lines(found: Lineage) -> Iterator[str]:
    """A clip's way, in words."""
    row = found.manifest
    yield f"clip {found.clip}"
    if row:
        yield f"  source    {row.get(s.SOURCE_URI)} ({row.get(s.SOURCE_ID)})"
        span = f"{row.get(s.START_S, 0):.3f} to {row.get(s.END_S, 0):.3f} s"
        base = f"{row.get(s.TIME_BASE_NUM)}/{row.get(s.TIME_BASE_DEN)}"
        yield f"  span      {span} (pts {row.get(s.START_PTS)} to {row.get(s.END_PTS)}, time base {base})"
        shape = f"{row.get(s.WIDTH)}x{row.get(s.HEIGHT)}, {row.get(s.N_FRAMES)} frames"
        yield f"  bytes     {row.get(s.SHARD)} at {row.get(s.BYTE_OFFSET)}, {row.get(s.BYTE_LENGTH)} bytes, {shape}"
        yield f"  hash      xxh3-128 {row.get(s.VIDEO_XXH3)}"
        concepts = [name for name in row if name.startswith(s.CONCEPT_PREFIX)]
        scores = [name for name in (*s.SCORE_COLUMNS, *concepts) if name in row]
        yield f"  scores    {', '.join(f'{name} {_short(row[name])}' for name in scores)}"
    if found.decision:
        why = ", ".join(found.decision.get(s.REASONS) or []) or "no rule was against it"
        other = found.decision.get(s.DUPLICATE_OF)
        yield f"  select    {found.decision[s.DECISION]}: {why}{f'; duplicate of {other}' if other else ''}"
    for caption in found.captions:
        by = f"{caption[s.KIND]} by {caption[s.MODEL]}, {caption[s.OUTCOME]}"
        yield f"  caption   {by}: {caption[s.TEXT]}"
    for kind, text in found.corrected.items():
        yield f"  caption   {kind} by hand, in its place: {text}"
    for row in found.shards:
        yield f"  shard     {row[s.SHARD]} at {row[s.BYTE_OFFSET]}, {row[s.BYTE_LENGTH]} bytes"
    for row in found.latents:
        yield f"  latents   {row[s.SHARD]}, caption {row[s.KIND]}"
    for each in found.trainings:
        for number, line in enumerate(sighting_lines(each)):
            yield f"  {'training ' if not number else '         '} {line.strip()}"
    if not found.trainings:
        yield "  training  none that is known of saw it"
    for folder, what in found.exported.items():
        yield f"  export    {folder}" + (f": {what}" if what else "")
    for folder in found.imports:
        yield f"  import    {folder} has it, too"


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
