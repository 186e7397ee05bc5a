"""What can be no prompt is refused alike by every command that takes one."""

from __future__ import annotations

import pytest

from jobs.cli import main
from jobs.core.errors import UserError
from jobs.generate.texts import check_prompt


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("A caf\udce9.", r"--prompt 'A caf\\udce9.' is not UTF-8 text; write it as UTF-8"),
        ("a\x00b", "holds control characters; remove them"),
        ("a" * 10_001, "has 10,001 letters; give at most 10,000"),
    ],
)
def test_what_is_no_prompt_is_refused(text: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        check_prompt(text)


def test_any_language_and_line_ends_are_fine() -> None:
    check_prompt("Ein roter Kreis\nbewegt sich. \u8d64\u3044\u5186")
    check_prompt("")


@pytest.mark.parametrize(
    "words",
    [
        ["sample", "--prompt"],
        ["expand"],
        ["judge", "x.mp4", "--prompt"],
        ["animate", "x.png", "--prompt"],
        ["extend", "x.mp4", "--prompt"],
        ["loop", "x.mp4", "--prompt"],
        ["connect", "x.mp4", "x.mp4", "--prompt"],
        ["edit", "x.mp4", "--prompt"],
        ["inpaint", "x.mp4", "--region", "0,0,8x8", "--prompt"],
    ],
)
def test_every_command_refuses_bytes(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, "caf\udce9"]) == 2
    assert "is not UTF-8 text" in capsys.readouterr().err
