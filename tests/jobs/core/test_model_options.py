"""Options that name models: one wording for all commands that have them."""

from __future__ import annotations

import re

import pytest

from jobs.core.args import parse_args
from jobs.generate.adherence import Args as AdherenceArgs
from jobs.generate.sample import Args as SampleArgs
from jobs.generate.verbs import LoopArgs
from jobs.serve.command import Args as ServeArgs


def told(cls: type, capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit):
        parse_args(cls, ["--help"], "sample")
    return re.sub(r"[│|\s]+", " ", capsys.readouterr().out)


@pytest.mark.parametrize("cls", [SampleArgs, LoopArgs, AdherenceArgs, ServeArgs])
def test_every_command_words_them_alike(cls: type, capsys: pytest.CaptureFixture[str]) -> None:
    text = told(cls, capsys)
    assert "--vae STR VAE the DiT was trained with. (default: embedded)" in text
    assert "the one that the DiT names. (default: embedded)" in text
    assert "embedded, a dit.safetensors, or a folder of train-dit. (default: embedded)" in text
    assert "memory: float, or int8 for a quarter of that" in text
