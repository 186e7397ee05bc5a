"""Checkpoints written beside training: a copy of their moment, whole or not there, errors told."""

import os
import shutil
import threading
from pathlib import Path

import pytest
import torch
from torch.distributed.checkpoint import HuggingFaceStorageReader, load

from dit.train.saved import latest_state, read_state
from dit.train.sharded import saves as module
from dit.train.sharded.saves import Saves


def nothing(folder: Path) -> None:
    pass


def value(folder: Path) -> float:
    """The number that a checkpoint of these tests holds, in each of its files."""
    state = {name: torch.empty(3) for name in ("model.a", "ema.a", "optimizer.0.0.a")}
    load(state, storage_reader=HuggingFaceStorageReader(str(folder)), no_dist=True)
    (number,) = {float(x) for each in state.values() for x in each}
    return number


def save(saves: Saves, step: int) -> None:
    tensors = {
        name: torch.full((3,), float(step)) for name in ("model.a", "ema.a", "optimizer.0.0.a")
    }
    saves.save(tensors, {"step": step}, nothing)


def test_a_checkpoint_is_of_its_moment_while_training_goes_on(tmp_path, monkeypatch):
    begun, go = threading.Event(), threading.Event()
    real = module.save_state

    def slow(*args):
        begun.set()
        assert go.wait(60)
        real(*args)

    monkeypatch.setattr(module, "save_state", slow)
    saves, weights, rows = Saves(tmp_path, keep=2), torch.ones(4), [{"loss": 1.0}]
    saves.save({"model.a": weights}, {"step": 3, "window": rows}, nothing)
    weights.fill_(9.0)  # the next step of the training
    rows.append({"loss": 0.5})
    assert begun.wait(60)
    assert latest_state(tmp_path) is None, "it is not whole yet"
    go.set()
    saves.wait()
    folder = latest_state(tmp_path)
    state = {"model.a": torch.empty(4)}
    load(state, storage_reader=HuggingFaceStorageReader(str(folder)), no_dist=True)
    assert state["model.a"].tolist() == [1.0] * 4
    assert read_state(folder)["step"] == 3
    assert read_state(folder)["window"] == [{"loss": 1.0}], "a line of the log would count it twice"


def test_a_kill_at_any_write_leaves_the_old_checkpoint_or_the_new_one(tmp_path, monkeypatch):
    """What a kill would leave is copied before every fsync, rename and removal, from whichever thread."""
    out, left = tmp_path / "out", []
    saves = Saves(out, keep=1)
    save(saves, 1)
    saves.wait()

    def struck(function):
        def call(*args, **options):
            place = tmp_path / "killed" / str(len(left))
            left.append(shutil.copytree(out, place))
            return function(*args, **options)

        return call

    with monkeypatch.context() as patch:
        for holder, name in ((os, "fsync"), (os, "replace"), (os, "unlink"), (os, "rmdir")):
            patch.setattr(holder, name, struck(getattr(holder, name)))
        save(saves, 2)
        saves.wait()
    assert len(left) > 8
    steps = []
    for place in left:
        folder = latest_state(place)
        steps.append(read_state(folder)["step"])
        assert value(folder) == steps[-1]
        assert len(list((place / "checkpoints").glob(".*"))) <= 1
        again = Saves(place, keep=1)
        assert not list((place / "checkpoints").glob(".*"))
        save(again, 3)
        again.wait()
        assert value(latest_state(place)) == 3
    assert set(steps) == {1, 2} and steps == sorted(steps)


def test_a_checkpoint_that_cannot_be_written_is_told_at_the_next(tmp_path, monkeypatch):
    saves = Saves(tmp_path, keep=2)

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(module, "save_state", full)
        save(saves, 1)
        with pytest.raises(
            OSError, match=r"step 1 could not be written by process 0.*No space left"
        ):
            saves.wait()
    assert latest_state(tmp_path) is None
    save(saves, 2)
    saves.wait()
    assert value(latest_state(tmp_path)) == 2
