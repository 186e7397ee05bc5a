"""What usual changes add to is spelled once: samplers, sizes of models, codecs, kinds of captions, rules of select."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from captioner.ask.prompts import PROMPTS, WORLD_PROMPTS
from captioner.config import ASKED_KINDS
from dit.config import RULE_NAMES, SOLVER_NAMES, SamplerConfig
from dit.guidance import RULES
from dit.solvers import SOLVERS
from jobs.imports.items import ROLES
from pipeline import schema as s
from pipeline.config import CRF, BalanceConfig, BestConfig, Codec, MixConfig, SelectConfig
from pipeline.select.select import columns_read, expressions
from pipeline.video.encode import ENCODERS, OPTIONS

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("pipeline", "captioner", "vae", "dit", "jobs")
KINDS_IN_A_ROW = 4
"""Kinds of captions in one tuple, list or set that are taken for all of them once more."""
PLACES = {
    "dpm++2m": {"dit/config.py", "dit/solvers.py"},
    "4x16x16": {"vae/config.py"},
    "1.3B, 5B": set(),
    "libx264": {"pipeline/video/encode.py"},
    "libsvtav1": {"pipeline/video/encode.py"},
    "select.balance.{name}.prefer": {"pipeline/select/select.py"},
}
"""Text -> files of the packages that may hold it, help texts and docstrings among them."""


def sources() -> Iterator[tuple[str, str]]:
    """Name and text of every module of the packages."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield path.relative_to(ROOT).as_posix(), path.read_text()


def kinds_listed(source: str) -> list[int]:
    """Lines with a tuple, list or set of most kinds of captions."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Tuple | ast.List | ast.Set)
        and len({getattr(each, "value", None) for each in node.elts} & set(s.CAPTION_KINDS))
        >= KINDS_IN_A_ROW
    ]


@pytest.mark.parametrize("text", PLACES)
def test_a_name_stands_in_no_other_file(text: str) -> None:
    assert {name for name, source in sources() if text in source} == PLACES[text]


def test_only_the_schema_lists_the_kinds_of_captions() -> None:
    found = [name for name, source in sources() if kinds_listed(source)]
    assert found == ["pipeline/schema.py"]


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ('x = Literal["short", "dense", "structured", "original", "mix"]', [1]),
        ('\nx = ["facts", "short", "dense", "original"]', [2]),
        ('x = {"short", "dense", "structured"}', []),
    ],
)
def test_a_second_list_of_kinds_is_seen(source: str, lines: list[int]) -> None:
    assert kinds_listed(source) == lines


def test_names_for_options_are_those_of_the_functions_behind_them() -> None:
    assert tuple(SOLVERS) == SOLVER_NAMES
    assert tuple(RULES) == RULE_NAMES
    assert SamplerConfig().solver in SOLVER_NAMES and SamplerConfig().rule in RULE_NAMES


def test_every_codec_has_an_encoder_its_options_and_its_range() -> None:
    assert set(ENCODERS) == set(OPTIONS) == set(CRF) == set(get_args(Codec))


def test_every_kind_of_caption_has_its_place() -> None:
    kinds = set(s.CAPTION_KINDS)
    assert set(s.FALLBACK_KINDS) == kinds and len(s.FALLBACK_KINDS) == len(kinds)
    assert set(s.PROSE_KINDS) == kinds - {"structured"}
    assert {each.name for each in dataclasses.fields(MixConfig)} == kinds | {"empty"}
    assert set(PROMPTS) == set(WORLD_PROMPTS) == set(ASKED_KINDS)
    assert kinds - set(ROLES) == {"facts"}  # of an import they are measured anew


def test_every_expression_of_select_is_listed_and_its_columns_are_read() -> None:
    config = SelectConfig(
        where={"a": "c1 > 0"},
        dedup_exact=False,
        dedup_phash=False,
        dedup_keep=("c2",),
        best={"b": BestConfig(by="c3", keep=0.5)},
        balance={
            "d": BalanceConfig(group="c4", prefer="c5", cap=1),
            "e": BalanceConfig(concepts=("x",), cap=1),
        },
    )
    values, grouping = expressions(config)
    assert values == {
        "select.best.b.by": "c3",
        "select.dedup_keep[0]": "c2",
        "select.balance.d.prefer": "c5",
    }
    assert grouping == {"select.balance.d.group": "c4"}
    columns = [f"c{n}" for n in range(1, 7)] + ["concept_x", "concept_y"]
    assert columns_read(columns, config) == ["c1", "c2", "c3", "c4", "c5", "concept_x"]
