"""A recipe is one TOML file: a section per stage, checked against that stage's dataclass, unknown keys refused.

``load_recipe("demo", {"ingest.crf": 20})`` reads ``recipes/demo.toml``, applies overrides and returns a ``Recipe``.
``to_toml`` writes the resolved recipe back, so that a run folder says exactly what made it.
"""

from __future__ import annotations

import copy
import dataclasses
import importlib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin, get_type_hints

import recipes
from jobs.core.errors import UserError, unknown
from jobs.core.keys import config_key
from pipeline.config import (
    EncodeConfig,
    IngestConfig,
    MixConfig,
    OpenClipConfig,
    PackConfig,
    SelectConfig,
)
from pipeline.store.atomic import write_bytes
from pipeline.store.paths import Location, location

if TYPE_CHECKING:
    from captioner.config import CaptionConfig

RECIPES = Path(recipes.__file__).parent
"""Folder of the recipes that come with filmstock: ``--recipe demo`` is a file in it. Wheels carry it, as a package."""

RESOLVED = "recipe.toml"
"""Name of the resolved recipe in a run folder."""

SECTIONS = {
    "ingest": "pipeline.config:IngestConfig",
    "openclip": "pipeline.config:OpenClipConfig",
    "select": "pipeline.config:SelectConfig",
    "caption": "captioner.config:CaptionConfig",
    "pack": "pipeline.config:PackConfig",
    "encode": "pipeline.config:EncodeConfig",
    "mix": "pipeline.config:MixConfig",
}
"""Section -> dataclass that checks it; imported when a recipe is loaded, never for ``--help``."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything a curation run depends on besides its inputs."""

    name: str
    """File name of the recipe without ``.toml``, or ``default``."""
    ingest: IngestConfig
    """From raw video to clips."""
    openclip: OpenClipConfig
    """The CLIP model behind embeddings, concepts and text features."""
    select: SelectConfig
    """Which clips are kept."""
    caption: CaptionConfig
    """How clips are described."""
    pack: PackConfig
    """From kept clips to shards."""
    encode: EncodeConfig
    """From shards to latents."""
    mix: MixConfig
    """Which of a clip's captions training shows."""

    @property
    def key(self) -> str:
        """Hash of the resolved settings, without the recipe's name."""
        return config_key({name: getattr(self, name) for name in SECTIONS})


RENAMED = (("[clip]", "[openclip]"), ("[select] against", "[select] dedup_against"))
"""Sections and keys that had another name in recipes of version 0.0."""


def load_recipe(
    recipe: str | Location | None = None, overrides: Mapping[str, Any] | None = None
) -> Recipe:
    """Read a recipe by name or path (None: all defaults) and apply ``{"section.key": value}`` overrides."""
    path = None if recipe is None else find_recipe(str(recipe))
    own: dict[str, Any] = {} if path is None else _read_toml(path)
    where = "defaults" if path is None else path.name if path.parent == RECIPES else str(path)
    if renamed := [f"{old} is {new} now" for old, new in RENAMED if _holds(own, old)]:
        raise UserError(
            f"{where} was written by an earlier filmstock: {', '.join(renamed)}; rename it there"
        )
    name = "default" if path is None else path.stem
    read = _sections(own, where)
    if not overrides:
        return Recipe(name=name, **read)
    raw = copy.deepcopy(own)  # which is sound, so what is wrong from here on is an override's fault
    for dotted, value in overrides.items():
        section, _, key = dotted.partition(".")
        if not section or not key:
            raise UserError(
                f"--set {dotted}: names no setting; write section.key=value, e.g. ingest.crf=20"
            )
        if not isinstance(raw.setdefault(section, {}), dict):
            raise UserError(f"--set {dotted}: [{section}] is no table")
        _set_nested(raw[section], key.split("."), value, f"--set {dotted}")
    return Recipe(name=name, **_sections(raw, "--set"))


