"""Paths out of requests, kept inside a folder."""

from __future__ import annotations

from pathlib import Path


class PathRefused(ValueError):
    """A path that leads out of its folder, or is no path at all."""


def confined(folder: Path, name: str) -> Path:
    """``folder/name`` with every link followed; PathRefused unless it lies below ``folder``."""
    if not name or "\0" in name or "\\" in name:
        raise PathRefused("no such file")
    root = folder.resolve()
    try:
        path = (root / name).resolve()
    except (OSError, RuntimeError):  # a circle of links
        raise PathRefused("no such file") from None
    if root not in path.parents:
        raise PathRefused("no such file")
    return path
