"""What every trainer asks of its folder before it touches anything."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jobs.core.errors import UserError
from jobs.train.checkpoints import check_out


def test_a_run_folder_is_no_place_for_a_training(tmp_path: Path) -> None:
    (tmp_path / "manifest").mkdir()
    with pytest.raises(UserError, match="is a run folder of filmstock curate; choose another"):
        check_out(tmp_path, "state.pt", resume=False, stage="train-dit")
    assert check_out(tmp_path / "dit", "state.pt", resume=False) == tmp_path / "dit" / "state.pt"


def test_another_trainers_run_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps({"command": "train-vae"}))
    with pytest.raises(UserError, match="holds a run of train-vae; choose another folder"):
        check_out(tmp_path, "state.pt", resume=False, stage="train-clip")
    assert not check_out(tmp_path, "state.pt", resume=False, stage="train-vae").exists()
