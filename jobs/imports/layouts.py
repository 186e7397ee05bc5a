"""Tables of captions that lie in a folder under whatever name: found by what their first row says.

Trainers name theirs freely (``train.csv``, ``dataset.jsonl``, ``captions_25.json``), and some keep one in a folder of
each split or of each size.
"""

from __future__ import annotations

from collections.abc import Iterator

from jobs.core.console import warn
from jobs.core.errors import UserError
from jobs.imports.folders import CAPTIONS
from jobs.imports.items import KINDS, Item, ReadOptions, caption_text, roles_of
from jobs.imports.tables import SUFFIXES, WINDOWS, Row, read_table, rows_of
from pipeline.source.listing import VIDEO_SUFFIXES, list_sources
from pipeline.store.paths import Location, names_in

MOST_FILES = 64
"""Files of a folder that are looked into; a folder with more has something else in them than its captions."""


def caption_tables(folder: Location, options: ReadOptions) -> list[Location]:
    """Tables in a folder, or else right below it, whose first row names a video and captions it."""
    names = sorted(names_in(folder))
    here = tables_among(folder, names, options)
    if here:
        return here
    below = [folder / name for name in names if not name.startswith(".") and "." not in name]
    folders = [each for each in below if each.is_dir()][:MOST_FILES]
    return [
        found for each in folders for found in tables_among(each, sorted(names_in(each)), options)
    ]


def tables_among(folder: Location, names: list[str], options: ReadOptions) -> list[Location]:
    """Those of a folder's files that are such tables; a file with the name of a video is of that video alone."""
    videos = {name.rpartition(".")[0] for name in names if ends_in(name, VIDEO_SUFFIXES)}
    tables = [
        name
        for name in names
        if ends_in(name, SUFFIXES) and name != CAPTIONS and name.rpartition(".")[0] not in videos
    ]
    if len(tables) > MOST_FILES:
        return []
    return [folder / name for name in tables if has_captions(folder / name, options)]


def ends_in(name: str, endings: tuple[str, ...] | frozenset[str]) -> bool:
    """Whether a file's name has one of these endings; a hidden file has none."""
    return not name.startswith(".") and f".{name.rpartition('.')[2].lower()}" in endings


def has_captions(table: Location, options: ReadOptions) -> bool:
    """Whether the first row of a file names a video and has a caption for it."""
    try:
        row = next((each for each in rows_of(table) if not isinstance(each, str)), None)
        return row is not None and names_captioned_video(row, options, table)
    except (UserError, OSError):
        return False


def names_captioned_video(row: Row, options: ReadOptions, table: Location) -> bool:
    """Whether a row has the path of a video, and a caption or windows with captions."""
    roles, _ = roles_of(list(row), options, str(table))
    paths = [row.get(roles[role]) for role in ("path", "id") if role in roles]
    if not any(isinstance(path, str) and ends_in(path, VIDEO_SUFFIXES) for path in paths):
        return False
    return bool(row.get(WINDOWS)) or any(
        caption_text(row.get(roles[kind])) for kind in KINDS if kind in roles
    )


def read_tables(source: Location, options: ReadOptions) -> Iterator[Item]:
    """The clips of every such table of a folder; UserError where there is none."""
    tables = caption_tables(source, options)
    if not tables:
        raise UserError(
            f"{source} has no table with a video and a caption in a row; name the table itself, or use --from folder"
        )
    yield from read_found(source, tables, options)


def read_found(source: Location, tables: list[Location], options: ReadOptions) -> Iterator[Item]:
    """The clips of the tables that were found in a folder. Videos that no row can name are told of."""
    rows = 0
    for table in tables:
        for item in read_table(table, options):
            rows += 1
            yield item
    try:
        videos = sum(1 for _ in list_sources([str(options.videos or source)]))
    except ValueError:
        return
    if videos > rows:
        told = ", ".join(table.name for table in tables)
        warn(f"{source} has {videos} videos, and {told} only {rows} rows: the others are left out")
