"""``filmstock ingest SRC... --out DIR``: raw videos to scored clips, on Ray Data.

The list of sources is gone through in order and never held (``ingest_plan``); those that an earlier run finished are
left alone. The rest stream through two stages (``ingest_stages``) in windows (``ingest_stream``), and each is committed
as soon as its last clip is in (``ingest_commit``).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Annotated, Any

import tyro

from jobs.core.args import Folder, parse_args
from jobs.core.console import Progress, say
from jobs.core.errors import EXIT_OK, EXIT_PARTIAL, require
from jobs.core.keys import config_key, files_key
from jobs.core.recipe import load_recipe, parse_overrides, save_recipe
from jobs.core.stage import Stage, clear_done, done_info
from jobs.core.systemic import Failures
from jobs.core.writable import check_run_folder
from jobs.edits.moves import Moves
from jobs.ingest.detector import check_detector
from jobs.ingest.given import GivenSources
from jobs.ingest.ledger import (
    HIDDEN,
    TOTAL,
    Ledger,
    check_settings,
    commit_source,
    compile_sources,
    exclusive,
    refuse_settings,
)
from jobs.ingest.plan import Admission, Source, Windows, named, unsettled, window_size
from jobs.ingest.summary import IngestResult, Tally, report
from jobs.ingest.windows import Row, Stream
from pipeline import schema as s
from pipeline.config import IngestConfig, OpenClipConfig
from pipeline.extensions import extension_file
from pipeline.scores import nsfw
from pipeline.scores.scorer import named_columns
from pipeline.source.listing import check_apart, first_sources, passed_over
from pipeline.store.atomic import write_bytes
from pipeline.store.paths import Location, location

STAGE = "ingest"
SYSTEMIC = frozenset({"connection", "denied", "memory"})
"""Reasons for a quarantine that are of the machine or the network when every source has them."""
OUTPUTS = ("sources.parquet", "dropped.parquet", "clips", "manifest", "embeddings")


@dataclass(frozen=True, kw_only=True)
class Args:
    """Split raw videos into shots, cut them into clips, score the clips."""

    sources: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="SRC ...")]
    """Video files, folders, or .txt files with one path a line; also s3://, gs:// and http(s):// URIs."""
    out: Folder
    """Run folder to write, also s3://bucket/prefix; a rerun goes on where an earlier one stopped."""
    recipe: str | None = None
    """Recipe file or name; its [ingest] and [openclip] sections are used."""
    set: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """Override a setting: --set ingest.max_clip_s=6; may be repeated."""


def main(argv: list[str]) -> int:
    """Parse the command line and run."""
    args = parse_args(Args, argv, "ingest")
    recipe = load_recipe(args.recipe, parse_overrides(args.set))
    check_run_folder(args.out)
    check_apart(args.sources, args.out)
    what = ", ".join(args.sources[:3]) + (" ..." if len(args.sources) > 3 else "")
    span = f"{recipe.ingest.min_clip_s:g} to {recipe.ingest.max_clip_s:g} s"
    say(f"ingest: {what} into {args.out}: find shots, cut clips of {span}, score them")
    result = run(recipe.ingest, recipe.openclip, list(args.sources), args.out)
    save_recipe(args.out, recipe)
    return EXIT_PARTIAL if result.quarantined else EXIT_OK


def run(
    config: IngestConfig,
    openclip: OpenClipConfig,
    sources: list[str],
    out: Location | str,
    limit: int | None = None,
) -> IngestResult:
    """Bring every source, or the first ``limit``, to an end, ``done`` or ``quarantined``; none is done twice."""
    check_run_folder(location(out))
    check_config(config)
    check_apart(sources, location(out))
    passed = Counter[str]()
    found = first_sources(sources, limit, passed)
    return run_files(config, openclip, found, location(out), passed=passed)


def run_files(
    config: IngestConfig,
    openclip: OpenClipConfig,
    found: Iterable[tuple[int, bytes, str]],
    folder: Location,
    again: bool = False,
    given: GivenSources | None = None,
    passed: Counter[str] | None = None,
) -> IngestResult:
    """``run`` for sources as ``list_sources`` finds them. With ``again`` they are redone though they are finished:
    their old record stands until the new one replaces it, so a kill in between loses nothing. ``given``: their clips
    are given beforehand. ``passed``: what was passed over when they were found."""
    settings = settings_key(config, openclip)
    if given is not None:
        settings = config_key(settings, given.settings, given.columns)
    ledger = Ledger(folder)
    if given is not None:
        ledger.moves = Moves()  # a dataset says where its clips lie
    total = ledger.index.name(found)
    if passed and (told := passed_over(passed)):
        say(f"ingest: {told}")
    progress = Progress(STAGE, total, "sources")
    batches = unsettled(ledger, again, progress.skip, config.sidecars, given)
    first = next((batch for batch in batches if batch), None)
    if first is None and is_compiled(folder, settings):
        result = Tally(ledger.all()).result()
        progress.end_line()
        say(f"ingest: nothing to do, {result.clips} clips of {result.done} sources are in {folder}")
        return result
    if first is not None:
        check_models(openclip)  # before the folder is touched
    refuse_settings(ledger, settings)
    with exclusive(folder):
        check_settings(ledger, settings, config_key(config))
        clear_done(folder, STAGE)
        ledger.compact()
        write_bytes(folder / HIDDEN / TOTAL, json.dumps({"sources": total}).encode())
        if first is not None:
            rest: Iterator[list[Source]] = chain([first], batches)
            with progress:
                while split_and_score(ledger, rest, config, openclip, again, progress, given):
                    again = False
                    rest = unsettled(ledger, False, lambda _: None, config.sidecars, given)
            ledger.compact()
        tally = Tally()
        compile_sources(ledger, tally.add)
        report(STAGE, tally, folder)
        result = tally.result()
        info = {"settings": settings, "outputs": OUTPUTS, "clips": result.clips}
        Stage(folder, STAGE, config_key(settings, tally.key())).finish(info)
    return result


