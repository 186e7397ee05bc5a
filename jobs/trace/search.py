"""Search every byte of a folder for what was taken out of it: ids, paths, captions, and stretches of the media.

Compressed Parquet columns and gzip files are searched as they read, everything else as it lies. Ids are found in one
pass however many there are; of captions and media at most ``MOST`` each are looked for.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import PurePosixPath
from typing import Any

from pipeline import schema as s
from pipeline.store.paths import Location, ObjectPath, parquet_input, read_range

MOST = 200
"""Captions, and stretches of media, that are looked for."""
WINDOW = 16 << 20
"""Bytes read at a time."""
OVERLAP = 4096
"""Bytes of a window that are looked at again with the next: longer needles are cut to it."""
PROBE = 48
"""Bytes of a clip's file that stand for it."""
_HEX = re.compile(rb"[0-9a-f]{16,}")


@dataclass(frozen=True, kw_only=True)
class Needles:
    """What to search for."""

    ids: frozenset[bytes] = frozenset()
    """Ids and hashes: runs of lower-case hexadecimal digits."""
    texts: tuple[bytes, ...] = ()
    """Anything else."""
    _lengths: frozenset[int] = field(default=frozenset(), compare=False)

    @classmethod
    def of(cls, ids: Iterable[str], texts: Iterable[bytes]) -> Needles:
        """Needles from ids and from other bytes."""
        found = frozenset(name.encode() for name in ids if name)
        rest = tuple(dict.fromkeys(text[:OVERLAP] for text in texts if text))
        return cls(ids=found, texts=rest, _lengths=frozenset(map(len, found)))

    def hit(self, data: bytes) -> bytes | None:
        """The first needle that ``data`` holds, None for none."""
        for text in self.texts:
            if text in data:
                return text
        for match in _HEX.finditer(data) if self.ids else ():
            run = match[0]
            for length in self._lengths:
                for at in range(len(run) - length + 1):
                    if run[at : at + length] in self.ids:
                        return run[at : at + length]
        return None


def probes(video: bytes) -> list[bytes]:
    """Stretches of a clip's file that no other clip is likely to have: coded picture, neither headers nor padding."""
    spots = range(len(video) // 2, len(video) - PROBE, PROBE)
    cells = (video[at : at + PROBE] for at in spots)
    telling = (cell for cell in cells if len(set(cell)) > 30 and sum(b > 126 for b in cell) > 12)
    return list(islice(telling, 2))


def all_files(root: Location) -> Iterator[tuple[PurePosixPath, Location]]:
    """(path below ``root``, file) of every file, hidden ones too."""
    if isinstance(root, ObjectPath):
        for path in root.glob("**"):
            yield PurePosixPath(path.uri[len(root.uri) + 1 :]), path
        return
    for file in sorted(root.rglob("*")):
        if file.is_file() and not file.is_symlink():
            yield PurePosixPath(file.relative_to(root)), file


def remains(root: Location, needles: Needles, skip: Iterable[str] = ()) -> list[tuple[str, str]]:
    """(file, needle) of every file below ``root`` that still holds one; ``skip`` names folders at its top."""
    left = []
    passed = set(skip)
    for name, path in all_files(root):
        if name.parts[0] in passed:
            continue
        hit = needles.hit(str(name).encode()) or file_hit(path, needles)
        if hit is not None:
            left.append((str(name), hit.decode("utf-8", "backslashreplace")))
    return left


def file_hit(path: Location, needles: Needles) -> bytes | None:
    """The first needle that a file holds, as it lies or as it reads."""
    return next((hit for data in _views(path) if (hit := needles.hit(data)) is not None), None)


def _views(path: Location) -> Iterator[bytes]:
    """A file's bytes in overlapping windows, then what its compressed parts hold."""
    size = path.stat().st_size
    for at in range(0, size, WINDOW):  # no range of an empty object can be asked for
        yield read_range(path, at, WINDOW + OVERLAP)
    if path.name.endswith(".gz"):
        with path.open("rb") as file, gzip.open(file) as plain:
            tail = b""
            while data := plain.read(WINDOW):
                yield tail + data
                tail = data[-OVERLAP:]
    if path.suffix == ".parquet":
        yield from _columns(path)


def _columns(path: Location) -> Iterator[bytes]:
    """Values of every column of a Parquet file but the videos, which lie there uncompressed."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(parquet_input(path))
    except pa.ArrowException:
        return
    with file:
        names = [name for name in file.schema_arrow.names if name != s.VIDEO]
        for group in range(file.num_row_groups):
            table = file.read_row_group(group, columns=names)
            for column in table.columns:
                for chunk in column.chunks:
                    yield from _buffers(chunk)


def _buffers(array: Any) -> Iterator[bytes]:
    for buffer in array.buffers():
        if buffer is not None and buffer.size:
            yield buffer.to_pybytes()
