"""``filmstock recipe``: a recipe with every setting resolved, or the table of what a recipe may say."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import json
import textwrap
from dataclasses import dataclass
from typing import Any, get_type_hints

import tyro

from jobs.core.args import parse_args
from jobs.core.console import say
from jobs.core.errors import EXIT_OK, UserError, unknown
from jobs.core.recipe import (
    RECIPES,
    RESOLVED,
    SECTIONS,
    load_class,
    load_recipe,
    to_toml,
    type_words,
)
from pipeline.store.paths import location

UNITS = {
    "_s": "seconds",
    "_bytes": "bytes",
    "fps": "frames/s",
    "_pixels": "pixels",
    "_frames": "frames",
    "_tokens": "tokens",
    "_side": "pixels",
    "height": "pixels",
    "_share": "share",
    "_budget": "share",
    "frames": "frames",
    "_bits": "bits",
}
"""Ending of a setting's name -> its unit."""


@dataclass(frozen=True, kw_only=True)
class Args:
    """Print a recipe with every setting, as a file to start your own from; or with --keys what each setting means."""

    recipe: tyro.conf.Positional[str | None] = None
    """Name of one of ours, a file, or a run folder; with --keys a section. Default: the names of ours."""
    keys: bool = False
    """List the settings: type, unit, default, meaning."""
    json: bool = False
    """With --keys: one JSON object per setting."""


@dataclass(frozen=True, kw_only=True)
class Key:
    """One setting of a recipe."""

    section: str
    key: str
    type: str
    """What it may be, in words, with its limits."""
    unit: str
    """Its unit; empty where there is none."""
    default: Any
    """Value when it is left out; None when it is off."""
    meaning: str
    """What it does."""


def main(argv: list[str]) -> int:
    """Parse the command line and run."""
    args = parse_args(Args, argv, "recipe")
    if args.keys:
        if args.recipe is not None and args.recipe not in SECTIONS:
            raise UserError(f"--keys: {unknown('section', args.recipe, SECTIONS)}")
        for key in recipe_keys():
            if args.recipe in (None, key.section):
                say(json.dumps(dataclasses.asdict(key)) if args.json else described(key))
    elif args.recipe is None:
        for path in sorted(RECIPES.glob("*.toml")):
            say(f"{path.stem:<10} {first_words(path.read_text())}")
    else:
        place = location(args.recipe) / RESOLVED
        say(to_toml(load_recipe(place if place.is_file() else args.recipe)).rstrip())
    return EXIT_OK


def described(key: Key) -> str:
    """A setting in a line and its meaning below it."""
    default = "" if key.default is None else f", default {json.dumps(key.default)}"
    unit = f", {key.unit}" if key.unit else ""
    head = f"{key.section}.{key.key}: {key.type}{unit}{default}"
    return "\n".join([head, textwrap.indent(textwrap.fill(key.meaning, 96), "    ")])


def first_words(text: str) -> str:
    """The first sentence of a recipe's comment."""
    lines = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.lstrip("# "))
    return " ".join(lines).partition(". ")[0].partition(": ")[0].rstrip(".")


def recipe_keys() -> list[Key]:
    """Every setting of every section, in their order, from the dataclasses that check them."""
    found = []
    for section, target in SECTIONS.items():
        cls = load_class(target)
        hints, limits = get_type_hints(cls), get_type_hints(cls, include_extras=True)
        meanings = docs_of(cls)
        for field in dataclasses.fields(cls):
            meaning = meanings.get(field.name, "")
            kind = type_words(hints[field.name])
            if bound := limits_of(limits[field.name]):
                kind += f", {bound}"
            default: Any = (
                field.default_factory()
                if field.default_factory is not dataclasses.MISSING
                else field.default
            )
            found.append(
                Key(
                    section=section,
                    key=field.name,
                    type=kind,
                    unit=unit_of(field.name),
                    default=plain(default),
                    meaning=meaning,
                )
            )
    return found


def limits_of(hint: Any) -> str:
    """The limits stated beside a field, in words; empty where there are none."""
    from pipeline.bounds import limits_in

    limits = limits_in(hint)
    return str(limits) if limits is not None else ""


def unit_of(name: str) -> str:
    """Unit of a setting by the ending of its name, as names are given here; empty where there is none."""
    return next((unit for end, unit in UNITS.items() if name.endswith(end)), "")


def docs_of(cls: type) -> dict[str, str]:
    """Field -> the text below it in the source, as one line without marks."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    assert isinstance(tree, ast.ClassDef)
    found = {}
    for field, text in zip(tree.body, tree.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
        ):
            found[field.target.id] = " ".join(str(text.value.value).replace("``", "").split())
    return found


def plain(value: Any) -> Any:
    """A default as JSON has it."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {name: plain(each) for name, each in vars(value).items()}
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    if isinstance(value, tuple | list):
        return [plain(each) for each in value]
    return value
