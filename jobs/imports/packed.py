"""Datasets whose videos lie inside larger files: WebDataset tars, Parquet and Arrow with the bytes of videos.

Nothing is unpacked: a video is read where it lies, by a ``member://`` URI (``pipeline.store.members``).
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from jobs.core.errors import UserError
from jobs.imports.folders import told
from jobs.imports.items import Item, ReadOptions, captions_of, roles_of, scores_of, spans_of
from jobs.imports.tables import Videos, holds_bytes, json_lines
from pipeline import schema as s
from pipeline.shards.layout import MANIFEST_SUFFIX
from pipeline.source.listing import VIDEO_SUFFIXES
from pipeline.store.members import cell_uri, range_uri
from pipeline.store.paths import Location, ObjectPath, location, parquet_input

TEXTS = ("txt", "caption", "text", "cap")
"""Endings of members that hold a caption."""
LARGEST_TEXT = 1 << 20
"""Bytes of a member with captions that are read at most."""
VIDEO_COLUMNS = ("video", "mp4", "mov", "clip", "video_bytes", "bytes")
"""Columns that hold the bytes of videos, or structs of ``bytes`` and ``path`` as ``datasets`` writes them."""
OURS = frozenset((s.CLIP_ID, s.SHOT_ID, s.SOURCE_ID, s.START_S, s.END_S))
"""Columns of our own shards: each cell is a clip, whole."""
TIMES = ("start", "end")
"""Roles of columns that would take a part of it."""


# -- tars


def read_tars(source: Location, options: ReadOptions) -> Iterator[Item]:
    """The samples of WebDataset tars: ``KEY.mp4`` with ``KEY.txt`` or ``KEY.json`` beside it."""
    parts: list[Location] = sorted(source.glob("*.tar"), key=str) if source.is_dir() else [source]
    if not parts:
        raise UserError(f"{source} holds no .tar")
    for part in parts:
        yield from read_tar(part, options)


def read_tar(part: Location, options: ReadOptions) -> Iterator[Item]:
    """The samples of one tar, in order; members of a sample follow each other."""
    key: str | None = None
    sample: dict[str, Any] = {}
    place = str(part.absolute())
    try:
        with part.open("rb") as raw, tarfile.open(fileobj=raw, mode="r:") as tar:
            for member in tar:
                if not member.isfile():
                    continue
                stem, ending = split_name(member.name)
                if stem != key:
                    yield from sample_items(key, sample, options)
                    key, sample = stem, {}
                if f".{ending}" in VIDEO_SUFFIXES:
                    name = f"{stem}.{ending}"
                    sample["video"] = range_uri(place, member.offset_data, member.size, name)
                elif ending in (*TEXTS, "json"):
                    file = tar.extractfile(member)
                    sample[ending] = file.read(LARGEST_TEXT) if file else b""
    except tarfile.TarError as error:
        yield from sample_items(key, sample, options)
        yield Item(name=str(part), problem=("malformed", f"{part.name} is no whole tar: {error}"))
        return
    yield from sample_items(key, sample, options)


def split_name(name: str) -> tuple[str, str]:
    """Key and ending of a member: the key ends at the first dot of the last part of its path."""
    path = PurePosixPath(name)
    first, _, ending = path.name.partition(".")
    return str(path.parent / first).removeprefix("./"), ending.lower()


def sample_items(key: str | None, sample: dict[str, Any], options: ReadOptions) -> Iterator[Item]:
    """The clip of one sample; none of a sample without members."""
    if key is None or not sample:
        return
    if "video" not in sample:
        yield Item(name=key, problem=("no_video", "the sample has no video"))
        return
    captions: dict[str, str] = {}
    scores: dict[str, float] = {}
    if "json" in sample:
        try:
            row = json.loads(sample["json"])
            roles, named = roles_of(list(row), options, f"the JSON of {key}")
            captions, scores = captions_of(row, roles), scores_of(row, roles, named)
        except (ValueError, TypeError, RecursionError) as error:
            if isinstance(error, UserError):
                raise
    for ending in TEXTS:
        text = sample.get(ending, b"").decode("utf-8-sig", "replace")
        if text.strip() and "original" not in captions:
            captions |= told(text)
    yield Item(name=key, uri=sample["video"], captions=captions, scores=scores)


# -- tables with bytes


def read_bytes_table(source: Location, options: ReadOptions) -> Iterator[Item]:
    """Rows of Parquet files, or of a dataset of ``datasets`` on disk (Arrow), whose videos are in a column."""
    parts = data_files(source)
    if not parts:
        raise UserError(f"{source} holds neither Parquet files nor a dataset of save_to_disk")
    for part in parts:
        column = video_column(part)
        place = str(part.absolute())
        videos = Videos(options.videos or part.parent)
        roles: dict[str, str] | None = None
        named: tuple[str, ...] = ()
        for number, row in enumerate(scalar_rows(part, column)):
            if roles is None:
                names = [name for name in row if name != _HERE]
                roles, named = roles_of(names, options, str(part))
                if set(names) >= OURS:  # their start and end are times of the source
                    roles = {
                        r: n for r, n in roles.items() if r in options.columns or r not in TIMES
                    }
            inside, path = row.pop(_HERE)
            own = str(row.get(roles.get("id", "")) or path or f"{part.stem}-{number}")
            uri = cell_uri(place, inside, number, file_name(path, number))
            if not inside:
                if not path:
                    yield Item(name=own, problem=("no_video", "the row holds no video"))
                    continue
                uri = str((videos.folder / path).absolute())
            try:
                spans = list(spans_of(row, roles))
            except ValueError as error:
                yield Item(name=own, problem=("bad_time", str(error)))
                continue
            captions, scores = captions_of(row, roles), scores_of(row, roles, named)
            for span in spans:
                yield Item(name=own, uri=uri, span=span, captions=captions, scores=scores)


_HERE = "\0here"
"""Key of a row: the column with its bytes (empty for none), and the path that was noted."""


def file_name(path: str | None, number: int) -> str:
    """A name for a video out of a cell."""
    name = PurePosixPath(path or "").name
    return (
        name
        if PurePosixPath(name).suffix.lower() in VIDEO_SUFFIXES
        else f"{name or number:0>8}.mp4"
    )


def data_files(source: Location) -> list[Location]:
    """Parquet or Arrow files of a source, in order: the file, or those of a folder and of its splits.

    The manifest of our shards, which holds no videos, is none of them.
    """
    if not source.is_dir():
        return [source] if source.suffix in (".parquet", ".arrow") else []
    here = [*source.glob("*.parquet"), *source.glob("*/*.parquet")]
    if not isinstance(source, ObjectPath):
        here += [*source.glob("data-*.arrow"), *source.glob("*/data-*.arrow")]
    return sorted((path for path in here if not path.name.endswith(MANIFEST_SUFFIX)), key=str)


def video_column(part: Location) -> str:
    """Column with the videos of a file; UserError when it has none."""
    schema = open_schema(part)
    found = [name for name in schema.names if holds_bytes(schema.field(name).type)]
    named = [name for name in found if name.casefold() in VIDEO_COLUMNS]
    if not (named or len(found) == 1):
        raise UserError(
            f"{part} has no column of videos; one of bytes is named {', '.join(VIDEO_COLUMNS)}"
        )
    return str((named or found)[0])


def open_schema(part: Location) -> Any:
    """Arrow schema of a file; UserError for what is none."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        if part.suffix == ".arrow":
            with pa.memory_map(str(part)) as source:
                return pa.ipc.open_stream(source).schema
        return pq.read_schema(parquet_input(part))
    except pa.ArrowInvalid as error:
        raise UserError(f"{part} cannot be read: {error}") from None


