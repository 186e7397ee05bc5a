"""A ``python`` that starts in hundredths of a second with everything imported, for processes that tests start.

Ray's processes are forked as well, so a stage costs no imports. See ``warm_server``. Linux only; elsewhere Python is
started as ever.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker, spawn
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
VARIABLE = "FILMSTOCK_TESTS_PYTHON"


def python() -> str:
    """What to start in place of ``sys.executable``, where a test is not about the start."""
    return os.environ.get(VARIABLE, sys.executable)


class WarmPython:
    """The warm process of a test session, for as long as the session lasts."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="tests-python-"))
        executable, address = self._folder / "python", self._folder / "socket"
        words = [sys.executable, "-IS", HERE / "warm_client.py", sys.executable, address]
        executable.write_text(f'#!/bin/sh\nexec {shlex.join(map(str, words))} "$@"\n')
        executable.chmod(0o755)
        self._process = subprocess.Popen(
            [sys.executable, HERE / "warm_server.py", address, executable],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": str(HERE.parents[1])},
        )
        while not address.exists() and self._process.poll() is None:
            time.sleep(0.01)  # who comes earlier is no fork
        os.environ[VARIABLE] = str(executable)

    def close(self) -> None:
        """End it and all its forks."""
        os.environ.pop(VARIABLE, None)
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)
        shutil.rmtree(self._folder)


@contextmanager
def spawned_warm() -> Iterator[None]:
    """Inside it ``multiprocessing`` spawns forks of the warm process: the same, without imports.

    Not for tests that kill what they start: who waits for a fork's stand-in may see the fork a moment longer.
    """
    resource_tracker.ensure_running()  # it outlives the block
    plain = spawn.get_executable()
    spawn.set_executable(python())
    try:
        yield
    finally:
        spawn.set_executable(plain)


def ray_starts(executable: str) -> None:
    """Let Ray start its Python processes, workers among them, by ``executable``."""
    from ray._private import services

    if os.environ.get(VARIABLE) == executable:
        # Ray gives its processes seconds to start, and the first fork waits for all imports
        subprocess.run([executable, "-c", ""], check=True)

    class Sys:
        """The module ``sys`` with another executable."""

        def __getattr__(self, name: str) -> Any:
            return executable if name == "executable" else getattr(sys, name)

    services.sys = Sys()
