"""Recipe sections: every field says what it is and has a default that a TOML file can hold."""

from __future__ import annotations

import ast
import dataclasses
import inspect

import pytest

from pipeline import config

SECTIONS = [
    config.IngestConfig,
    config.OpenClipConfig,
    config.SelectConfig,
    config.BestConfig,
    config.BalanceConfig,
    config.PackConfig,
    config.EncodeConfig,
]

NEEDED = {
    config.BestConfig: {"by": "blur", "keep": 0.5},
    config.BalanceConfig: {"cap": 1, "group": "source_id"},
}
"""What a table inside a section cannot do without."""


def make(section: type) -> object:
    return section(**NEEDED.get(section, {}))


@pytest.mark.parametrize("section", SECTIONS)
def test_every_field_is_documented_and_defaulted(section: type):
    (tree,) = ast.parse(inspect.getsource(section)).body
    assert isinstance(tree, ast.ClassDef)
    documented = {
        field.target.id
        for field, text in zip(tree.body, tree.body[1:], strict=False)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
    }
    assert documented == {field.name for field in dataclasses.fields(section)}
    make(section)


@pytest.mark.parametrize("section", SECTIONS)
def test_sections_are_frozen(section: type):
    first = dataclasses.fields(section)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(make(section), first, None)


def test_targets_and_caps_out_of_range_say_what_to_use():
    for share in (0, 1.1, -0.2):
        with pytest.raises(ValueError, match="keep is .*; it must be above 0 and at most 1"):
            config.BestConfig(by="blur", keep=share)
    with pytest.raises(ValueError, match="cap is 0; it must be at least 1"):
        config.BalanceConfig(cap=0, group="source_id")
    for both in ({}, {"group": "x", "concepts": ("y",)}):
        with pytest.raises(ValueError, match="and not both"):
            config.BalanceConfig(cap=1, **both)
