"""The Python API: light to import, typed, and each name what the table says."""

from __future__ import annotations

import ast
import importlib
import pkgutil
from pathlib import Path

import pytest

from tests.test_imports import FOLDERS, ROOT, loaded_after

HEAVY = {"torch", "ray", "transformers", "open_clip", "av", "pyarrow", "numpy"}


def test_importing_every_package_loads_no_heavy_library():
    assert not loaded_after("import pipeline, captioner, vae, dit, jobs") & HEAVY


def test_the_help_loads_no_heavy_library():
    code = "import contextlib, io, jobs.cli\nwith contextlib.redirect_stdout(io.StringIO()): jobs.cli.main(['--help'])"
    assert not loaded_after(code) & HEAVY


@pytest.mark.parametrize("package", FOLDERS)
def test_every_public_name_is_what_type_checkers_are_told(package: str):
    module = importlib.import_module(package)
    told = {}
    for node in ast.walk(ast.parse(Path(ROOT / package / "__init__.py").read_text())):
        if isinstance(node, ast.ImportFrom) and node.module != "pipeline.exports":
            for alias in node.names:
                if alias.asname:
                    told[alias.asname] = (node.module, alias.name)
    assert sorted(told) == sorted(module.__all__) == list(module.__all__)
    for name, (where, what) in told.items():
        assert getattr(module, name) is getattr(importlib.import_module(str(where)), what)


@pytest.mark.parametrize("package", FOLDERS)
def test_no_public_name_is_shadowed_by_a_module(package: str):
    """Importing ``package.name`` as a module would put it in the place of the public name."""
    inside = {found.name for found in pkgutil.iter_modules([str(ROOT / package)])}
    assert not inside & set(importlib.import_module(package).__all__)


@pytest.mark.parametrize("package", FOLDERS)
def test_every_public_object_says_what_it_is(package: str):
    module = importlib.import_module(package)
    assert [name for name in module.__all__ if not getattr(module, name).__doc__] == []


def test_an_unknown_name_is_an_attribute_error():
    import pipeline

    with pytest.raises(AttributeError, match="module 'pipeline' has no attribute 'nothing'"):
        pipeline.nothing  # noqa: B018
