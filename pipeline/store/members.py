"""Files inside other files, by URI: a member of a tar by its byte range, a cell of a Parquet or Arrow table by its row.

``member://in/PLACE/WHERE/NAME``: PLACE is a path or a URI, WHERE is ``OFFSET-LENGTH`` or ``COLUMN@ROW``, and NAME only
names what comes out. Such a URI is an ``ObjectPath`` like that of any store, so whatever reads sources reads them too.
Nothing can be written there.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.store.web import Whole

ROOT = "member://in"
"""What every such URI starts with."""


def range_uri(place: str, offset: int, length: int, name: str) -> str:
    """URI of ``length`` bytes of a file from ``offset``."""
    return f"{ROOT}/{place}/{offset}-{length}/{_plain(name)}"


def cell_uri(place: str, column: str, row: int, name: str) -> str:
    """URI of the bytes in a row of a table; ``column`` may lead into a struct: ``video.bytes``."""
    return f"{ROOT}/{place}/{column}@{row}/{_plain(name)}"


def _plain(name: str) -> str:
    return name.replace("/", "_") or "member"


class MemberStore:
    """Reads members as a client of obstore reads objects. Keeps the row group that it read last."""

    def __init__(self, location: Callable[[str], Any], parquet_input: Callable[[Any], Any]) -> None:
        self._location, self._parquet_input = location, parquet_input
        self._lock = threading.Lock()
        self._held: tuple[tuple[str, str, int], Any] | None = None

    def head(self, key: str) -> dict[str, Any]:
        """Size, tag and time; FileNotFoundError when the file or the row is not there."""
        place, where = _parts(key)
        found = self._stat(place)
        size = int(where.partition("-")[2]) if "@" not in where else len(self._cell(place, where))
        return {"size": size, "e_tag": f"{found[0]}:{found[1]}", "last_modified": found[2]}

    def get_range(self, key: str, *, start: int, length: int) -> bytes:
        """``length`` bytes of a member from ``start``; fewer at its end."""
        place, where = _parts(key)
        if "@" in where:
            return self._cell(place, where)[start : start + length]
        offset, size = map(int, where.split("-"))
        path, wanted = self._location(place), max(0, min(length, size - start))
        if not isinstance(path, Path):
            return bytes(path.read_range(offset + start, wanted))
        with path.open("rb") as file:
            file.seek(offset + start)
            return file.read(wanted)

    def get(self, key: str) -> Whole:
        """The member, to be read in pieces."""
        return Whole(self, key)

    def _cell(self, place: str, where: str) -> bytes:
        column, _, row = where.rpartition("@")
        with self._lock:
            first, cells = self._group(place, column, int(row))
        try:
            value = cells[int(row) - first].as_py()
        except IndexError:
            raise FileNotFoundError(f"{place} has no row {row}") from None
        if value is None:
            raise FileNotFoundError(f"row {row} of {place} holds no bytes")
        return bytes(value)

    def _group(self, place: str, column: str, row: int) -> tuple[int, Any]:
        """First row and cells of the part of a table that a row lies in."""
        if self._held is not None:
            (known, name, first), cells = self._held
            if (known, name) == (place, column) and first <= row < first + len(cells):
                return first, cells
        first, cells = self._read_group(place, column, row)
        self._held = ((place, column, first), cells)
        return first, cells

    def _stat(self, place: str) -> tuple[int, str, datetime]:
        """Size, stamp and time of change of the file."""
        path = self._location(place)
        found = path.stat()
        if not isinstance(path, Path):
            return found.st_size, found.stamp, found.changed
        changed = datetime.fromtimestamp(found.st_mtime, UTC)
        return found.st_size, str(found.st_mtime_ns), changed

    def _read_group(self, place: str, column: str, row: int) -> tuple[int, Any]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        if place.endswith(".arrow"):
            with pa.memory_map(place) as source:
                return 0, _column(pa.ipc.open_stream(source).read_all(), column)
        file = pq.ParquetFile(self._parquet_input(self._location(place)))
        first = 0
        for number in range(file.num_row_groups):
            rows = file.metadata.row_group(number).num_rows
            if first <= row < first + rows:
                return first, _column(file.read_row_group(number, [column]), column)
            first += rows
        raise FileNotFoundError(f"{place} has no row {row}")


def _parts(key: str) -> tuple[str, str]:
    """(place, where) of a key; FileNotFoundError for what is none."""
    rest, _, _ = key.rpartition("/")
    place, _, where = rest.rpartition("/")
    numbers = where.rpartition("@")[2] if "@" in where else where.replace("-", "", 1)
    if not place or not numbers.isdigit():
        raise FileNotFoundError(f"{key} names no member")
    return place, where


def _column(table: Any, column: str) -> Any:
    """A column of a table, or a field of one of its structs."""
    import pyarrow.compute as pc

    name, *inner = column.split(".")
    cells = table[name]
    for each in inner:
        cells = pc.struct_field(cells, each)
    return cells
