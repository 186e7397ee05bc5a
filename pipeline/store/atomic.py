"""The one writer of files: written under another name, brought to the disk, then renamed; or appended line by line.

A kill, a full disk or a loss of power leaves the old file or the new one, never half of one.
"""

from __future__ import annotations

import errno
import os
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pipeline.store.disk import writing
from pipeline.store.paths import Location, ObjectPath, location


class AtomicFile:
    """The local file ``tmp``; ``publish`` makes it ``path``: by a rename, or by a PUT from a scratch folder.

    ``sole`` says that no other process writes this path. The temporary name is then always the same, so that a run
    which is killed again and again leaves one partial file, not many.
    """

    def __init__(self, path: Location, *, sole: bool = False) -> None:
        self.path = path
        if isinstance(path, ObjectPath):
            folder = Path(tempfile.gettempdir())
        else:
            if path.exists() and not (path.is_file() or path.is_dir()):
                # a rename would put a plain file where /dev/null was, for everybody
                raise OSError(
                    errno.EINVAL,
                    "is a device or a pipe, and would be replaced by a file",
                    str(path),
                )
            folder = path.parent
            folder.mkdir(parents=True, exist_ok=True)
        mine = "partial" if sole and isinstance(path, Path) else uuid.uuid4().hex[:8]
        self.tmp = folder / f".{path.name}.{mine}.tmp"

    @property
    def written_to(self) -> str:
        """What an error of the disk is about: the file itself, or the scratch file of an object."""
        return str(self.tmp if isinstance(self.path, ObjectPath) else self.path)

    def publish(self) -> None:
        """Make what was written durable and visible, and the rename durable too."""
        if isinstance(self.path, ObjectPath):
            self.path.write_bytes(self.tmp)
            self.discard()
            return
        with writing(self.path):
            sync(self.tmp)
            os.replace(self.tmp, self.path)
            sync(self.path.parent)

    def discard(self) -> None:
        """Remove what was not published."""
        with suppress(OSError):  # on a read-only disk it is not there, and cannot be removed
            self.tmp.unlink()


@contextmanager
def atomic_path(path: Location, *, sole: bool = False) -> Iterator[Path]:
    """A local file to write; it becomes ``path`` when the block ends without an error. ``sole``: see ``AtomicFile``."""
    open_draft = AtomicFile(path, sole=sole)
    try:
        with writing(open_draft.written_to):
            yield open_draft.tmp
        open_draft.publish()
    finally:
        open_draft.discard()


def sweep(folder: Location) -> None:
    """Remove what killed writers left half-written in a folder and below; only who holds its lock may.

    In an object store nothing half-written can be seen.
    """
    if isinstance(folder, Path):
        for path in folder.rglob(".*.tmp"):
            path.unlink(missing_ok=True)


def write_bytes(path: str | Location, data: bytes) -> None:
    """Write a whole file or object, atomically."""
    path = location(path)
    if isinstance(path, ObjectPath):
        path.write_bytes(data)
        return
    with atomic_path(path) as tmp:
        tmp.write_bytes(data)


def append_line(path: str | Location, line: bytes) -> None:
    """Append ``line``, which ends in a newline, in one write; half a line that a full disk took is cut off again."""
    path = location(path)
    if isinstance(path, ObjectPath):  # an object cannot grow: it is written anew
        before = path.read_bytes() if path.is_file() else b""
        path.write_bytes(before + line)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with writing(path), path.open("ab", buffering=0) as handle:
        size = handle.tell()
        try:
            if handle.write(line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            handle.truncate(size)  # half a line would spoil the next one
            raise


def sync(path: Path) -> None:
    """Bring a file, or the names in a folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
