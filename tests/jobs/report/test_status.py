"""status: one line a stage, how it stands, and the command that comes next."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pyarrow as pa
import pytest

from jobs.core.errors import UserError
from jobs.core.lock import locked
from jobs.core.run import RunFolder, open_run
from jobs.core.stage import Stage
from jobs.edits.fresh import open_stage
from jobs.edits.journal import Journal
from jobs.report.status import State, incomplete, main, next_command, read_status
from pipeline import schema as s
from pipeline.store.parquet import write_table
from pipeline.tables import captions_schema
from tests.helpers.caption_media import make_run_folder, write_selection


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """A folder that went through ingest and select."""
    make_run_folder(tmp_path, 2, rejected=1)
    run = open_run(tmp_path)
    outputs = ["clips", "manifest"]
    run.stage("ingest", "k").finish({"settings": "k", "outputs": outputs, "clips": 2})
    open_stage(run, "select", inputs=("manifest",)).finish({"kept": 1})
    return run


def states(run: RunFolder) -> dict[str, str]:
    return {line.stage: str(line.state) for line in read_status(run)}


def test_what_is_there_what_is_missing_and_what_comes_next(run: RunFolder, capsys):
    assert states(run) == {
        "ingest": "done",
        "select": "done",
        "caption": "missing",
        "pack": "missing",
        "encode": "missing",
    }
    assert main([str(run)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "ingest     done       2 clips"
    assert lines[1] == "select     done       1 clips kept"
    assert lines[2] == f"caption    missing    ; filmstock caption {run}"
    assert lines[-1] == f"next: filmstock caption {run}"
    assert incomplete(run) is None, "what has not begun is not incomplete"


def test_json_says_the_same(run: RunFolder, capsys):
    main([str(run), "--json"])
    told = json.loads(capsys.readouterr().out)
    assert told["next"] == f"filmstock caption {run}" and told["folder"] == str(run)
    assert told["stages"][1] == {
        "stage": "select",
        "state": "done",
        "note": "1 clips kept",
        "command": "",
    }


def test_stale_and_incomplete_stages_are_told_apart(run: RunFolder):
    rows = [{s.CLIP_ID: "clip000", s.KIND: "dense", s.TEXT: "x", s.OUTCOME: "ok"}]
    write_table(
        run.captions / "part-0.parquet", pa.Table.from_pylist(rows, schema=captions_schema())
    )
    assert states(run)["caption"] == "incomplete"
    assert "caption is incomplete" in (incomplete(run) or "")
    inputs = ("manifest", "selection.parquet")
    open_stage(run, "caption", inputs=inputs).finish({"ok": 1, "rows": 1, "clips": 1})
    assert states(run)["caption"] == "done"
    write_selection(run.path, ["clip000", "clip001"], ["clip001"])  # type: ignore[arg-type]
    lines = read_status(run)
    assert {line.stage: line.state for line in lines}["caption"] == State.STALE
    assert "caption is stale" in (incomplete(run) or ""), "who looks at it is told"
    assert next_command(lines) == f"filmstock caption {run}"
    run.selection.unlink()
    assert states(run)["select"] == "missing"
    Stage(run.path, "pack", "k").finish({"outputs": ["shards/part-0.parquet"]})
    run.shards.mkdir()
    assert states(run)["pack"] == "incomplete"


def test_a_locked_stage_says_who(run: RunFolder):
    with locked(run.path, "caption"):
        lines = read_status(run)
        assert {line.stage: line.state for line in lines}["caption"] == State.LOCKED
        assert next_command(lines) == "", "nothing to run while one is running"


def test_the_folder_of_a_trainer(tmp_path: Path, capsys):
    (tmp_path / "run.json").write_text('{"command": "train-dit", "settings": {}}')
    (tmp_path / "state.pt").write_bytes(b"")
    (tmp_path / "metrics.jsonl").write_text('{"step": 40, "loss": 1}\n{"step": 50, "lo')
    (line,) = read_status(open_run(tmp_path))
    assert (line.stage, line.state) == ("train-dit", State.INCOMPLETE)
    assert line.note == "stopped after step 40"
    Stage(tmp_path, "train-dit", "k").finish({"outputs": ["dit.safetensors"]})
    main([str(tmp_path)])
    assert capsys.readouterr().out == (
        "train-dit  done       dit.safetensors\n"
        f"train-dit {tmp_path}: step 40, loss 1.0000\nnothing is left to do\n"
    )


def test_no_run_is_an_error(tmp_path: Path):
    with pytest.raises(UserError, match="neither a run nor a training; filmstock curate"):
        main([str(tmp_path)])
    with pytest.raises(UserError, match="is no folder"):
        main([str(tmp_path / "none")])


def test_a_command_can_be_typed_as_it_stands(tmp_path: Path, capsys) -> None:
    """Pasted into a shell, ``filmstock caption my run`` is told that ``my`` does not exist."""
    folder = tmp_path / "my run"
    make_run_folder(folder, 1)
    open_stage(open_run(folder), "select", inputs=("manifest",)).finish({"kept": 1})
    open_run(folder).stage("ingest", "k").finish({"outputs": ["clips"], "clips": 1})
    assert main([str(folder)]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert shlex.split(last) == ["next:", "filmstock", "caption", str(folder)]
    with pytest.raises(UserError, match="filmstock caption '.*my run' first"):
        open_run(folder).need("captions")


def test_clips_that_were_not_packed_are_counted(run: RunFolder) -> None:
    run.shards.mkdir()
    info = {"packed": 7, "hours": 0.5, "unreadable": 8, "uncaptioned": 1, "outputs": ["shards"]}
    Stage(run.path, "pack", "k").finish(info)
    line = next(line for line in read_status(run) if line.stage == "pack")
    assert line.note == "7 clips, 0.500 hours, 8 could not be read, 1 have no caption"


def test_ends_that_were_moved_by_hand_wait_for_ingest(run: RunFolder) -> None:
    value = {"start": 2, "end": 0}
    place = {s.SOURCE_ID: "source", s.START_S: 0.0, s.END_S: 1.0}
    Journal(run.path).append("ann", "cut", value, clip_id="clip000", **place)
    line = read_status(run)[0]
    assert (line.stage, line.state) == ("ingest", State.STALE)
    assert line.note == "ends of 1 clips were moved by hand since it ran"
    (run / "imports.parquet").write_bytes(b"")  # of a dataset, which says itself where clips lie
    assert read_status(run)[0].state == State.DONE


def test_a_caption_beside_a_source_that_changed_is_named(run: RunFolder, tmp_path: Path, capsys):
    from jobs.ingest.ledger import HIDDEN, STAMP, TOTAL, Ledger
    from pipeline.source.listing import source_stamp

    source = tmp_path / "a.mp4"
    for name in ("a.mp4", "a.txt"):
        (tmp_path / name).write_text(name)
    stamp = source_stamp(str(source), sidecars=True)
    Ledger(run.path).write(
        {s.SOURCE_ID: "a", s.SOURCE_URI: str(source), s.N_CLIPS: 0, STAMP: stamp}
        | {s.OUTCOME: "done"}
    )
    (run / HIDDEN / TOTAL).write_text(json.dumps({"sources": 1}))
    assert states(run)["ingest"] == "done"
    (tmp_path / "a.txt").write_text("another caption")
    line = read_status(run)[0]
    assert (line.state, line.note) == (State.STALE, "a.txt changed since it ran")
    main([str(run)])
    assert capsys.readouterr().out.splitlines()[-1] == f"next: filmstock ingest SRC... --out {run}"
