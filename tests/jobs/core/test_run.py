"""Run folders: keys follow content, markers are atomic, and a lost output undoes a marker."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.core import run as runfolder
from jobs.core.run import (
    clear_done,
    config_key,
    done_info,
    files_key,
    log_metrics,
    mark_done,
    stage_is_done,
    stage_key,
    write_bytes,
    write_table,
)
from pipeline.config import IngestConfig, SelectConfig


def test_a_key_follows_every_field_and_not_the_order_of_keys():
    assert config_key(IngestConfig()) == config_key(IngestConfig())
    assert config_key(IngestConfig()) != config_key(IngestConfig(crf=19))
    assert config_key({"a": 1, "b": 2}) == config_key({"b": 2, "a": 1})
    assert config_key(SelectConfig(where={"a": "x"})) != config_key(SelectConfig(where={"a": "y"}))
    assert config_key(np.float64(0.5), Path("a")) == config_key(0.5, "a")
    with pytest.raises(TypeError, match="no stable text"):
        config_key(object())


def test_a_files_key_follows_names_and_contents(tmp_path: Path):
    first, second = tmp_path / "one" / "t", tmp_path / "two" / "t"
    for folder in (first, second):
        folder.mkdir(parents=True)
        (folder / "part-0.parquet").write_bytes(b"abc")
    assert files_key([first]) == files_key([second])
    (second / ".part.tmp").write_bytes(b"half")
    assert files_key([first]) == files_key([second]), "temporary files do not count"
    (second / "part-0.parquet").write_bytes(b"abd")
    assert files_key([first]) != files_key([second])
    assert files_key([tmp_path / "none"]) != files_key([first])


def test_a_large_file_is_keyed_by_its_head_middle_and_tail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(runfolder, "WHOLE_FILE_BYTES", 8)
    monkeypatch.setattr(runfolder, "BLOCK_BYTES", 2)
    path = tmp_path / "big"
    seen = set()
    for text in (
        b"0123456789abcdef",
        b"x123456789abcdef",
        b"01234567x9abcdef",
        b"0123456789abcdex",
    ):
        path.write_bytes(text)
        seen.add(files_key([path]))
    assert len(seen) == 4


def test_a_stage_is_done_for_its_key_only_and_while_its_output_is_there(tmp_path: Path):
    assert not stage_is_done(tmp_path, "select", "k1")
    (tmp_path / "selection.parquet").write_bytes(b"x")
    mark_done(tmp_path, "select", "k1", {"outputs": ["selection.parquet"], "kept": 3})
    assert stage_is_done(tmp_path, "select", "k1")
    assert not stage_is_done(tmp_path, "select", "k2")
    assert stage_key(tmp_path, "select") == "k1"
    assert (done_info(tmp_path, "select") or {})["kept"] == 3
    (tmp_path / "selection.parquet").unlink()
    assert not stage_is_done(tmp_path, "select", "k1")


def test_a_cleared_or_broken_marker_means_not_done(tmp_path: Path):
    mark_done(tmp_path, "pack", "k", {})
    clear_done(tmp_path, "pack")
    clear_done(tmp_path, "pack")
    assert not stage_is_done(tmp_path, "pack", "k")
    mark_done(tmp_path, "pack", "k", {})
    (tmp_path / ".done" / "pack.json").write_text("{ half")
    assert not stage_is_done(tmp_path, "pack", "k")
    assert stage_key(tmp_path, "pack") is None


def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = tmp_path / "file"
    write_bytes(path, b"old")

    def fail(descriptor: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(runfolder.os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_a_table_is_written_whole(tmp_path: Path):
    table = pa.table({"a": [1, 2, 3]})
    write_table(tmp_path / "deep" / "t.parquet", table)
    assert pq.read_table(tmp_path / "deep" / "t.parquet").equals(table)
    assert [entry.name for entry in (tmp_path / "deep").iterdir()] == ["t.parquet"]


def test_metrics_are_one_json_line_each(tmp_path: Path):
    log_metrics(tmp_path / "run", "train", {"loss": np.float32(0.5), "step": 1})
    log_metrics(tmp_path / "run", "train", {"loss": 0.25, "step": 2})
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["loss"] for line in lines] == [0.5, 0.25]
    assert all(json.loads(line)["stage"] == "train" for line in lines)