def scalar_rows(part: Location, column: str) -> Iterator[dict[str, Any]]:
    """Rows without bytes, each with where its video is under ``_HERE``."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    kind = open_schema(part).field(column).type
    struct = pa.types.is_struct(kind)
    inside = f"{column}.bytes" if struct else column

    def rows(batch: Any) -> Iterator[dict[str, Any]]:
        names = [n for n in batch.schema.names if not holds_bytes(batch.schema.field(n).type)]
        cells = batch.column(column)
        held = pc.struct_field(cells, "bytes") if struct else cells
        paths = pc.struct_field(cells, "path").to_pylist() if struct else [None] * len(cells)
        full = pc.is_valid(held).to_pylist()
        for row, path, here in zip(batch.select(names).to_pylist(), paths, full, strict=True):
            yield row | {_HERE: (inside if here else "", path)}

    if part.suffix == ".arrow":
        with pa.memory_map(str(part)) as source:
            for batch in pa.ipc.open_stream(source):
                yield from rows(batch)
        return
    for batch in pq.ParquetFile(parquet_input(part)).iter_batches(64):
        yield from rows(batch)


# -- cosmos-curator


def read_curator(source: Location, options: ReadOptions) -> Iterator[Item]:
    """What cosmos-curator leaves: ``clips/``, with ``metas_jsonl/v0/*.jsonl`` or ``metas/v0/*.json``."""
    folders = ("metas_jsonl/v0", "metas/v0")
    files: list[Location] = []
    for name in folders:
        files = files or sorted((source / name).glob("*.json*"), key=str)
    if not files:
        raise UserError(f"{source} has neither {' nor '.join(folders)}: it is no output of curator")
    videos = Videos(options.videos or source / "clips")
    for path in files:
        text = path.read_bytes()
        for row in json_lines(text.splitlines() if path.suffix == ".jsonl" else [text]):
            if isinstance(row, str):
                yield Item(name=path.name, problem=("malformed", row))
            else:
                yield from curator_items(row, videos)


def curator_items(row: dict[str, Any], videos: Videos) -> Iterator[Item]:
    """The clips of one record: the file, or a clip for each of several windows of frames."""
    name = str(row.get("span_uuid") or row.get("clip_location") or "clip")
    told_at = str(row.get("clip_location") or "")
    here = videos.folder / f"{name}.mp4"
    if not (isinstance(here, ObjectPath) or here.is_file()) and told_at:
        here = location(told_at)
    flat = {k: v for k, v in row.items() if not isinstance(v, dict | list)}
    for key, value in row.items():
        if isinstance(value, dict):
            flat |= {f"{key}_{inner}": each for inner, each in value.items()}
    kept = {k: v for k, v in flat.items() if not k.endswith(("_source", "_size", "bytes"))}
    scores = scores_of(kept, {}, ())
    windows = [each for each in row.get("windows") or [] if isinstance(each, dict)]
    for window in windows or [{}]:
        texts = [v for k, v in window.items() if k.endswith("caption") and isinstance(v, str) and v]
        roles = {"start_frame": "start_frame", "end_frame": "end_frame"}
        span = next(spans_of(window, roles)) if len(windows) > 1 else Item(name="").span
        captions = {"original": texts[0]} if texts else {}
        yield Item(name=name, uri=str(here.absolute()), span=span, captions=captions, scores=scores)