def is_compiled(folder: Location, settings: str) -> bool:
    """True when the last run with these settings came to its end."""
    info = done_info(folder, STAGE)
    if info is None or info.get("settings") != settings:
        return False
    return all((folder / name).exists() for name in OUTPUTS)


def check_config(config: IngestConfig) -> None:
    """Refuse settings that need a package, or a part by name, that is not here."""
    if config.nsfw:
        require(nsfw.check_installed)
    check_detector(config.shot_detector)
    named_columns(config.scorers)


def check_models(openclip: OpenClipConfig) -> None:
    """Raise one line when a model that ingest loads is not on this machine."""
    from pipeline.openclip.find import NONE, find_openclip
    from pipeline.scores.aesthetic import load_aesthetic_head

    if openclip.model != NONE:
        find_openclip(openclip.model)
    load_aesthetic_head(openclip.aesthetic_head)


def settings_key(config: IngestConfig, openclip: OpenClipConfig) -> str:
    """Hash of everything but the sources that the rows depend on, the bytes of local models included."""
    from pipeline.openclip.find import EMBEDDED

    local = (
        EMBEDDED
        if openclip.model == "embedded"
        else Path(openclip.model.removeprefix("local-dir:"))
    )
    files = [
        path
        for path in (local, Path(openclip.aesthetic_head or ""))
        if str(path) != "." and path.exists()
    ]
    files += [path for name in config.scorers if (path := extension_file(name))]
    usual = IngestConfig()
    same = replace(config, deadline_s=usual.deadline_s, memory_bytes=usual.memory_bytes)
    return config_key(same, openclip, files_key(files), s.SCHEMA_VERSION)


def split_and_score(
    ledger: Ledger,
    batches: Iterator[list[Source]],
    config: IngestConfig,
    openclip: OpenClipConfig,
    again: bool,
    progress: Progress,
    given: GivenSources | None = None,
) -> bool:
    """Stream the sources through Ray Data and commit each when it is complete. True when the list must be gone
    through again, for the copies of a file that has changed since they were recorded."""
    from jobs.core.ray_runtime import start_ray
    from jobs.ingest.graph import execute, naming_task, splitters_of
    from jobs.ingest.underway import watched

    start_ray(shared=ledger.folder)
    splitters = splitters_of()
    admission = Admission(ledger, again, progress.skip)
    windows = Windows(named(batches, naming_task), admission, window_size(splitters))
    pipeline = partial(execute, ledger.folder, config, openclip, given=given)
    stream = Stream(iter(windows), pipeline, splitters // 2, windows.hurry)
    extra = named_columns(config.scorers) + (given.columns if given is not None else ())
    try:
        with watched(ledger.folder, progress):
            commit_rows(ledger, stream, tuple(openclip.concepts), progress, extra)
    finally:
        stream.close()
    return admission.first_copy_changed


def commit_rows(
    ledger: Ledger,
    rows: Iterable[Row],
    concepts: tuple[str, ...],
    progress: Progress,
    extra: tuple[str, ...] = (),
) -> None:
    """Gather the rows of each source, in any order, and commit it when its last one is in."""
    from jobs.ingest.stages import CLIP, FAULT

    waiting: dict[int, list[tuple[dict[str, Any], bytes | None]]] = {}
    ends: dict[int, dict[str, Any]] = {}
    hours, n_clips = 0.0, 0
    failures = Failures(STAGE, "sources or clips")
    for kind, order, body, vector in rows:
        if kind == FAULT:
            raise OSError(body["errno"], body["text"], body["path"])
        if kind == CLIP:
            waiting.setdefault(order, []).append((body, vector))
            progress.scored = sum(map(len, waiting.values()))
        else:
            ends[order] = body
        end = ends.get(order)
        if end is None or len(waiting.get(order, [])) < end[s.N_CLIPS]:
            continue
        clips = waiting.pop(order, [])
        commit_source(ledger, ends.pop(order), clips, concepts, extra)
        failures.add(*systemic(end, [row for row, _ in clips]))
        if end[s.OUTCOME] == s.SourceOutcome.DONE:
            hours += (end.get(s.DURATION_S) or 0.0) / 3600
            n_clips += end[s.N_CLIPS]
        progress.update(1, f"{n_clips} clips, {hours:.2f} hours")
    if ends or waiting:
        raise RuntimeError(
            f"{len(ends)} sources ended without all of their clips; run the same command again"
        )


def systemic(end: dict[str, Any], clips: list[dict[str, Any]]) -> tuple[int, list[str]]:
    """What a source says of the run: how many things went well, and failures that are not of its own bytes.

    A broken file is its own fault, however many there are; a store that is gone or a model that fails is not.
    """
    causes = []
    if end.get(s.ERROR_TYPE) in SYSTEMIC:
        causes.append(f"{end[s.ERROR_TYPE]}: {end[s.ERROR_MESSAGE]}")
    failed = [str(row[s.ERROR]) for row in clips if s.CLIP_EMBEDDING in str(row.get(s.ERROR))]
    well = len(clips) - len(failed) + (end[s.OUTCOME] == s.SourceOutcome.DONE and not failed)
    return well, causes + failed
