"""What the user named, as a list of files: files, folders, and list files (one path a line), in a stable order."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from pipeline.schema import source_id

VIDEO_SUFFIXES = frozenset(
    (
        ".3gp",
        ".asf",
        ".avi",
        ".flv",
        ".gif",
        ".m2ts",
        ".m2v",
        ".m4v",
        ".mkv",
        ".mov",
        ".mp4",
        ".mpeg",
        ".mpg",
        ".mts",
        ".mxf",
        ".ogv",
        ".ts",
        ".vob",
        ".webm",
        ".wmv",
        ".y4m",
    )
)
"""Files taken from folders; a file that is named itself is taken whatever its suffix."""
LIST_SUFFIXES = frozenset({".txt", ".lst", ".list"})
"""Suffixes of list files."""
BLOCK_BYTES = 1 << 20
"""Size of each of the three blocks of a file that its id is derived from."""


def expand_sources(names: Iterable[str | Path]) -> list[str]:
    """Absolute paths of every video named, each once, in order of naming (folders: sorted, recursive)."""
    found: dict[str, None] = {}
    for name in names:
        for path in _expand(Path(name)):
            found.setdefault(str(path.absolute()), None)
    if not found:
        raise ValueError(
            "no source named; give video files, folders, or a .txt file with one path a line"
        )
    return list(found)


def _expand(path: Path) -> Iterator[Path]:
    if path.is_dir():
        inside = sorted(
            p for p in path.rglob("*") if p.suffix.lower() in VIDEO_SUFFIXES and p.is_file()
        )
        inside = [
            p for p in inside if not any(part.startswith(".") for part in p.relative_to(path).parts)
        ]
        if not inside:
            raise ValueError(
                f"no video in folder {path}; it takes files ending in {', '.join(sorted(VIDEO_SUFFIXES))}, "
                "name a file itself to take it whatever its ending"
            )
        yield from inside
    elif path.suffix.lower() in LIST_SUFFIXES and path.is_file():
        yield from _read_list(path)
    elif path.exists():
        yield path
    else:
        raise ValueError(f"source {path} does not exist; check the path (relative to {Path.cwd()})")


def _read_list(path: Path) -> Iterator[Path]:
    """Paths of a list file, relative to it; blank lines and lines that start with # are skipped."""
    count = 0
    with path.open(encoding="utf-8", errors="surrogateescape") as lines:
        for line in lines:
            text = line.strip()
            if text and not text.startswith("#"):
                count += 1
                yield path.parent / text
    if not count:
        raise ValueError(f"list file {path} names no source; write one path a line")


def file_source_id(path: str | Path) -> str:
    """Id of a file from its content (size, and a hash of head, middle and tail): a copy elsewhere has the same.

    Raises OSError for what cannot be read, or is no regular file: opening a pipe would wait for its writer.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    with open(path, "rb") as handle:
        size = handle.seek(0, 2)
        blocks = []
        for start in (0, max(0, size // 2 - BLOCK_BYTES // 2), max(0, size - BLOCK_BYTES)):
            handle.seek(start)
            blocks.append(handle.read(BLOCK_BYTES))
    return source_id(size, *blocks)


def missing_source_id(uri: str) -> str:
    """Id of a source whose content cannot be read: derived from its name."""
    return source_id(0, uri.encode(errors="surrogateescape"), b"unreadable", b"")
