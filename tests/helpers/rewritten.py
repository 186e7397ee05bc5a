"""Test files with their asserts rewritten, written down ahead of pytest's workers, which would each do all of it."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).parents[1]


def write_ahead(config: pytest.Config) -> int | None:
    """Start to write what is not there yet, in a fork: its process number, None where there is nothing to do.

    This takes one core ten seconds, in which the warm Python is importing on another. Whoever comes too early rewrites
    for himself.
    """
    if sys.dont_write_bytecode:
        return None
    if process := os.fork():
        return process
    with contextlib.suppress(
        BaseException
    ):  # pytest's own names: another version may not have them
        for path in sorted(TESTS.rglob("test_*.py")):
            _write(path, config)
    os._exit(0)


def _write(path: Path, config: Any) -> None:
    from _pytest.assertion import rewrite

    cached = rewrite.get_cache_dir(path) / (path.name[:-3] + rewrite.PYC_TAIL)
    if rewrite._read_pyc(path, cached) is None and rewrite.try_makedirs(cached.parent):
        found, code = rewrite._rewrite_test(path, config)
        rewrite._write_pyc(config.stash[rewrite.assertstate_key], code, found, cached)
