"""A file that appears whole or not at all: written under another name, made durable, then given its own."""

from __future__ import annotations

import os
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pipeline.store.disk import writing
from pipeline.store.paths import Location, ObjectPath, location


class Draft:
    """The local file ``tmp``; ``publish`` makes it ``path``: by a rename, or by a PUT from a scratch folder."""

    def __init__(self, path: Location) -> None:
        self.path = path
        if isinstance(path, ObjectPath):
            folder = Path(tempfile.gettempdir())
        else:
            folder = path.parent
            folder.mkdir(parents=True, exist_ok=True)
        self.tmp = folder / f".{path.name}.{uuid.uuid4().hex[:8]}.tmp"

    @property
    def written_to(self) -> str:
        """What an error of the disk is about: the file itself, or the scratch file of an object."""
        return str(self.tmp if isinstance(self.path, ObjectPath) else self.path)

    def publish(self) -> None:
        """Make what was written durable and visible."""
        if isinstance(self.path, ObjectPath):
            self.path.write_bytes(self.tmp)
            self.discard()
            return
        with writing(self.path):
            fd = os.open(self.tmp, os.O_RDONLY)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)
            os.replace(self.tmp, self.path)

    def discard(self) -> None:
        """Remove what was not published."""
        with suppress(OSError):  # on a read-only disk it is not there, and cannot be removed
            self.tmp.unlink()


@contextmanager
def draft(path: Location) -> Iterator[Path]:
    """A local file to write; it becomes ``path`` when the block ends without an error."""
    open_draft = Draft(path)
    try:
        with writing(open_draft.written_to):
            yield open_draft.tmp
        open_draft.publish()
    finally:
        open_draft.discard()


def write_bytes(path: str | Location, data: bytes) -> None:
    """Write a whole file or object, atomically."""
    path = location(path)
    if isinstance(path, ObjectPath):
        path.write_bytes(data)
        return
    with draft(path) as tmp:
        tmp.write_bytes(data)
