"""Copy sources from an object store to the local disk, one at a time: decoders open local files only."""

from __future__ import annotations

import errno
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.store.client import without_query
from pipeline.store.disk import writing
from pipeline.store.paths import Location, ObjectPath, process_lives

PATIENCE_S = 120.0
"""Longest time a file may take to come, however small, seconds."""
LEAST_BYTES_PER_S = 256_000
"""Slowest transfer that is waited for beyond that."""
PREFIX = "filmstock-source-"
"""Start of the name of a folder that holds a source, followed by the process that it belongs to."""


class TooSlow(ConnectionError):
    """A transfer that would not end within its deadline."""


@contextmanager
def staged(path: Location) -> Iterator[Path]:
    """``path`` as a local file of the same name: itself, or a copy that is removed after the block.

    Raises OSErrors of ``pipeline.store.paths`` for what cannot be fetched, TooSlow after two minutes plus the time of
    256 kB/s, and those of the disk under the copy's own name.
    """
    if not isinstance(path, ObjectPath):
        yield path
        return
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
    try:
        local = folder / (path.name or "source")
        _fetch(path, local)
        yield local
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _fetch(path: ObjectPath, local: Path) -> None:
    """Copy an object to ``local``; short of its size it counts as broken off."""
    size = path.stat().st_size
    deadline_s = PATIENCE_S + size / LEAST_BYTES_PER_S
    began, came = time.monotonic(), 0
    with local.open("wb") as handle:
        for chunk in path.chunks() if size else ():
            with writing(local):
                handle.write(chunk)
            came += len(chunk)
            if time.monotonic() - began > deadline_s:
                raise TooSlow(
                    errno.ECONNABORTED,
                    f"{came} of {size} bytes came within {deadline_s:.0f} s",
                    without_query(path.uri),
                )
        with writing(local):
            handle.flush()
    if came != size:
        raise ConnectionError(
            errno.ECONNABORTED, f"{came} of {size} bytes came", without_query(path.uri)
        )


def fetch_error(error: OSError) -> tuple[str, str]:
    """(type, message) of a source that cannot be opened: unreadable on a disk; not_found, denied, timeout or
    connection in a store."""
    if "://" not in str(error.filename):
        return "unreadable", error.strerror or str(error)
    kinds = {
        FileNotFoundError: "not_found",
        PermissionError: "denied",
        TooSlow: "timeout",
        ConnectionError: "connection",
    }
    kind = next((word for cls, word in kinds.items() if isinstance(error, cls)), "unreadable")
    return kind, error.strerror or str(error)


def sweep() -> None:
    """Remove copies that killed processes of this machine left."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        owner = re.match(rf"{PREFIX}(\d+)-", folder.name)
        if owner and not process_lives(int(owner[1])):
            shutil.rmtree(folder, ignore_errors=True)
