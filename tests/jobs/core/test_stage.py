"""A stage has nothing to do with the same key while its outputs are there, and notes its figures."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jobs.core.stage import Stage, done_info, stage_key


@dataclass(frozen=True, kw_only=True)
class Kept:
    kept: int = 0


def test_a_stage_is_done_for_its_key_only_and_while_its_output_is_there(tmp_path: Path):
    stage = Stage(tmp_path, "select", "k1")
    assert stage.info is None and stage.finished(Kept) is None
    (tmp_path / "selection.parquet").write_bytes(b"x")
    stage.finish({"outputs": ["selection.parquet"], "kept": 3})
    assert stage.finished(Kept) == Kept(kept=3)
    assert Stage(tmp_path, "select", "k2").info is None
    assert stage_key(tmp_path, "select") == "k1"
    assert (done_info(tmp_path, "select") or {})["kept"] == 3
    (tmp_path / "selection.parquet").unlink()
    assert stage.info is None


def test_a_cleared_or_broken_marker_means_not_done(tmp_path: Path):
    stage = Stage(tmp_path, "pack", "k")
    stage.finish({})
    stage.clear()
    stage.clear()
    assert stage.info is None
    stage.finish({})
    (tmp_path / ".done" / "pack.json").write_text("{ half")
    assert stage.info is None
    assert stage_key(tmp_path, "pack") is None


def test_a_stage_that_works_is_not_done_until_it_says_so(tmp_path: Path):
    """A kill in the middle leaves outputs half replaced: they must not pass for those of the marker."""
    stage = Stage(tmp_path, "pack", "k")
    stage.finish({})
    try:
        with stage.working():
            assert stage.info is None
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        pass
    assert stage.info is None and stage_key(tmp_path, "pack") is None


def test_figures_are_one_json_line_each(tmp_path: Path):
    stage = Stage(tmp_path / "run", "train", "k")
    stage.log({"loss": np.float32(0.5), "step": 1})
    stage.log({"loss": 0.25, "step": 2})
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["loss"] for line in lines] == [0.5, 0.25]
    assert all(json.loads(line)["stage"] == "train" for line in lines)
