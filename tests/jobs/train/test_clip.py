"""``filmstock train-clip``: trains, resumes, does nothing twice, and refuses what it cannot do in one line."""

import json
from pathlib import Path

import pytest

import jobs.train.clip as job
from jobs.cli import main
from jobs.core.errors import UserError
from pipeline.openclip.model import load_clip


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    import pipeline.openclip.evaluate as clip_eval

    whole = clip_eval.retrieval
    monkeypatch.setattr(
        clip_eval,
        "retrieval",
        lambda model, **given: whole(model, **{**given, "galleries": 1, "size": 8}),
    )


def args(out: Path, *more: str) -> list[str]:
    return ["train-clip", "--out", str(out), "--scenes", "24", "--steps", "3", *more]


def test_trains_once_and_says_so_the_second_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(args(tmp_path)) == 0
    said = capsys.readouterr().out
    assert "dense_top1" in said and not (tmp_path / "checkpoint.pt").exists()
    model = load_clip(tmp_path / "model")
    assert model.id in said
    metrics = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert metrics[-1]["steps"] == 3 and 0 <= metrics[-1]["dense_top1"] <= 1
    written = (tmp_path / "model" / "open_clip_model.safetensors").stat()
    assert main(args(tmp_path)) == 0
    assert "nothing to do" in capsys.readouterr().out
    assert (tmp_path / "model" / "open_clip_model.safetensors").stat().st_mtime == written.st_mtime
    assert written.st_mode & 0o044 == 0o044


def test_an_interrupted_run_resumes_to_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from pipeline.openclip.train import Trainer

    assert main(args(tmp_path / "whole", "--minutes", "1000")) == 0
    monkeypatch.setattr(job, "CHECKPOINT_S", 0.0)
    step = Trainer.step

    def dies(self: Trainer, index: int, progress: float) -> dict[str, float]:
        if index == 2:
            raise KeyboardInterrupt
        return step(self, index, progress)

    cut = tmp_path / "cut"
    monkeypatch.setattr(Trainer, "step", dies)
    assert main(args(cut, "--minutes", "1000")) == 130
    monkeypatch.setattr(Trainer, "step", step)
    assert main(args(cut, "--minutes", "1000")) == 2
    assert "add --resume" in capsys.readouterr().err
    assert main(args(cut, "--minutes", "1000", "--resume")) == 0
    assert "going on from step 2" in capsys.readouterr().out
    assert load_clip(cut / "model").id == load_clip(tmp_path / "whole" / "model").id


def test_a_checkpoint_of_other_settings_is_refused(tmp_path: Path) -> None:
    import torch

    torch.save({"key": "other", "step": 1, "spent_s": 0.0}, tmp_path / "checkpoint.pt")
    with pytest.raises(UserError, match="other settings"):
        job.main(args(tmp_path, "--resume")[1:])


def test_wrong_arguments(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(args(tmp_path, "--minutes", "0")) == 2
    assert "--minutes must be positive" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    assert main(args(tmp_path / "file")) == 2
    assert "is a file; give a folder" in capsys.readouterr().err
