"""Bytes of a clip by range: one ``pread``, or one range request to an object store, and a hash to hold them to."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

from pipeline import schema as s
from pipeline.shards.part import video_hash
from pipeline.store.paths import Location, ObjectPath

OPEN_FILES = 128
"""Files of one folder that are kept open."""


class ClipError(ValueError):
    """A clip that cannot be used; ``kind`` is missing, truncated, hash, decode or store."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class ShardFiles:
    """Byte ranges of the files in ``root``, a folder or URI; files of a disk stay open from their first range on.

    Threads may share it, and so may forked processes: a positioned read moves nothing.
    """

    def __init__(self, root: str | Location) -> None:
        self.root = str(root)
        self._open: dict[str, _Descriptor] = {}
        self._lock = threading.Lock()

    def read(self, shard: str, offset: int, length: int) -> bytes:
        """``length`` bytes at ``offset`` of ``shard``; ClipError when they are not there."""
        if offset < 0 or length <= 0:
            raise ClipError(
                "missing", f"{self.root}/{shard}: byte range ({offset}, {length}) is empty"
            )
        try:
            if "://" in self.root:
                data = ObjectPath(f"{self.root}/{shard}").read_range(offset, length)
            else:
                # Held by name: another thread may drop it from those kept open meanwhile.
                opened = self._open.get(shard) or self._keep(shard)
                data = os.pread(opened.fd, length, offset)
        except FileNotFoundError:
            raise ClipError("missing", f"shard {self.root}/{shard} does not exist") from None
        except (ConnectionError, PermissionError):
            raise  # says nothing about the clip: each caller knows what a silent store means for it
        except OSError as error:
            raise ClipError(
                "missing", f"shard {self.root}/{shard} cannot be read: {error}"
            ) from None
        if len(data) != length:
            raise ClipError(
                "truncated", f"{self.root}/{shard}: {len(data)} of {length} bytes at {offset}"
            )
        return data

    def clip(self, shard: str, offset: int, length: int, expected: str | None) -> bytes:
        """The same, compared with ``expected``, their ``video_xxh3``; None compares nothing."""
        data = self.read(shard, offset, length)
        if expected is not None and video_hash(data) != expected:
            raise ClipError(
                "hash", f"{self.root}/{shard}: bytes at {offset} do not match their hash"
            )
        return data

    def _keep(self, shard: str) -> _Descriptor:
        opened = _Descriptor(f"{self.root}/{shard}")
        with self._lock:
            self._open[shard] = opened
            if len(self._open) > OPEN_FILES:
                del self._open[next(iter(self._open))]
        return opened

    def __reduce__(self) -> tuple[type[ShardFiles], tuple[str]]:
        return ShardFiles, (self.root,)  # descriptors mean nothing in a spawned process


def read_range(root: str | Location, shard: str, offset: int, length: int) -> bytes:
    """``ShardFiles.read`` of a file that is opened for this range alone."""
    return ShardFiles(root).read(shard, offset, length)


def read_clip(root: str | Location, row: dict[str, Any], *, check: bool = True) -> bytes:
    """Bytes of the clip that manifest ``row`` names; ``check`` compares them with ``video_xxh3``."""
    expected = row[s.VIDEO_XXH3] if check else None
    return ShardFiles(root).clip(row[s.SHARD], row[s.BYTE_OFFSET], row[s.BYTE_LENGTH], expected)


class _Descriptor:
    """An open file that closes itself when nobody reads from it any more."""

    def __init__(self, path: str) -> None:
        self.fd = -1
        self.fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def __del__(self, close: Callable[[int], None] = os.close) -> None:
        if self.fd >= 0:
            close(self.fd)  # at the end of the interpreter ``os`` may be gone
