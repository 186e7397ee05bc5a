"""Options of the trainers of this process: the same for all of them, and refused alike."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from jobs.train import captioner, clip, pretrain_captioner
from jobs.train.local_args import LocalArgs, open_untrained


@pytest.mark.parametrize("command", [clip, pretrain_captioner])
def test_every_local_trainer_takes_them_and_refuses_no_threads(command):
    made = command.Args(out=Path("out"))
    assert (made.threads, made.resume) == (1, False)
    with pytest.raises(ValueError, match="threads"):
        command.Args(out=Path("out"), threads=0)


def test_fine_tuning_adds_its_data_to_them():
    shared = {each.name for each in fields(LocalArgs)}
    own = {each.name for each in fields(captioner.Args)} - shared
    assert own == {"data", "captions", "train"}


def test_what_is_trained_is_said_and_left(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    args = LocalArgs(out=tmp_path)
    opened = open_untrained(args, "train-clip", "key", "model", "state.pt")
    assert opened is not None
    stage, path = opened
    assert path == tmp_path / "state.pt"
    with stage.working():
        (tmp_path / "model").mkdir()
        stage.finish({"outputs": ["model"]})
    assert open_untrained(args, "train-clip", "key", "model", "state.pt") is None
    assert f"{tmp_path / 'model'} is trained already; nothing to do" in capsys.readouterr().out
    assert open_untrained(args, "train-clip", "other settings", "model", "state.pt") is not None
