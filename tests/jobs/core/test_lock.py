"""A folder has one writer at a time, whichever command it is; the next one is told who."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from jobs.core.errors import UserError
from jobs.core.lock import leave_nothing, lock_holder, locked
from jobs.core.stage import Stage

HOLD = """
import sys, time
from jobs.core.lock import locked
with locked(sys.argv[1], "encode"):
    print("held", flush=True)
    time.sleep(60)
"""


@contextmanager
def another_process(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds ``folder``."""
    words = [sys.executable, "-c", HOLD, str(folder)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None and child.stdout.readline() == "held\n"
        yield child
        child.kill()


def test_a_second_process_is_refused_until_the_first_is_gone(tmp_path: Path) -> None:
    stage = Stage(tmp_path, "pack", "k")
    stage.finish({})
    with another_process(tmp_path) as child:
        held = lock_holder(tmp_path)
        assert held is not None and (held["command"], held["pid"]) == ("encode", child.pid)
        with pytest.raises(UserError) as caught, stage.working():
            raise AssertionError("two writers")
        line = str(caught.value)
        assert line.startswith(f"filmstock encode (process {child.pid} on ")
        assert line.endswith(f"is writing to {tmp_path}; wait for it, or choose another folder")
        assert stage.info is not None, "nothing was touched"
        child.kill()
        child.wait()
    assert lock_holder(tmp_path) is None
    with locked(tmp_path, "pack"):
        assert (lock_holder(tmp_path) or {})["pid"] == os.getpid()
    assert lock_holder(tmp_path) is None


def test_a_command_that_runs_others_does_not_shut_itself_out(tmp_path: Path) -> None:
    with locked(tmp_path, "curate"):
        with locked(tmp_path, "ingest"):
            pass
        assert (lock_holder(tmp_path) or {})["command"] == "curate"


def test_a_folder_that_is_not_there_is_made_to_be_held_and_not_to_be_asked(tmp_path: Path) -> None:
    assert lock_holder(tmp_path / "new") is None and not (tmp_path / "new").exists()
    with locked(str(tmp_path / "new"), "train-dit"):
        assert (tmp_path / "new").is_dir()
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError) as caught, locked(tmp_path / "file", "pack"):
        pass
    assert str(tmp_path / "file") in str(caught.value)


def test_a_trainer_holds_its_folder_until_it_has_finished(tmp_path: Path) -> None:
    stage = Stage(tmp_path, "train-dit", "k")
    stage.begin()
    stage.begin()
    assert (lock_holder(tmp_path) or {})["command"] == "train-dit"
    stage.finish({})
    assert lock_holder(tmp_path) is None and stage.info is not None


def test_a_refused_command_leaves_no_folder_and_no_file_of_others(tmp_path: Path) -> None:
    for name, others in (("new", ()), ("used", ("theirs.txt",))):
        folder = tmp_path / name
        Stage(folder, "train-dit", "k").begin()
        (folder / ".done").mkdir(exist_ok=True)
        for other in others:
            (folder / other).write_text("x")
        leave_nothing(folder)
        left = sorted(path.name for path in folder.iterdir()) if folder.exists() else []
        assert left == list(others) and folder.exists() == bool(others)
        assert lock_holder(folder) is None


def test_lines_left_by_a_killed_holder_do_not_count(tmp_path: Path) -> None:
    with another_process(tmp_path) as child:
        child.kill()
        child.wait()
        deadline = time.monotonic() + 60
        while lock_holder(tmp_path) is not None and time.monotonic() < deadline:
            time.sleep(0.01)
        assert (tmp_path / ".lock").read_text() != "" and lock_holder(tmp_path) is None


def test_a_folder_that_is_held_is_told_without_taking_it(tmp_path: Path) -> None:
    from jobs.core.lock import check_free

    check_free(tmp_path / "new")
    assert not (tmp_path / "new").exists()
    code = (
        "import sys; from jobs.core.lock import locked\n"
        f"with locked({str(tmp_path)!r}, 'train-dit'): print('held', flush=True); sys.stdin.read()"
    )
    root = Path(__file__).resolve().parents[3]
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=root,
    ) as other:
        assert other.stdout is not None and other.stdin is not None
        other.stdout.readline()
        with pytest.raises(UserError, match=r"filmstock train-dit \(process \d+ on .* is writing"):
            check_free(tmp_path)
        other.stdin.close()
    check_free(tmp_path)
