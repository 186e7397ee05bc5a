"""Options from dataclasses: tyro's boxed errors become one line that still says what was wrong."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
import tyro

from jobs.core.args import parse_args
from jobs.core.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Options:
    """Do something."""

    folder: tyro.conf.Positional[Path]
    """Where."""
    batch_size: int = 3
    """How many."""


def test_options_are_parsed():
    assert parse_args(Options, ["x", "--batch-size", "4"], "do") == Options(
        folder=Path("x"), batch_size=4
    )


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        ([], "Missing from filmstock do: PATH"),
        (["x", "--batch-size", "many"], "--batch-size"),
        (["x", "--batchsize", "3"], "--batch-size"),
    ],
)
def test_wrong_usage_is_one_line(argv: list[str], says: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(UserError) as caught:
        parse_args(Options, argv, "do")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not set("│╭╮╰╯─") & set(str(caught.value))
    assert capsys.readouterr() == ("", "")


def test_help_exits_with_zero(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as stop:
        parse_args(Options, ["--help"], "do")
    assert stop.value.code == 0
    assert "Do something." in capsys.readouterr().out
