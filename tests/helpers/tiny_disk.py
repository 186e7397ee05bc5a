"""A disk of a megabyte that really fills up: a tmpfs, where this process may mount one."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest


def _mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True, capture_output=True)


@dataclass(frozen=True, kw_only=True)
class TinyDisk:
    """A mounted tmpfs."""

    path: Path
    """Where it is mounted."""

    def remount(self, options: str) -> None:
        """Change it while it is in use: ``ro``, or ``rw,size=8m``."""
        _mount("-o", f"remount,{options}", str(self.path))


@contextmanager
def tiny_disk(folder: Path, size: str) -> Iterator[TinyDisk]:
    """Mount a tmpfs of ``size`` (``1m``) at ``folder/disk`` for the length of the block."""
    path = folder / "disk"
    path.mkdir()
    _mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path))
    try:
        yield TinyDisk(path=path)
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


@cache
def can_mount() -> bool:
    """True where this process may mount a tmpfs (root on Linux, outside most containers)."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            with tiny_disk(Path(folder), "1m"):
                return True
        except (OSError, subprocess.CalledProcessError):
            return False


needs_mount = pytest.mark.skipif(not can_mount(), reason="may not mount a tmpfs here")
