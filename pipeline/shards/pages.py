"""Where the cells of an uncompressed PLAIN binary column lie inside a Parquet file.

pyarrow does not expose page locations, so this walks the page headers of the column chunk (Thrift
compact protocol, the ``PageHeader`` struct of the Parquet format) and reads only headers and
length prefixes.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pipeline.store.paths import Location, ObjectPath, location, parquet_input

HEADER_READ = 256
"""Bytes read at a page start; a page header without statistics takes about 20."""

PAGE_START_BYTES = 4096
"""Bytes fetched at the start of a page of an object: its header and the first length."""
Read = Callable[[int, int], bytes]
"""(length, offset) -> bytes."""

_DATA_PAGE = 0
_STRUCT, _LIST, _SET = 12, 9, 10
_BOOLS = (1, 2)


def cell_ranges(path: str | Location, column: str) -> list[tuple[int, int]]:
    """(byte_offset, byte_length) of each cell of leaf ``column`` (dotted path); none is NULL."""
    import pyarrow.parquet as pq

    path = location(path)
    with pq.ParquetFile(parquet_input(path)) as file:
        meta = file.metadata
    paths = [meta.schema.column(i).path for i in range(meta.num_columns)]
    index = paths.index(column)
    optional = meta.schema.column(index).max_definition_level > 0
    with _random_access(path) as read:
        ranges: list[tuple[int, int]] = []
        for group in range(meta.num_row_groups):
            chunk = meta.row_group(group).column(index)
            if chunk.compression != "UNCOMPRESSED" or chunk.dictionary_page_offset:
                raise ValueError(f"{path}: column {column!r} is compressed or dictionary-coded")
            end = chunk.data_page_offset + chunk.total_compressed_size
            ranges += _chunk_ranges(read, chunk.data_page_offset, end, optional)
    return ranges


@contextmanager
def _random_access(path: Location) -> Iterator[Read]:
    """``read(length, offset)`` of an open file; of an object about one request for each page."""
    if isinstance(path, ObjectPath):
        with path.reading(PAGE_START_BYTES) as handle:

            def read(length: int, offset: int) -> bytes:
                handle.seek(offset)
                return bytes(handle.read(length))

            yield read
        return
    fd = os.open(path, os.O_RDONLY)
    try:
        yield lambda length, offset: os.pread(fd, length, offset)
    finally:
        os.close(fd)


def _chunk_ranges(read: Read, start: int, end: int, optional: bool) -> list[tuple[int, int]]:
    ranges = []
    while start < end:
        kind, size, header = read_page_header(read(HEADER_READ, start))
        if kind != _DATA_PAGE:
            raise ValueError(f"page at byte {start} is of type {kind}, expected a v1 data page")
        at, stop = start + header, start + header + size
        if optional:  # definition levels: 4-byte length, then run-length coded bits
            at += 4 + struct.unpack("<I", read(4, at))[0]
        while at < stop:
            (length,) = struct.unpack("<I", read(4, at))
            ranges.append((at + 4, length))
            at += 4 + length
        if at != stop:
            raise ValueError(f"page at byte {start}: values end at {at}, page ends at {stop}")
        start = stop
    return ranges


def read_page_header(data: bytes) -> tuple[int, int, int]:
    """(page type, compressed page size, header length) of the page that ``data`` begins with."""
    values: dict[int, int] = {}
    at = _skip_struct(data, 0, values)
    if 1 not in values or 3 not in values:
        raise ValueError("not a Parquet page header: type or compressed size missing")
    return values[1], values[3], at


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def _skip_struct(data: bytes, at: int, top: dict[int, int] | None = None) -> int:
    """Position after the struct at ``at``; its own integer fields are collected into ``top``."""
    field = 0
    while data[at] != 0:
        delta, kind = data[at] >> 4, data[at] & 0x0F
        at += 1
        if delta:
            field += delta
        else:
            zigzag, at = _varint(data, at)
            field = (zigzag >> 1) ^ -(zigzag & 1)
        if kind in (4, 5, 6) and top is not None:
            zigzag, at = _varint(data, at)
            top[field] = (zigzag >> 1) ^ -(zigzag & 1)
        else:
            at = _skip_value(data, at, kind, in_struct=True)
    return at + 1


def _skip_value(data: bytes, at: int, kind: int, *, in_struct: bool = False) -> int:
    if kind in _BOOLS:
        return at if in_struct else at + 1
    if kind == 3:
        return at + 1
    if kind in (4, 5, 6):
        return _varint(data, at)[1]
    if kind == 7:
        return at + 8
    if kind == 8:
        length, at = _varint(data, at)
        return at + length
    if kind == _STRUCT:
        return _skip_struct(data, at)
    if kind in (_LIST, _SET):
        size, item = data[at] >> 4, data[at] & 0x0F
        at += 1
        if size == 15:
            size, at = _varint(data, at)
        for _ in range(size):
            at = _skip_value(data, at, item)
        return at
    raise ValueError(f"unexpected Thrift type {kind} in a Parquet page header")
