"""Files of a training run appear whole or not at all, and its lines end where its state does."""

import json
import os

import pytest
import torch

from pipeline.training.state import (
    add_metrics,
    keep_metrics,
    load_state,
    save_state,
    sync_metrics,
)
from tests.helpers.unsafe_state import save_unsafe_state


def test_a_failed_save_leaves_the_old_state_and_names_the_file(tmp_path):
    path = tmp_path / "state.pt"
    save_state(path, {"step": 1, "w": torch.arange(3)})
    (tmp_path / ".state.pt.partial.tmp").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left") as caught:
        save_state(path, {"step": 2, "w": torch.randn(100_000)})
    assert caught.value.filename == str(path)
    assert load_state(path)["step"] == 1
    path.write_bytes(b"nonsense")
    with pytest.raises(ValueError, match="not a readable training state"):
        load_state(path)


def test_lines_behind_the_state_and_torn_ones_are_dropped(tmp_path):
    for step in (1, 2, 3):
        add_metrics(tmp_path, {"step": step, "loss": 0.5})
    path = tmp_path / "metrics.jsonl"
    with path.open("a") as file:
        file.write('{"step": 2, "los')
    keep_metrics(tmp_path, 2)
    assert [json.loads(line)["step"] for line in path.read_text().splitlines()] == [1, 2]
    before = path.stat().st_ino
    keep_metrics(tmp_path, 2)
    assert path.stat().st_ino == before  # nothing to do is nothing done
    keep_metrics(tmp_path, 0)
    assert path.read_text() == ""
    keep_metrics(tmp_path / "none", 0)


def test_a_state_that_would_run_code_is_refused(tmp_path):
    """States are copied from machine to machine; reading one must never start a program."""
    ran = tmp_path / "ran"
    save_unsafe_state(tmp_path / "state.pt", ran)
    with pytest.raises(ValueError, match="state.pt is not a readable training state"):
        load_state(tmp_path / "state.pt")
    assert not ran.exists()


def test_lines_are_on_the_disk_before_the_state_that_vouches_for_them(tmp_path, monkeypatch):
    sync_metrics(tmp_path)  # no lines yet
    add_metrics(tmp_path, {"step": 1})
    synced = []
    monkeypatch.setattr(os, "fsync", lambda handle: synced.append(os.fstat(handle).st_ino))
    sync_metrics(tmp_path)
    lines = (tmp_path / "metrics.jsonl").stat().st_ino
    assert synced == [lines]
    synced.clear()
    save_state(tmp_path / "state.pt", {"step": 1})
    state = (tmp_path / "state.pt").stat().st_ino
    assert synced[:2] == [lines, state], "no trainer can forget it"


def test_a_line_is_whole_with_its_end_and_its_step(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n[2]\n{"loss": 2}\nnonsense\n{"step": "x"}\n{"step": 2}')
    keep_metrics(tmp_path, 5)
    assert path.read_text() == '{"step": 1}\n'
