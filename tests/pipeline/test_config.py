"""Recipe sections: every field says what it is and has a default that a TOML file can hold."""

from __future__ import annotations

import ast
import dataclasses
import inspect

import pytest

from pipeline import config

SECTIONS = [
    config.IngestConfig,
    config.ClipConfig,
    config.SelectConfig,
    config.PackConfig,
    config.EncodeConfig,
]


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
    section()


@pytest.mark.parametrize("section", SECTIONS)
def test_sections_are_frozen(section: type):
    first = dataclasses.fields(section)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(section(), first, None)
