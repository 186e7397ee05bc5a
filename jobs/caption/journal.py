"""Journal of captions: one JSON line per answer, on disk before the next reply is read.

A block of clips has one journal, named by the clips and kinds that it asks for. A worker that is started again on the
same block goes on from it; a run that was killed leaves journals, which the next run turns into parts. A line that the
kill cut is dropped, and its caption asked for again. An object store has no file that grows: for a run there, the
journals lie on the worker's own disk.
"""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from pipeline.store.disk import writing
from pipeline.store.paths import Location, ObjectPath

PREFIX = ".answers-"


class Journal:
    """The answers of one block so far."""

    def __init__(self, folder: Location, asked: Iterable[tuple[str, str]]) -> None:
        """``folder`` is ``captions/``; ``asked`` the (clip_id, kinds) of the block."""
        digest = hashlib.blake2b(repr(sorted(asked)).encode(), digest_size=8).hexdigest()
        self.path = journals(folder) / f"{PREFIX}{digest}.jsonl"
        with writing(self.path):
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
            whole = _whole_bytes(self.path)
            os.ftruncate(self._file, whole)

    def rows(self) -> Iterator[dict[str, Any]]:
        """The answers so far, those of an earlier worker on this very block among them; nobody holds them."""
        return read_journal(self.path)

    def add(self, row: dict[str, Any]) -> None:
        """Append an answer; it survives the death of this process from here on."""
        line = msgspec.json.encode(row) + b"\n"
        with writing(self.path):
            size = os.lseek(self._file, 0, os.SEEK_END)
            try:
                if os.write(self._file, line) < len(line):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            except OSError:
                os.ftruncate(self._file, size)  # half a line would spoil the next one
                raise

    def remove(self) -> None:
        """Delete it: its rows are in a part."""
        os.close(self._file)
        self.path.unlink(missing_ok=True)


def read_journal(path: Path) -> Iterator[dict[str, Any]]:
    """Rows of a journal; nothing when it does not exist, and nothing of a line without an end."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return
    for line in data[: data.rfind(b"\n") + 1].splitlines():
        yield msgspec.json.decode(line)


def left_over(folder: Location) -> list[Path]:
    """Journals of runs that were killed."""
    return sorted(journals(folder).glob(f"{PREFIX}*.jsonl"))


def journals(folder: Location) -> Path:
    """Where the journals of ``captions/`` lie: in it, or in a folder of this machine that is named after its URI."""
    if not isinstance(folder, ObjectPath):
        return folder
    name = hashlib.blake2b(folder.uri.encode(), digest_size=8).hexdigest()
    local = Path(tempfile.gettempdir()) / f"filmstock-answers-{os.getuid()}-{name}"
    local.mkdir(mode=0o700, exist_ok=True)
    return local


def _whole_bytes(path: Path) -> int:
    return path.read_bytes().rfind(b"\n") + 1
