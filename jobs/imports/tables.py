"""Datasets that are a table: CSV, TSV, JSON, JSON lines or Parquet, with a row for each clip or each video.

Covers what DiffSynth-Studio, Open-Sora, VideoX-Fun, LTX-2, FastVideo, SimpleTuner, cosmos-framework and VideoFolder
read, and tables of intervals over a folder of videos, such as those of Panda-70M, Koala-36M and UltraVideo.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from jobs.core.errors import UserError
from jobs.imports.items import Item, ReadOptions, captions_of, filled, roles_of, scores_of, spans_of
from pipeline.source.listing import VIDEO_SUFFIXES, list_sources
from pipeline.store.paths import Location, ObjectPath, location, parquet_input
from pipeline.store.staging import staged

SUFFIXES = (".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".parquet")
"""Endings of tables."""
WINDOWS = "t2w_windows"
"""Column of cosmos-framework with the clips of a video: objects with frames and a caption."""
Row = dict[str, Any]


def read_table(source: Location, options: ReadOptions) -> Iterator[Item]:
    """The clips of a table."""
    videos = Videos(options.videos or source.parent)
    roles: dict[str, str] | None = None
    named: tuple[str, ...] = ()
    known: list[str] = []
    for number, row in enumerate(rows_of(source)):
        if isinstance(row, str):
            yield Item(name=f"row {number}", problem=("malformed", row))
            continue
        if roles is None or not known or not row.keys() <= set(known):
            known = list(dict.fromkeys([*known, *row]))
            roles, named = roles_of(known, options, str(source))
            need_video(roles, known, source)
        yield from row_items(row, number, roles, named, videos)


def need_video(roles: Mapping[str, str], names: list[str], source: Location) -> None:
    """UserError when no column says which video a row is of."""
    if "path" not in roles and "id" not in roles:
        raise UserError(
            f"{source} has no column with paths or ids of videos; name it with --column path=COLUMN, it has "
            f"{', '.join(names)}"
        )


def row_items(
    row: Row, number: int, roles: Mapping[str, str], named: tuple[str, ...], videos: Videos
) -> Iterator[Item]:
    """The clips of one row: one, or as many as it has intervals."""
    said = [str(row[roles[role]]) for role in ("path", "id") if row.get(roles.get(role, ""))]
    own = str(row.get(roles.get("id", "")) or (said[0] if said else f"row {number}"))
    if not said:
        yield Item(name=own, problem=("no_video", "the row names no video"))
        return
    try:
        uri = videos.find(said)
        if isinstance(row.get(WINDOWS), list) and row[WINDOWS]:
            inner = {"start_frame": "start_frame", "end_frame": "end_frame"}
            inner |= {"original": "caption", "structured": "caption_json"}
            for window in row[WINDOWS]:
                spans = list(spans_of(with_last_frame(window), inner))
                yield Item(name=own, uri=uri, span=spans[0], captions=captions_of(window, inner))
            return
        spans = list(spans_of(row, roles))
    except (ValueError, TypeError, AttributeError) as error:
        kind = "bad_time" if not isinstance(error, NoVideo) else "no_video"
        yield Item(name=own, problem=(kind, str(error)))
        return
    scores = scores_of(row, roles, named)
    for place, span in enumerate(spans):
        captions = captions_of(nth(row, place) if len(spans) > 1 else row, roles)
        yield Item(name=own, uri=uri, span=span, captions=captions, scores=scores)


def with_last_frame(window: Row) -> Row:
    """A window of cosmos-framework, whose ``end_frame`` is its last, as an interval that ends behind it."""
    last = window.get("end_frame")
    return window | {"end_frame": float(str(last)) + 1} if filled(last) else window


def nth(row: Row, place: int) -> Row:
    """The row with entry ``place`` of its lists: a list of intervals goes with a list of captions."""
    return {
        name: value[place] if isinstance(value, list) and place < len(value) else value
        for name, value in row.items()
    }


class NoVideo(ValueError):
    """A row whose video is not there."""


class Videos:
    """The folder that a table's paths are relative to; ids are looked up among the names of its files."""

    def __init__(self, folder: Location) -> None:
        self.folder = folder

    def find(self, names: list[str]) -> str:
        """Path or URI of a video by what a table says of it; ``NoVideo`` when there is none.

        A path to a file that is not there stays a path: it is quarantined under its own name, as any source is.
        """
        for name in names:
            if "://" in name:
                return name
            if isinstance(self.folder, ObjectPath):
                if location(name).suffix.lower() in VIDEO_SUFFIXES:
                    return str(self.folder / name.lstrip("/"))
            elif (path := self.folder / name).is_file():
                return str(path.absolute())
            if found := self._by_stem.get(stem_of(name)):
                return found
        if location(names[0]).suffix.lower() in VIDEO_SUFFIXES:
            return str((self.folder / names[0]).absolute())
        raise NoVideo(f"no video named {names[0]!r} below {self.folder}; --videos names its folder")

    @cached_property
    def _by_stem(self) -> dict[str, str]:
        """Name of a file without its ending -> path; listed when a table first gives an id in place of a path."""
        try:
            found = [uri for _, _, uri in list_sources([str(self.folder)])]
        except ValueError:
            return {}
        return {stem_of(uri): uri for uri in sorted(found, reverse=True)}


