"""Formats that can be imported, by name, and which one a folder or a file is in."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from jobs.core.errors import UserError, unknown
from jobs.imports.folders import (
    LISTS,
    metadata_of,
    read_folder,
    read_lists,
    read_metadata,
    read_toml,
)
from jobs.imports.items import Item, ReadOptions
from jobs.imports.layouts import caption_tables, read_found, read_tables
from jobs.imports.packed import data_files, read_bytes_table, read_curator, read_tars
from jobs.imports.tables import SUFFIXES, read_table
from pipeline.source.listing import VIDEO_SUFFIXES
from pipeline.store.paths import Location, typed

Reader = Callable[[Location, ReadOptions], Iterator[Item]]
VIDEO_LIST = "videos2caption.json"
"""Table of FastVideo, beside its folder ``videos``."""


def read_data(source: Location, options: ReadOptions) -> Iterator[Item]:
    """A table, or a folder with one: what most trainers read."""
    if not source.is_dir():
        yield from read_table(source, options)
    elif (source / VIDEO_LIST).is_file():
        videos = options.videos or source / "videos"
        yield from read_table(
            source / VIDEO_LIST, ReadOptions(videos=videos, columns=options.columns)
        )
    elif metadata_of(source):
        yield from read_metadata(source, options)
    else:
        yield from read_tables(source, options)


def read_listed(source: Location, options: ReadOptions) -> Iterator[Item]:
    """A folder with lists of lines, or with a metadata table: finetrainers takes both."""
    yield from (read_metadata if metadata_of(source) else read_lists)(source, options)


def read_any_folder(source: Location, options: ReadOptions) -> Iterator[Item]:
    """A folder of videos with captions beside them, or the config that names such folders."""
    yield from (read_toml if source.suffix.lower() == ".toml" else read_folder)(source, options)


def read_either(source: Location, options: ReadOptions) -> Iterator[Item]:
    """A folder with captions beside the videos or in tables, a config, or a table."""
    if source.is_dir() and (tables := caption_tables(source, options)):
        yield from read_found(source, tables, options)
    elif source.suffix.lower() in SUFFIXES:
        yield from read_table(source, options)
    else:
        yield from read_any_folder(source, options)


FORMATS: dict[str, Reader] = {
    "folder": read_folder,
    "table": read_data,
    "videofolder": read_metadata,
    "finetrainers": read_listed,
    "diffusion-pipe": read_any_folder,
    "musubi-tuner": read_either,
    "ai-toolkit": read_either,
    "onetrainer": read_folder,
    **dict.fromkeys(
        ("diffsynth-studio", "open-sora", "videox-fun", "ltx-2", "fastvideo", "simpletuner"),
        read_data,
    ),
    "cosmos-framework": read_data,
    "cosmos-curator": read_curator,
    "webdataset": read_tars,
    "hf": read_bytes_table,
}
"""Name of a format -> its reader."""


def reader_of(name: str, source: Location) -> tuple[str, Reader]:
    """Name and reader of a format; ``auto`` looks at the source. UserError for a name or a source that is none."""
    if name not in FORMATS and name != "auto":
        raise UserError(f"--from: {unknown('format', name, FORMATS)}")
    check_source(source)
    if name == "auto":
        name = guess(source)
    return name, FORMATS[name]


def check_source(source: Location) -> None:
    """UserError for what is no dataset, whatever its format: nothing, a single video, a run folder of ours."""
    if not source.exists():
        raise UserError(f"{source} does not exist; give a folder or a table")
    if not source.is_dir() and source.suffix.lower() in VIDEO_SUFFIXES:
        raise UserError(
            f"{source} is one video, no dataset; give the folder that it is in, or cut it into clips with "
            f"filmstock ingest {typed(source)} --out DIR"
        )
    if any((source / name).exists() for name in (".ingest", "manifest", "selection.parquet")):
        shards = f"{source}/shards is, and can be imported"
        if not (source / "shards").is_dir():
            shards = f"filmstock report {typed(source)} shows its clips"
        raise UserError(
            f"{source} is a run folder of filmstock, no dataset: select, caption, pack and export work on it as it "
            f"is; {shards}"
        )


def guess(source: Location) -> str:
    """Which format a source is in, by the files that it holds; UserError when there is nothing."""
    ending = source.suffix.lower()
    if ending in SUFFIXES and not source.is_dir():
        return "table"
    if ending == ".toml":
        return "musubi-tuner"
    if ending == ".tar":
        return "webdataset"
    if ending == ".arrow":
        return "hf"
    if not source.is_dir():
        raise UserError(
            f"{source} is no dataset that is known: give a folder, a table ({', '.join(SUFFIXES)}), a config (.toml), "
            "a .tar or an .arrow file"
        )
    if (source / VIDEO_LIST).is_file():
        return "fastvideo"
    if metadata_of(source):
        return "videofolder"
    if any((source / name).is_dir() for name in ("metas_jsonl", "metas")):
        return "cosmos-curator"
    if any(source.glob("*.tar")):
        return "webdataset"
    if data_files(source):
        return "hf"
    if any(all((source / name).is_file() for name in pair) for pair in LISTS):
        return "finetrainers"
    if caption_tables(source, ReadOptions()):
        return "table"
    return "folder"
