"""Writes that do not wait for the disk: a test cannot see what a power cut would take, only who asks for the write."""

from __future__ import annotations

import os


def wait_for_no_disk() -> None:
    """Have ``os.fsync`` look at the file it is given, and do no more, in this process and its forks."""
    os.fsync = _looked_at


def _looked_at(fd: int) -> None:
    os.fstat(fd)  # OSError for a file that is not open
