"""The command line: quick help without heavy imports, one-line errors, exit codes, and what counts as a bug."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from jobs import cli
from jobs.core.errors import UserError
from pipeline.config import SelectConfig
from pipeline.select.select import select_clips
from tests.helpers.warm_python import python

ROOT = Path(cli.__file__).resolve().parent.parent
HEAVY = ("torch", "ray", "transformers", "open_clip", "numpy", "pyarrow", "duckdb", "tyro", "rich")


def filmstock(*args: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [python(), "-m", "jobs.cli", *args],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=env,
        timeout=300,
    )


def run_with(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> int:
    """Exit code of a command that raises ``error``."""

    def command(argv: list[str]) -> int:
        raise error

    monkeypatch.setattr("jobs.core.errors.fake_command", command, raising=False)
    monkeypatch.setitem(cli.COMMANDS, "fake", cli.Command("jobs.core.errors:fake_command", "", ""))
    return cli.main(["fake"])


def test_help_imports_nothing_heavy():
    code = (
        "import sys, json, jobs.cli; jobs.cli.main(['--help']);"
        "print(json.dumps(sorted(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=300
    )
    loaded = json.loads(done.stderr)
    assert "jobs.cli" in loaded
    assert [name for name in loaded if name.split(".")[0] in HEAVY] == []


def test_help_shows_every_command_in_the_order_of_the_data_flow(
    capsys: pytest.CaptureFixture[str],
):
    assert cli.main(["--help"]) == 0
    text = capsys.readouterr().out
    places = [text.index(f"\n  {name} ") for name in cli.COMMANDS]
    assert places == sorted(places)
    flow = ["ingest", "select", "caption", "pack", "train-vae", "encode", "train-dit", "sample"]
    assert [name for name in cli.COMMANDS if name in flow] == flow
    assert max(len(line) for line in text.splitlines()) <= 100


@pytest.mark.parametrize("name", sorted(cli.COMMANDS))
def test_every_command_of_the_table_exists(name: str):
    module, _, function = cli.COMMANDS[name].target.partition(":")
    assert callable(getattr(importlib.import_module(module), function))


def test_no_arguments_is_wrong_usage(capsys: pytest.CaptureFixture[str]):
    assert cli.main([]) == 2
    assert "usage: filmstock" in capsys.readouterr().out


def test_an_unknown_command_names_the_nearest(capsys: pytest.CaptureFixture[str]):
    assert cli.main(["cuarte", "x"]) == 2
    error = capsys.readouterr().err
    assert "did you mean 'curate'?" in error
    assert error.count("\n") == 1


def test_version_is_printed(capsys: pytest.CaptureFixture[str]):
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("filmstock ")


def test_help_of_a_command_exits_with_zero():
    done = filmstock("select", "--help")
    assert done.returncode == 0
    assert "--recipe" in done.stdout
    assert filmstock("help", "select").stdout == done.stdout


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["select", "nowhere"], "nowhere does not exist"),
        (["select", "."], "run filmstock ingest"),
        (["select"], "Missing"),
        (["select", ".", "--recpie", "x"], "--recpie"),
        (["slect", "."], "did you mean 'select'?"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_two(args: list[str], says: str, tmp_path: Path):
    done = filmstock(*args, cwd=tmp_path)
    assert done.returncode == 2
    assert says in done.stderr
    assert done.stderr.startswith("filmstock: ")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_a_user_error_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    assert run_with(monkeypatch, UserError("clips/ is\n  missing; run ingest")) == 2
    assert capsys.readouterr().err == "filmstock: clips/ is missing; run ingest\n"


def test_a_missing_file_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    error = FileNotFoundError(2, "No such file or directory", "shards/part-0.parquet")
    assert run_with(monkeypatch, error) == 2
    assert "shards/part-0.parquet: No such file" in capsys.readouterr().err


def test_a_bug_keeps_its_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    assert run_with(monkeypatch, KeyError("x")) == 1
    assert "Traceback" in capsys.readouterr().err


def test_a_value_error_of_our_libraries_is_for_the_user_and_one_of_a_dependency_is_a_bug():
    import pyarrow as pa

    table = pa.table({"clip_id": ["a"], "error": pa.nulls(1, pa.string())})
    with pytest.raises(ValueError) as ours:
        select_clips(table, SelectConfig(where={"x": "nope > 1"}))
    assert "nope" in str(cli.user_message(ours.value))
    with pytest.raises(ValueError) as theirs:
        json.loads("{")
    assert cli.user_message(theirs.value) is None


def test_a_ray_that_lost_a_process_is_one_line_and_its_other_errors_are_bugs():
    from ray import exceptions

    line = cli.user_message(exceptions.ActorDiedError())
    assert line and "ActorDiedError" in line and "again" in line and "\n" not in line
    assert cli.user_message(exceptions.ObjectLostError("0" * 56, None, "")) is None
    assert all(hasattr(exceptions, name) for name in cli.LOST)


def test_interrupting_says_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    assert run_with(monkeypatch, KeyboardInterrupt()) == 130
    assert "again" in capsys.readouterr().err


def test_names_that_no_system_takes_are_the_users(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loop").symlink_to("loop")
    for words, told in (
        (["status", "x" * 300], "File name too long; give a shorter name"),
        (["import", "x" * 300, "--out", "new"], "File name too long; give a shorter name"),
        (["import", "loop", "--out", "new"], "what the link was to lead to"),
        (["judge", ""], "'' names no file or folder; write . for this folder"),
        (["judge", "a.mp4", "--prompts", ""], "'' names no file or folder"),
        (["train-dit", "run", "--out", ""], "'' names no file or folder"),
    ):
        assert cli.main(words) == 2, words
        line = capsys.readouterr().err
        assert told in line and len(line.splitlines()) == 1, line


def test_a_table_without_a_column_is_told_by_it():
    import pyarrow as pa

    with pytest.raises(KeyError) as lacks:
        pa.table({"a": [1]}).column("clip_id")
    line = cli.user_message(lacks.value)
    assert line is not None and "lacks the column 'clip_id'" in line
    assert cli.user_message(KeyError("clip_id")) is None, "a bug of ours keeps its traceback"


def test_a_reader_that_stops_reading_is_no_failure(monkeypatch: pytest.MonkeyPatch):
    import jobs.report.status as status

    def closed(args: list[str]) -> int:
        try:
            raise BrokenPipeError
        except BrokenPipeError:
            raise SystemExit(1)  # noqa: B904 - as rich does

    monkeypatch.setattr(status, "main", closed)
    assert cli.main(["status", "x"]) == 0
    monkeypatch.setattr(status, "main", lambda args: sys.exit(5))
    with pytest.raises(SystemExit):
        cli.main(["status", "x"])
