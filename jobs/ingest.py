"""``filmstock ingest SRC... --out DIR``: raw videos to scored clips, on Ray Data.

Sources are named by their content first; those that an earlier run finished are left alone. The rest stream through
two stages (``ingest_stages``), and each is committed as soon as its last clip is in (``ingest_commit``).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from jobs.args import parse_args
from jobs.console import Progress, say, warn
from jobs.errors import EXIT_OK, EXIT_PARTIAL, UserError
from jobs.ingest_commit import (
    ORIGINAL,
    Ledger,
    check_settings,
    commit_source,
    compile_sources,
    exclusive,
)
from jobs.ingest_report import IngestResult, failure_of, is_quarantined, report, summarise
from jobs.recipe import load_recipe, parse_override, save_recipe
from jobs.runfolder import clear_done, config_key, done_info, files_key, mark_done
from pipeline import schema as s
from pipeline.config import ClipConfig, IngestConfig
from pipeline.sources import expand_sources, file_source_id, missing_source_id

if TYPE_CHECKING:
    import ray.data

STAGE = "ingest"
OUTPUTS = ("sources.parquet", "clips", "manifest", "embeddings")
EMBED_BATCH = 4
"""Clips embedded together."""


@dataclass(frozen=True, kw_only=True)
class Args:
    """Split raw videos into shots, cut them into clips, score the clips."""

    sources: tyro.conf.Positional[tuple[str, ...]]
    """Video files, folders, or .txt files with one path a line."""
    out: Path
    """Run folder to write; a rerun goes on where an earlier one stopped."""
    recipe: str | None = None
    """Recipe file or name; its [ingest] and [clip] sections are used."""
    set: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """Override a setting: --set ingest.max_clip_s=6; may be repeated."""


def main(argv: list[str]) -> int:
    """Parse the command line and run."""
    args = parse_args(Args, argv, "ingest")
    recipe = load_recipe(args.recipe, dict(parse_override(text) for text in args.set))
    result = run(recipe.ingest, recipe.clip, list(args.sources), args.out)
    save_recipe(args.out, recipe)
    return EXIT_PARTIAL if result.quarantined else EXIT_OK


def run(
    config: IngestConfig, clip: ClipConfig, sources: list[str], out: Path | str
) -> IngestResult:
    """Bring every source to an end, ``done`` or ``quarantined``; finished ones are not redone."""
    check_config(config)
    return run_files(config, clip, expand_sources(sources), Path(out))


def run_files(
    config: IngestConfig,
    clip: ClipConfig,
    uris: list[str],
    folder: Path,
    again: frozenset[str] = frozenset(),
) -> IngestResult:
    """``run`` for files by their absolute paths. Those in ``again`` are redone though they are finished: their old
    record stands until the new one replaces it, so a kill in between loses nothing."""
    settings = settings_key(config, clip)
    folder.mkdir(parents=True, exist_ok=True)
    named = identify_sources(uris)
    ledger = Ledger(folder, again)
    fresh = [
        (uri, source, error) for uri, source, error in named if not ledger.finished(uri, source)
    ]
    if not fresh and is_compiled(folder, settings):
        result = summarise(ledger.all())
        say(f"ingest: nothing to do, {result.clips} clips of {result.done} sources are in {folder}")
        return result
    with exclusive(folder):
        check_settings(folder, settings, config_key(config))
        clear_done(folder, STAGE)
        todo = admit(ledger, named)
        if todo:
            split_and_score(ledger, todo, config, clip, already=len(named) - len(fresh))
        records = compile_sources(ledger)
        result = summarise(records)
        report(STAGE, records, result, folder)
        info = {"settings": settings, "outputs": OUTPUTS, "clips": result.clips}
        mark_done(folder, STAGE, config_key(settings, [ending(each) for each in records]), info)
    return result


def ending(record: dict[str, Any]) -> list[Any]:
    """What tells that a source ended otherwise than before: later stages chain on it."""
    failure = failure_of(record) if is_quarantined(record) else None
    return [record[s.SOURCE_URI], record[s.SOURCE_ID], failure, record[s.N_CLIPS]]


def is_compiled(folder: Path, settings: str) -> bool:
    """True when the last run with these settings came to its end."""
    info = done_info(folder, STAGE)
    if info is None or info.get("settings") != settings:
        return False
    return all((folder / name).exists() for name in OUTPUTS)


def check_config(config: IngestConfig) -> None:
    """Refuse settings that cannot work."""
    if not 0 < config.min_clip_s <= config.max_clip_s:
        raise UserError(
            f"min_clip_s is {config.min_clip_s} and max_clip_s {config.max_clip_s}; "
            "the first must be above 0 and at most the second"
        )
    if config.height is not None and config.height < 16:
        raise UserError(f"height is {config.height}; give at least 16 pixels, or leave it out")
    if not 0 <= config.crf <= 51:
        raise UserError(f"crf is {config.crf}; x264 takes 0 (lossless) to 51")


def settings_key(config: IngestConfig, clip: ClipConfig) -> str:
    """Hash of everything but the sources that the rows depend on, the bytes of local models included."""
    from pipeline.clip_find import EMBEDDED

    local = EMBEDDED if clip.model == "embedded" else Path(clip.model.removeprefix("local-dir:"))
    files = [
        path
        for path in (local, Path(clip.aesthetic_head or ""))
        if str(path) != "." and path.exists()
    ]
    usual = IngestConfig()
    same = replace(config, deadline_s=usual.deadline_s, memory_bytes=usual.memory_bytes)
    return config_key(same, clip, files_key(files), s.SCHEMA_VERSION)


def identify_sources(uris: list[str]) -> list[tuple[str, str, str | None]]:
    """(uri, source_id, error) of every source, in order; an unreadable one gets an id from its name."""

    def identify(uri: str) -> tuple[str, str, str | None]:
        try:
            return uri, file_source_id(uri), None
        except OSError as error:
            return uri, missing_source_id(uri), error.strerror or str(error)

    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(identify, uris))


def admit(ledger: Ledger, named: list[tuple[str, str, str | None]]) -> list[dict[str, Any]]:
    """Sources that are left to do. Unreadable ones, and copies of another, are recorded at once."""
    first: dict[str, str] = {}
    todo = []
    for order, (uri, source, error) in enumerate(named):
        original = first.setdefault(source, uri)
        if ledger.finished(uri, source):
            continue
        if original == uri:
            original = ledger.holder(source) or uri
        record = {s.SOURCE_ID: source, s.SOURCE_URI: uri, s.N_CLIPS: 0}
        if error is not None:
            note = {s.ERROR_STAGE: "open", s.ERROR_TYPE: "unreadable", s.ERROR_MESSAGE: error}
            ledger.write({**record, s.OUTCOME: s.SourceOutcome.QUARANTINED, **note})
        elif original != uri:
            note = {s.ERROR_TYPE: "duplicate", s.ERROR_MESSAGE: f"same content as {original}"}
            ledger.write({**record, s.OUTCOME: s.SourceOutcome.DONE, **note, ORIGINAL: original})
        else:
            todo.append({"order": order, s.SOURCE_URI: uri, s.SOURCE_ID: source})
    return todo


def split_and_score(
    ledger: Ledger, todo: list[dict[str, Any]], config: IngestConfig, clip: ClipConfig, already: int
) -> None:
    """Stream the sources through Ray Data and commit each when it is complete."""
    from jobs.ingest_stages import CLIP, FAULT
    from jobs.rayrt import start_ray
    from pipeline.aesthetic import load_aesthetic_head
    from pipeline.clip_find import domain_warning, find_clip

    found = find_clip(clip.model)
    if found.domain:
        warn(domain_warning(clip.model, found.domain))
    load_aesthetic_head(clip.aesthetic_head)
    if already:
        say(f"ingest: {already} sources are finished, {len(todo)} to go")
    concepts = tuple(clip.concepts)
    start_ray()
    waiting: dict[int, list[tuple[dict[str, Any], bytes | None]]] = {}
    ends: dict[int, dict[str, Any]] = {}
    hours, n_clips = 0.0, 0
    with Progress(STAGE, len(todo), "sources") as progress:
        for kind, order, body, vector in stream(ledger.folder, todo, config, clip):
            if kind == FAULT:
                raise OSError(body["errno"], body["text"], body["path"])
            if kind == CLIP:
                waiting.setdefault(order, []).append((body, vector))
            else:
                ends[order] = body
            end = ends.get(order)
            if end is None or len(waiting.get(order, [])) < end[s.N_CLIPS]:
                continue
            commit_source(ledger, ends.pop(order), waiting.pop(order, []), concepts)
            if end[s.OUTCOME] == s.SourceOutcome.DONE:
                hours += (end.get(s.DURATION_S) or 0.0) / 3600
                n_clips += end[s.N_CLIPS]
            progress.update(1, f"{n_clips} clips, {hours:.2f} hours")
    if ends or len(waiting):
        raise RuntimeError(
            f"{len(ends)} sources ended without all of their clips; run the same command again"
        )


def stream(
    folder: Path, todo: list[dict[str, Any]], config: IngestConfig, clip: ClipConfig
) -> Iterator[tuple[str, int, dict[str, Any], bytes | None]]:
    """(kind, order, body, embedding) of every row that leaves the second stage, in any order."""
    import json

    from jobs.ingest_stages import BODY, EMBEDDING, KIND, ORDER

    for batch in dataset(folder, todo, config, clip).iter_batches(
        batch_size=None, batch_format="pyarrow", prefetch_batches=0
    ):
        columns = (batch[name].to_pylist() for name in (KIND, ORDER, BODY, EMBEDDING))
        for kind, order, body, vector in zip(*columns, strict=True):
            yield kind, order, json.loads(body), vector


def dataset(
    folder: Path, todo: list[dict[str, Any]], config: IngestConfig, clip: ClipConfig
) -> ray.data.Dataset:
    """The pipeline: as many splitters as there are cores or sources, and an embedder for every eight."""
    import ray

    from jobs.ingest_stages import Embedder, Splitter

    cores = max(1, int(ray.cluster_resources().get("CPU", os.cpu_count() or 1)))
    splitters = max(1, min(cores, len(todo)))
    rows = ray.data.from_items(todo, override_num_blocks=len(todo))
    split = rows.map_batches(
        Splitter,
        fn_constructor_args=(str(folder.absolute()), config, clip.frames),
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(size=splitters),
        num_cpus=0.5,
    )
    return split.map_batches(
        Embedder,
        fn_constructor_args=(clip,),
        batch_size=EMBED_BATCH,
        batch_format="pyarrow",
        compute=ray.data.ActorPoolStrategy(size=max(1, cores // 8)),
        num_cpus=0.25,
    )
