"""Help of every command ends with examples whose options exist."""

from __future__ import annotations

import importlib
import re

import pytest

from jobs.cli import COMMANDS
from jobs.core.examples import EXAMPLES, examples_text


@pytest.mark.parametrize("name", sorted(set(EXAMPLES) & set(COMMANDS)))
def test_examples_name_options_that_are_there(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    module, _, function = COMMANDS[name].target.partition(":")
    with pytest.raises(SystemExit):
        getattr(importlib.import_module(module), function)(["--help"])
    text = capsys.readouterr().out
    assert examples_text(name) in text
    assert "{None}" not in text and "[STR ...]]]" not in text
    for line in EXAMPLES[name]:
        for option in re.findall(r"--[a-z][a-z-]*", line):
            assert option in text, f"{line}: no {option}"


def test_examples_are_of_commands_that_are_there() -> None:
    assert {name.partition(" ")[0] for name in EXAMPLES} <= set(COMMANDS)
    assert examples_text("nothing") == ""