def _sections(raw: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Section -> its dataclass, from plain tables."""
    for section in raw:
        if section not in SECTIONS:
            raise UserError(f"{where}: {unknown('section', section, SECTIONS)}")
    return {
        name: section_from(load_class(target), raw.get(name, {}), f"{where}: [{name}]")
        for name, target in SECTIONS.items()
    }


def folder_recipe(
    folder: str | Location,
    recipe: str | Location | None,
    overrides: Mapping[str, Any] | None = None,
) -> Recipe:
    """The recipe a stage of a run folder uses: the one named, else the folder's own, else the defaults."""
    own = location(folder) / RESOLVED
    return load_recipe(own if recipe is None and own.is_file() else recipe, overrides)


def save_recipe(folder: str | Location, recipe: Recipe) -> None:
    """Write the resolved recipe into the run folder, atomically and only when its settings changed."""
    path, text = location(folder) / RESOLVED, to_toml(recipe)
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        write_bytes(path, text.encode())


def find_recipe(recipe: str) -> Location:
    """Path of a recipe given as a path or URI, or as the name of a file in ``recipes/``."""
    path = location(recipe)
    if isinstance(path, Path):
        path = path.expanduser()
    if path.is_file():
        return path
    shipped = {entry.stem: entry for entry in sorted(RECIPES.glob("*.toml"))}
    if recipe in shipped:
        return shipped[recipe]
    if path.is_dir():
        raise UserError(f"recipe {recipe!r} is a folder; give the .toml file in it")
    raise UserError(f"no such file, and {unknown('recipe', recipe, shipped)}")


def section_from(cls: type, raw: Any, where: str) -> Any:
    """Build ``cls`` from the table ``raw``, refusing unknown keys and wrong types by name; ``where``: see errors."""
    import msgspec

    if not isinstance(raw, Mapping):
        raise UserError(f"{where} must be a table of settings, key = value, not {raw!r}")
    names = [f.name for f in dataclasses.fields(cls) if f.init]
    for key in raw:
        if key not in names:
            raise UserError(f"{where}: {unknown('key', key, names)}")
    nested = {
        key: _entries(entry, raw[key], f"{where.removesuffix(']')}.{key}")
        for key, entry in _tables_in(cls).items()
        if key in raw
    }
    try:
        flat = {key: value for key, value in raw.items() if key not in nested}
        checked: Any = msgspec.convert(flat, type=cls)
        # msgspec leaves fields that were not given out of the instance's __dict__; our own constructor does not
        return cls(**{**{name: getattr(checked, name) for name in names}, **nested})
    except msgspec.ValidationError as error:
        raise UserError(f"{where} {type_error(cls, raw, str(error))}") from None
    except ValueError as error:  # raised by the dataclass itself
        raise UserError(f"{where} {error}") from None


def _holds(raw: Mapping[str, Any], named: str) -> bool:
    """True when a recipe has the section ``[name]`` or the setting ``[name] key``."""
    section, _, key = named.removeprefix("[").partition("]")
    return section in raw and (not key or key.strip() in raw[section])


def type_error(cls: type, raw: Mapping[str, Any], error: str) -> str:
    """What a setting must be, from msgspec's words on a value of another type."""
    text, _, place = error.partition(" - at `$")
    key = re.split(r"[.\[]", place.rstrip("`").lstrip("."))[0]
    if missing := re.search(r"missing required field `(\w+)`", text):
        return f"has no {missing[1]}; add {missing[1]} = ..."
    if "; it must be " in text or not text.startswith(("Expected", "Invalid", "Object")):
        return text  # our own words
    if key not in raw:
        return f"{text[:1].lower()}{text[1:]}; filmstock recipe --keys lists what it may be"
    return f"{key} is {raw[key]!r}; it must be {type_words(get_type_hints(cls)[key])}"


def type_words(hint: Any) -> str:
    """A type in the words of who writes a recipe."""
    if get_origin(hint) is Literal:
        return "one of " + ", ".join(map(str, get_args(hint)))
    if get_origin(hint) in (Union, UnionType):
        return " or ".join(type_words(part) for part in get_args(hint) if part is not type(None))
    if get_origin(hint) is tuple:
        return f"a list, each of it {type_words(get_args(hint)[0])}"
    if get_origin(hint) is dict:
        return "a table, key = value"
    words = {int: "a whole number", float: "a number", bool: "true or false", str: "text in quotes"}
    return words.get(hint, getattr(hint, "__name__", str(hint)))


def _tables_in(cls: type) -> dict[str, type]:
    """Fields of ``cls`` that hold tables by name, such as ``dict[str, BestConfig]``, with the class of an entry."""
    found = {}
    for name, hint in get_type_hints(cls).items():
        if get_origin(hint) is dict and dataclasses.is_dataclass(get_args(hint)[1]):
            found[name] = get_args(hint)[1]
    return found


def _entries(cls: type, raw: Any, where: str) -> dict[str, Any]:
    if not isinstance(raw, Mapping):
        raise UserError(f"{where}] must be a table of named tables, not {raw!r}")
    return {name: section_from(cls, entry, f"{where}.{name}]") for name, entry in raw.items()}


def parse_override(text: str) -> tuple[str, Any]:
    """``"ingest.crf=20"`` -> ``("ingest.crf", 20)``; the value is TOML, or else taken as a string."""
    dotted, sign, value = text.partition("=")
    if not sign:
        raise UserError(f"--set {text!r} has no '='; write --set section.key=value")
    try:
        return dotted.strip(), tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return dotted.strip(), value


def parse_overrides(texts: Iterable[str]) -> dict[str, Any]:
    """Every ``--set`` of a command line; UserError for a key that stands twice, of which one would be lost."""
    found: dict[str, Any] = {}
    for text in texts:
        key, value = parse_override(text)
        if key in found:
            raise UserError(
                f"--set {key} is given twice, {found[key]!r} and {value!r}; give it once"
            )
        found[key] = value
    return found


def to_toml(recipe: Recipe) -> str:
    """The resolved recipe as TOML that ``load_recipe`` reads back to an equal one (None: left out)."""
    import tomli_w

    sections = {name: _set_only(dataclasses.asdict(getattr(recipe, name))) for name in SECTIONS}
    return f"# filmstock recipe: every setting of the last run in this folder\n\n{tomli_w.dumps(sections)}"


def _set_only(values: Mapping[str, Any]) -> dict[str, Any]:
    """A table without its None values: TOML has no word for them, and a key that is left out is None."""
    return {
        key: _set_only(value) if isinstance(value, Mapping) else value
        for key, value in values.items()
        if value is not None
    }


def _read_toml(path: Location) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot read recipe {path}: {error.strerror}; check its rights") from None
    except UnicodeDecodeError:
        raise UserError(f"recipe {path} is not UTF-8 text; save it as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise UserError(
            f"recipe {path} is not valid TOML: {error}; write [section] and lines of key = value"
        ) from None


def _set_nested(table: Any, keys: list[str], value: Any, where: str) -> None:
    for key in keys[:-1]:
        table = table.setdefault(key, {})
        if not isinstance(table, dict):
            raise UserError(f"{where}: {key!r} is a value, not a table; write section.key=value")
    table[keys[-1]] = value


def load_class(target: str) -> type:
    """The class that ``module:name`` names."""
    module, _, name = target.partition(":")
    loaded: type = getattr(importlib.import_module(module), name)
    return loaded
