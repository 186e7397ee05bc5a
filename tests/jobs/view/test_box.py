"""What people type runs in a child that is killed and replaced, and that leaves with its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from jobs.core.errors import UserError
from jobs.search.dataset import open_dataset
from jobs.view import database
from jobs.view.database import Database, is_plain
from tests.helpers.warm_python import python
from tests.jobs.view.conftest import prepare

SLOW = "select count(*) from range(100000000000) a, range(1000) b where a.range * b.range % 7 = 3"
PARENT = """
import sys, time
from pathlib import Path
from jobs.search.dataset import open_dataset
from jobs.view.database import Database
db = Database(open_dataset(Path(sys.argv[1])))
db.ask("select 1")
print(db.box.pid, flush=True)
db.ask(sys.argv[2])
"""


@pytest.mark.parametrize("count", [600_000_000, 3_000_000_000])
def test_one_call_that_takes_much_memory_is_refused(db: Database, count: int) -> None:
    with pytest.raises(UserError, match=r"memory|Memory|\d+ MB"):
        db.ask(f"select repeat('x', {count})")
    assert db.ask("select 1")["rows"] == [[1]]


def test_a_long_answer_is_refused_with_the_fix(db: Database) -> None:
    for size, limit in ((100_000, "MB.*"), (20_000, "longer than 8 MB")):
        with pytest.raises(UserError, match=f"{limit}; select fewer columns or rows"):
            db.ask(f"select repeat('x', {size}) from range(10000)")
        assert db.ask("select 1")["rows"] == [[1]]
    assert db.ask("select 1")["rows"] == [[1]]


def test_a_child_that_was_killed_is_replaced(db: Database) -> None:
    db.ask("select 1")
    before = db.box.pid
    assert before is not None
    os.kill(before, signal.SIGSTOP)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "USER_SECONDS", 0.1)
        with pytest.raises(UserError, match=r"stopped after 0.1 s"):
            db.ask("select 1")
    assert db.ask("select 1")["rows"] == [[1]] and db.box.pid != before


def test_typed_conditions_are_bounded_too(db: Database) -> None:
    text = "repeat('x', 3000000000) = clip_id"
    assert not is_plain(text) and not is_plain("clip_id || 'x' = 'y'")
    assert is_plain("motion_mean > 0.1 and (fps < 30 or camera in ('pan')) and blur is not null")
    with pytest.raises(UserError, match=r"memory|Memory|MB"):
        db.typed(f"select rn from base where {text}", text)
    text = "lower(camera) = 'pan'"
    assert db.typed(f"select rn from base where {text}", text)["rn"].to_pylist() == [1, 3, 5, 7]


def test_no_child_is_left_when_the_server_is_killed(db: Database) -> None:
    command = [python(), "-c", PARENT, str(db.data.run.path), SLOW]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.kill()
    for _ in range(500):
        state = Path(f"/proc/{child}/stat")
        try:
            if state.read_text().rpartition(")")[2].split()[0] in "ZX":
                return
        except (FileNotFoundError, ProcessLookupError):
            return
        time.sleep(0.01)
    pytest.fail("the child is still there")


def test_closing_ends_the_child(tmp_path: Path) -> None:
    prepare(tmp_path)
    opened = Database(open_dataset(tmp_path))
    opened.ask("select 1")
    child = opened.box.pid
    opened.close()
    assert child is not None and not Path(f"/proc/{child}").exists()
