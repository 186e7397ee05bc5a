"""The forks that stand in for Python: they take arguments, files, environment and signals, and end as Python ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.warm_python import python

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks are used on Linux only")
TELL = "import os, sys; print(sys.argv, os.getcwd(), os.environ.get('WORD'), 'torch' in sys.modules, input())"


def run(*words: str, **options: object) -> subprocess.CompletedProcess[str]:
    given = {"capture_output": True, "text": True, "timeout": 300, **options}
    return subprocess.run([python(), *words], **given)  # type: ignore[call-overload, no-any-return]


def test_a_fork_has_what_it_was_given_and_everything_imported(tmp_path: Path) -> None:
    done = run("-c", TELL, "a b", "c", cwd=tmp_path, env=os.environ | {"WORD": "w"}, input="line\n")
    assert done.stdout == f"['-c', 'a b', 'c'] {tmp_path} w True line\n" and done.stderr == ""
    (tmp_path / "beside.py").write_text("X = 3")
    (tmp_path / "script.py").write_text(
        "import sys, beside; print(__name__, beside.X, sys.argv[1:])"
    )
    assert run(str(tmp_path / "script.py"), "-v").stdout == "__main__ 3 ['-v']\n"


def test_no_two_forks_draw_the_same_random_names() -> None:
    drawn = "from ray import ObjectRef as o, WorkerID as w; [print(o.from_random(), w.from_random()) for _ in range(4)]"
    names = [name for _ in range(4) for name in run("-c", drawn).stdout.split()]
    assert len(names) == len(set(names)) == 32


def test_variables_that_an_import_reads_get_a_python_of_their_own(tmp_path: Path) -> None:
    done = run("-c", TELL, env=os.environ | {"HF_HOME": str(tmp_path)}, input="line\n")
    assert " False line" in done.stdout


@pytest.mark.parametrize(
    ("code", "ends"),
    [
        ("pass", 0),
        ("raise SystemExit(3)", 3),
        ("raise SystemExit('words')", 1),
        ("raise ValueError('words')", 1),
        ("import atexit, os; atexit.register(os._exit, 7)", 7),
        ("import os; os.kill(os.getpid(), 9)", -signal.SIGKILL),
        ("import os; os.kill(os.getpid(), 15)", -signal.SIGTERM),
    ],
)
def test_it_ends_as_python_ends(code: str, ends: int) -> None:
    done = run("-c", code)
    assert done.returncode == ends and ("words" in done.stderr) == ("words" in code)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_signal_to_it_ends_the_fork(number: int) -> None:
    code = "import os, time; print(os.getpid(), flush=True); time.sleep(300)"
    with subprocess.Popen([python(), "-c", code], stdout=subprocess.PIPE, text=True) as started:
        assert started.stdout is not None
        assert int(started.stdout.readline()) != started.pid
        started.send_signal(number)
        assert started.stdout.read() == "", "the fork holds this pipe open while it lives"
    assert started.returncode == -number
