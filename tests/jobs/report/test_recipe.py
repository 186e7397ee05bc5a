"""filmstock recipe: ours by name, resolved as TOML, and every key with its meaning."""

from __future__ import annotations

import dataclasses
import json

import pytest

from jobs.core.errors import UserError
from jobs.core.recipe import SECTIONS, load_class, load_recipe
from jobs.report.recipe import main, recipe_keys


def test_every_setting_has_a_type_a_default_and_a_meaning() -> None:
    keys = {(key.section, key.key): key for key in recipe_keys()}
    fields = {
        (name, f.name) for name, to in SECTIONS.items() for f in dataclasses.fields(load_class(to))
    }
    assert keys.keys() == fields
    assert all(key.meaning and key.type for key in keys.values())
    deadline = keys["ingest", "deadline_s"]
    assert (deadline.unit, deadline.default, deadline.type) == (
        "seconds",
        120.0,
        "a number, above 0",
    )
    assert keys["ingest", "codec"].type == "one of h264, av1"
    assert keys["encode", "max_pixels"].unit == "pixels"


def test_it_prints_names_recipes_and_keys(capsys: pytest.CaptureFixture[str], tmp_path) -> None:
    assert main([]) == 0
    assert capsys.readouterr().out.startswith("cluster ")
    assert main(["laptop"]) == 0
    mine = tmp_path / "mine.toml"
    mine.write_text(capsys.readouterr().out)
    assert load_recipe(str(mine)).key == load_recipe("laptop").key
    main(["--keys", "pack", "--json"])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {line["section"] for line in lines} == {"pack"}
    main(["--keys"])
    assert (
        "ingest.crf: a whole number, at least 0 and at most 63, default 18"
        in capsys.readouterr().out
    )
    with pytest.raises(UserError, match="unknown section 'ingets'; did you mean 'ingest'"):
        main(["--keys", "ingets"])
