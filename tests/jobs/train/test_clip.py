"""``filmstock train-clip``: trains, resumes, does nothing twice, and refuses what it cannot do in one line."""

import contextlib
import io
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import jobs.train.clip as job
import pipeline.openclip.evaluate as clip_eval
from jobs.cli import main
from jobs.core.errors import UserError
from pipeline.openclip.model import load_openclip
from tests.helpers.json_lines import json_lines


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    whole = clip_eval.retrieval

    def small(model: Any, **given: Any) -> Any:
        return whole(model, **{**given, "galleries": 1, "size": 8})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clip_eval, "retrieval", small)
        yield


def args(out: Path, *more: str) -> list[str]:
    return [
        "train-clip",
        "--out",
        str(out),
        "--scenes",
        "24",
        "--steps",
        "3",
        "--batch",
        "8",
        "--minutes",
        "1000",
        *more,
    ]


@pytest.fixture(scope="module")
def trained(quick: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A finished run that no test changes, and what it printed."""
    out, said = tmp_path_factory.mktemp("trained"), io.StringIO()
    with contextlib.redirect_stdout(said):
        assert main(args(out)) == 0
    return out, said.getvalue()


def test_trains_once_and_says_so_the_second_time(
    trained: tuple[Path, str], capsys: pytest.CaptureFixture[str]
) -> None:
    out, said = trained
    assert "dense_top1" in said
    model = load_openclip(out / "model")
    assert model.id in said
    metrics = json_lines(out / "metrics.jsonl")
    assert metrics[-1]["steps"] == 3
    top1 = clip_eval.retrieval(model)
    assert {name: metrics[-1][name] for name in top1} == pytest.approx(top1, abs=1e-3)
    written = (out / "model" / "open_clip_model.safetensors").stat()
    assert main(args(out)) == 0
    assert "nothing to do" in capsys.readouterr().out
    assert (out / "model" / "open_clip_model.safetensors").stat().st_mtime == written.st_mtime
    assert written.st_mode & 0o044 == 0o044


def test_an_interrupted_run_resumes_to_the_same_weights(
    trained: tuple[Path, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from pipeline.openclip.train import Trainer

    step = Trainer.step

    def interrupted(self: Trainer, index: int, progress: float) -> dict[str, float]:
        if index == 1:
            os.kill(os.getpid(), signal.SIGINT)  # Ctrl-C within the second step
        return step(self, index, progress)

    cut = tmp_path / "cut"
    monkeypatch.setattr(Trainer, "step", interrupted)
    assert main(args(cut)) == 130
    assert "run the same command again to go on" in capsys.readouterr().err
    monkeypatch.setattr(Trainer, "step", step)
    assert main(args(cut)) == 0
    assert "going on from" in (said := capsys.readouterr().out) and "step 2 of 3" in said
    assert load_openclip(cut / "model").id == load_openclip(trained[0] / "model").id


def test_other_settings_are_refused_by_name_and_touch_nothing(
    trained: tuple[Path, str], tmp_path: Path
) -> None:
    out, _ = trained
    before = {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}
    with pytest.raises(UserError, match=r"lr = 0.0015 \(now 0.01\).*another --out"):
        job.main(args(out, "--lr", "0.01")[1:])
    with pytest.raises(UserError, match=r"steps = 3 \(now 4\)"):  # the cosine would differ
        job.main(args(out, "--steps", "4")[1:])
    assert {p: p.read_bytes() for p in out.rglob("*") if p.is_file()} == before
    with pytest.raises(UserError, match="holds no checkpoint"):
        job.main(args(tmp_path / "new", "--resume")[1:])
    assert not (tmp_path / "new").exists()


def test_wrong_arguments(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(args(tmp_path, "--minutes", "0")) == 2
    assert "--minutes 0.0: it must be above 0" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    assert main(args(tmp_path / "file")) == 2
    assert "is a file; give a folder" in capsys.readouterr().err
