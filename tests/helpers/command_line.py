"""Commands as a user runs them, each in a process of its own, on small footage: real, and of the synthetic world."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import SIGINT
from typing import Any

import pytest

from tests.helpers.warm_python import python

ROOT = Path(__file__).resolve().parents[2]
REAL = ("videos/nasa_13013.mp4", "videos/man-skiing.mp4", "hostile/testsrc2_odd_width_vp9.mp4")
"""13, 3 and 1 seconds: a cut and a dissolve, a square picture, an odd width in VP9."""


def runs(*commands: str) -> Callable[[Any], Any]:
    """Marks a slow test as the one that runs these commands."""
    return lambda test: pytest.mark.slow(test)


def commands_of(file: Path) -> set[str]:
    """The commands that the tests of a file are marked with."""
    marks = re.findall(r"^@runs\(([^)]*)\)", file.read_text(), re.M)
    return {name for mark in marks for name in re.findall(r"\"([^\"]+)\"", mark)}


def filmstock(
    *words: object, code: int = 0, cwd: Path | None = None, before: str = "", **env: str
) -> str:
    """Run a command in a process, after the lines of ``before``; what it prints."""
    lines = f"{before}\nimport sys\nfrom jobs.cli import main\nsys.exit(main(sys.argv[1:]))"
    start = ["-c", lines] if before else ["-m", "jobs.cli"]
    done = subprocess.run(
        [python(), *start, *map(str, words)],
        env={**os.environ, "PYTHONPATH": str(ROOT), **env},
        cwd=cwd or ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@contextmanager
def serving(*words: object) -> Iterator[str]:
    """A server in a process of its own; its address. It ends by Ctrl-C."""
    server = subprocess.Popen(
        [python(), "-m", "jobs.cli", *map(str, words), "--port", "0"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    try:
        line = next(line for line in server.stdout if "http://" in line)
        yield next(word for word in line.split() if word.startswith("http")).rstrip("/")
    finally:
        server.send_signal(SIGINT)
        code = server.wait(300)
        server.stdout.close()
    assert code in (0, 130)


def real_footage(folder: Path) -> Path:
    """Three real files, and one that is none; skipped without the folder that FILMSTOCK_TESTDATA names."""
    data = os.environ.get("FILMSTOCK_TESTDATA")
    if not data:
        pytest.skip("FILMSTOCK_TESTDATA names no folder with videos/ and hostile/")
    folder.mkdir(parents=True)
    for name in REAL:
        shutil.copy(Path(data) / name, folder)
    (folder / "broken.mp4").write_bytes(b"no video" * 99)
    return folder


def world_footage(folder: Path) -> Path:
    """Some seconds of the synthetic world, in two files, one of which is broken on purpose."""
    filmstock("film", folder, "--minutes", "0.2", "--files", "2", "--seed", "5")
    return folder
