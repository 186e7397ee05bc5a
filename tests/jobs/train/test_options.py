"""Every trainer's options are made from its config: no field is spelled twice, no default differs."""

from __future__ import annotations

import dataclasses
import importlib
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from jobs.cli import main

TRAINERS = {
    "train-vae": ("jobs.train.vae_args", {"shards": "x"}),
    "train-dit": ("jobs.train.dit_args", {"latents": "x"}),
    "train-clip": ("jobs.train.clip", {}),
    "train-captioner": ("jobs.train.captioner", {"data": "x"}),
    "pretrain-captioner": ("jobs.train.pretrain_captioner", {}),
}
SHARED = {"weight_decay", "grad_clip", "precision", "seed", "checkpoint_every", "log_every", "lr"}
"""Names that every trainer has for what every trainer does."""


def args_class(command: str) -> type:
    found: type = importlib.import_module(TRAINERS[command][0]).Args
    return found


def names_of(config: type) -> set[str]:
    """Fields of a config and of the configs in it."""
    hints = get_type_hints(config)
    nested = [hint for hint in hints.values() if dataclasses.is_dataclass(hint)]
    own = {
        f.name for f in dataclasses.fields(config) if not dataclasses.is_dataclass(hints[f.name])
    }
    return own.union(*(names_of(each) for each in nested)) if nested else own


@pytest.mark.parametrize("command", TRAINERS)
def test_no_field_is_spelled_twice_and_no_default_differs(command: str, capsys: Any) -> None:
    args = args_class(command)
    config = get_type_hints(args)["train"]
    given: dict[str, Any] = {**TRAINERS[command][1], "out": Path("y")}
    assert args(**given).train == config()
    own = {field.name for field in dataclasses.fields(args)}
    assert not own & names_of(config)
    with pytest.raises(SystemExit):
        main([command, "--help"])
    told = capsys.readouterr().out
    for name in names_of(config) | {"threads", "resume"}:
        option = name.replace("_", "-")  # a switch that is on is told by what turns it off
        assert f"--{option}" in told or f"--no-{option}" in told, name
    assert "─ schedule ─" in told and "─ optimisation ─" in told


@pytest.mark.parametrize("command", TRAINERS)
def test_one_vocabulary(command: str) -> None:
    assert names_of(get_type_hints(args_class(command))["train"]) >= SHARED


@pytest.mark.parametrize("command", TRAINERS)
@pytest.mark.parametrize(
    "option",
    ["--lr nan", "--lr -1", "--steps 0", "--steps -3", "--grad-clip 0", "--seed -1", "--threads 0"]
    + ["--checkpoint-every 0", "--log-every 0", "--weight-decay inf", "--precision fp8"],
)  # fmt: skip
def test_a_senseless_setting_is_one_line_and_touches_nothing(
    command: str, option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name, value = option.split()
    first = ["nowhere"] if TRAINERS[command][1] else []
    assert main([command, *first, "--out", str(tmp_path / "out"), name, value]) == 2
    said = capsys.readouterr().err
    assert name in said and said.count("\n") == 1
    assert not (tmp_path / "out").exists()
