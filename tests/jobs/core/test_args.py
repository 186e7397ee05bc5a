"""Options from dataclasses: tyro's boxed errors become one line that still says what was wrong."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pytest
import tyro

from jobs.core.args import Device, Folder, one_of, options_of, parse_args
from jobs.core.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Options:
    """Do something."""

    folder: tyro.conf.Positional[Path]
    """Where."""
    batch_size: int = 3
    """How many."""


@pytest.mark.parametrize("columns", ["20", "80", "400", "4000"])
def test_every_option_is_known_whatever_the_terminal(columns, monkeypatch):
    """A wide help has its groups side by side: an option on the right was called unknown when its value was wrong."""
    from jobs.train.vae import Args

    monkeypatch.setenv("COLUMNS", columns)
    known = options_of(Args)
    assert {"--kl", "--gan", "--threads", "--readers", "--workers", "--stop-at"} <= set(known)
    with pytest.raises(UserError, match=r"^--kl -1\.0: it must be"):
        parse_args(Args, ["run", "--out", "new", "--kl", "-1"], "train-vae")


def test_options_are_parsed():
    assert parse_args(Options, ["x", "--batch-size", "4"], "do") == Options(
        folder=Path("x"), batch_size=4
    )


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        ([], "Missing from filmstock do: PATH"),
        (["x", "--batch-size", "many"], "--batch-size"),
        (["x", "--batchsize", "3"], "unknown option '--batchsize'; did you mean '--batch-size'?"),
        (["--batchsize", "3"], "did you mean '--batch-size'?"),
    ],
)
def test_wrong_usage_is_one_line(argv: list[str], says: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(UserError) as caught:
        parse_args(Options, argv, "do")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not set("│╭╮╰╯─") & set(str(caught.value))
    assert capsys.readouterr() == ("", "")


@dataclass(frozen=True, kw_only=True)
class Typed:
    folder: Folder
    """Where."""
    port: int | None = None
    """Which."""
    device: Device = "cpu"
    """On what; a help may have a semicolon, too."""
    out: Folder | None = None
    """To where."""


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["--folder", "s3://"], "--folder: s3:// names no bucket; write s3://bucket/path"),
        (["--folder", "x", "--out", "s3:///x"], "--out: s3:///x names no bucket; write s3://bucket/path"),
        (["--folder", "x", "--out", "gopher://x"], "--out: gopher://x: gopher:// cannot be opened; use s3://"),
        (["--folder", "x", "--port", "many"], "--port many: it must be a whole number; --port INT Which."),
        (["--folder", "x", "--device", "tpu"], "--device: device 'tpu' is unknown; use auto, cpu, cuda or cuda:N"),
    ],
)  # fmt: skip
def test_what_our_types_say_of_a_value_is_told_without_the_parsers_words(
    argv: list[str], says: str
) -> None:
    with pytest.raises(UserError) as caught:
        parse_args(Typed, argv, "do")
    assert str(caught.value).startswith(says)
    assert "Error parsing" not in str(caught.value) and "Got errors" not in str(caught.value)
    assert "helptext" not in str(caught.value) and "semicolon" not in str(caught.value)


@dataclass(frozen=True, kw_only=True)
class Ruled:
    rule: str = "euler"
    """How."""

    def __post_init__(self) -> None:
        if self.rule == "magic":
            raise ValueError("rule 'magic' is unknown; use euler or heun")


@dataclass(frozen=True, kw_only=True)
class Ruling:
    ruled: tyro.conf.OmitArgPrefixes[Ruled] = Ruled()
    """What is inside."""


def test_what_a_config_says_of_its_values_is_told_without_the_parsers_words() -> None:
    with pytest.raises(UserError, match="^rule 'magic' is unknown; use euler or heun$"):
        parse_args(Ruling, ["--rule", "magic"], "do")


@pytest.mark.parametrize("columns", ["1", "500"])
def test_options_are_known_however_narrow_the_terminal(
    columns: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert set(options_of(Typed)) == {"--help", "--folder", "--port", "--device", "--out"}


def test_help_exits_with_zero(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as stop:
        parse_args(Options, ["--help"], "do")
    assert stop.value.code == 0
    assert "Do something." in capsys.readouterr().out


def test_a_repeatable_option_may_stand_twice_and_what_follows_two_dashes_is_no_option():
    @dataclass(frozen=True, kw_only=True)
    class Many:
        """Do."""

        words: tyro.conf.Positional[tuple[str, ...]] = ()
        """Words."""
        set: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
        """Settings."""

    assert parse_args(Many, ["--set", "a=1", "--set", "a=2"], "do").set == ("a=1", "a=2")
    assert parse_args(Many, ["--", "--set", "--set"], "do").words == ("--set", "--set")


def test_of_an_option_that_stands_twice_the_last_counts_and_a_list_loses_nothing(
    capsys: pytest.CaptureFixture[str],
):
    assert parse_args(Options, ["x", "--batch-size", "1", "--batch_size=2"], "do").batch_size == 2
    assert capsys.readouterr().err == "warning: do: --batch-size is given twice; the last counts\n"

    @dataclass(frozen=True, kw_only=True)
    class Prompts:
        """Do."""

        prompt: tuple[str, ...] = ()
        """Captions."""

    with pytest.raises(UserError, match="--prompt is given twice; give it once, with all"):
        parse_args(Prompts, ["--prompt", "A", "--prompt", "B"], "do")
    assert parse_args(Prompts, ["--prompt", "A", "B"], "do").prompt == ("A", "B")


@dataclass(frozen=True, kw_only=True)
class Inner:
    kind: str | None = None


@dataclass(frozen=True, kw_only=True)
class Outer:
    """A command."""

    init: str | None = None
    note: str = ""
    inner: tyro.conf.OmitArgPrefixes[Inner] = Inner()


def test_an_option_that_is_given_as_nothing_is_refused() -> None:
    assert parse_args(Outer, ["--note", ""], "x").note == ""
    for option in ("--init", "--kind"):
        with pytest.raises(UserError, match=f"{option} '' is empty; give something, or leave"):
            parse_args(Outer, [option, ""], "x")


def test_names_are_listed_as_one_says_them():
    assert [one_of("a"), one_of("ab"), one_of("abc")] == ["a", "a or b", "a, b or c"]
