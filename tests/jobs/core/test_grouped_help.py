"""The options of a help stand under what they are about."""

from __future__ import annotations

import re

import pytest

from jobs.cli import main
from jobs.core.grouped_help import REST, plain_boxes, regroup
from pipeline.groups import ORDER


def boxes(text: str) -> dict[str, list[str]]:
    """Title -> options, of a help."""
    found: dict[str, list[str]] = {}
    title = ""
    for line in text.splitlines():
        if line.startswith("╭"):
            title = line.strip("╭─╮ ")
            assert title not in found, f"two boxes {title}"
            found[title] = []
        elif option := re.match(r"│ +(?:-\w, )?(--[a-z][\w-]*)", line):
            found[title].append(option[1])
    return found


@pytest.mark.parametrize(
    "command, some",
    [
        ("train-dit", {"optimisation": "--lr", "schedule": "--steps", "devices": "--no-fsdp-reshard"}),
        ("train-clip", {"schedule": "--minutes"}),
        ("train-captioner", {"model": "--lora-rank"}),
        ("pretrain-captioner", {"data": "--pool"}),
        ("train-vae", {"objective": "--kl", "data": "--batch", "output": "--out"}),
        ("sample", {"guidance": "--guidance", "sampler": "--steps", "prompts": "--prompt"}),
        ("extend", {"guidance": "--guidance", "models": "--dit"}),
    ],
)  # fmt: skip
def test_options_stand_under_their_titles_in_one_order(
    command: str, some: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main([command, "--help"])
    text = capsys.readouterr().out
    found = boxes(text)
    for title, option in some.items():
        assert option in found[title]
    titles = [title for title in found if title not in (REST, "positional arguments")]
    assert titles == [group.title for group in ORDER if group.title in titles]
    if command != "extend":
        assert found[REST] == ["--help"], "every option of a long help has a group"
    assert len({len(line) for line in text.splitlines() if line[:1] in "╭│╰" and line}) == 1
    assert "examples:" in text


def test_a_class_without_groups_keeps_its_help() -> None:
    class Plain:
        pass

    from dataclasses import dataclass

    plain = dataclass(Plain)
    text = "usage\n╭─ options ─╮\n│ --a  b    │\n╰───────────╯\n"
    assert regroup(text, plain) == text
    assert plain_boxes(text) == "usage\n+- options -+\n| --a  b    |\n+-----------+\n"


def test_a_narrow_terminal_gets_words_and_an_error_stays_in_one_piece(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    assert main(["plan", "--gpu", "V100"]) == 2
    line = capsys.readouterr().err
    assert "invalid choice 'V100' for argument '--gpu'" in line and len(line.splitlines()) == 1
    with pytest.raises(SystemExit):
        main(["plan", "--help"])
    assert "Tokens of a caption." in capsys.readouterr().out
