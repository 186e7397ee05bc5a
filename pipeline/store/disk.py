"""Errors of a disk that cannot be written: always with the path, which ``fsync`` and pyarrow leave out."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
"""Error numbers of a disk, or a quota, that is used up."""


@contextmanager
def writing(path: Path | str) -> Iterator[None]:
    """An OSError raised inside becomes one that names ``path``, the file that was to be written."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from error


def disk_trouble(error: OSError) -> str | None:
    """One line with the fix for a disk that is full or read-only, None for another error."""
    where = error.filename if isinstance(error.filename, str) else "the output folder"
    if error.errno in FULL:
        return (
            f"no space left on the disk of {where}; free some and run the same command again, "
            "it goes on from what is finished"
        )
    if error.errno == errno.EROFS:
        return f"{where} is on a read-only disk; make it writable, or choose another folder"
    return None