def stem_of(name: str) -> str:
    """Name of a file without folders and without the ending of a video."""
    last = name.rstrip("/").rpartition("/")[2]
    stem, dot, ending = last.rpartition(".")
    return stem if dot and f".{ending.lower()}" in VIDEO_SUFFIXES else last


def rows_of(source: Location) -> Iterator[Row | str]:
    """Rows of a table, one in memory at a time (JSON: all); a text says what is wrong with one."""
    ending = source.suffix.lower()
    if ending == ".parquet":
        yield from parquet_rows(source)
        return
    if not source.is_file():
        raise UserError(f"there is no table {source}")
    with staged(source) as local:
        if ending in (".csv", ".tsv"):
            yield from csv_rows(local, "\t" if ending == ".tsv" else ",")
        elif ending in (".jsonl", ".ndjson"):
            with local.open("rb") as file:
                yield from json_lines(file)
        elif ending == ".json":
            yield from json_rows(local, source)
        else:
            raise UserError(f"{source} is no table; one ends in {', '.join(SUFFIXES)}")


def csv_rows(path: Path, delimiter: str) -> Iterator[Row | str]:
    """Rows of a CSV file with a line of names."""
    csv.field_size_limit(1 << 24)
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        reader = csv.DictReader(file, delimiter=delimiter)
        try:
            for row in reader:
                if None in row or None in row.values():
                    yield f"line {reader.line_num} has another number of cells than the first line"
                else:
                    yield dict(row)
        except csv.Error as error:
            yield f"line {reader.line_num}: {error}"


def json_lines(lines: Iterable[bytes]) -> Iterator[Row | str]:
    """The object of each line, or what is wrong with it; blank lines are passed over."""
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield json_object(line, f"line {number}")


def json_object(text: bytes, where: str) -> Row | str:
    """An object, or what is wrong with the text."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        return f"{where} is no JSON: {error}"
    return found if isinstance(found, dict) else f"{where} is no object"


def json_rows(path: Path, source: Location) -> Iterator[Row | str]:
    """Objects of a JSON list, or entries by name: ``{"a.mp4": "caption"}``, ``{"a.mp4": {"caption": ..}}``."""
    try:
        found = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise UserError(f"{source} is no JSON: {error}") from None
    if isinstance(found, dict) and len(lists := [v for v in found.values() if is_rows(v)]) == 1:
        found = lists[0]  # {"data": [...]}
    if isinstance(found, list):
        for number, row in enumerate(found):
            yield row if isinstance(row, dict) else f"entry {number} is no object"
        return
    if not isinstance(found, dict):
        raise UserError(f"{source} holds neither a list nor an object")
    for name, value in found.items():
        yield {"path": name, **(value if isinstance(value, dict) else {"caption": value})}


def is_rows(value: Any) -> bool:
    """Whether a value is a list of objects."""
    return isinstance(value, list) and bool(value) and all(isinstance(each, dict) for each in value)


def parquet_rows(source: Location) -> Iterator[Row]:
    """Rows of a Parquet file, or of every one of a folder; columns of bytes are left out."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    parts: list[Location] = (
        sorted(source.glob("*.parquet"), key=str) if source.is_dir() else [source]
    )
    for part in parts:
        try:
            file = pq.ParquetFile(parquet_input(part))
        except pa.ArrowInvalid as error:
            raise UserError(f"{part} is no Parquet file: {error}; give another") from None
        names = [each.name for each in file.schema_arrow if not holds_bytes(each.type)]
        for batch in file.iter_batches(1024, columns=names):
            yield from batch.to_pylist()


def holds_bytes(kind: Any) -> bool:
    """Whether a column holds bytes, in itself or in its fields."""
    import pyarrow.types as types

    if types.is_struct(kind):
        return any(holds_bytes(field.type) for field in kind)
    return bool(types.is_binary(kind) or types.is_large_binary(kind))
