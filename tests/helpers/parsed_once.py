"""What options a dataclass has is worked out once a process: a user's process parses one command line, ours hundreds.

tyro reads types, docstrings and defaults of all fields before it looks at a word; for ``train-dit`` that takes thirty
times as long as to parse.
"""

from __future__ import annotations

import typing
from typing import Any

from tyro import _parsers
from tyro._singleton import MISSING_NONPROP
from tyro.constructors import ConstructorRegistry

ROOT = {
    "markers": set(), "description": None, "parent_classes": set(), "default_instance": MISSING_NONPROP,
    "intern_prefix": "", "extern_prefix": "", "subcommand_prefix": "", "support_single_arg_types": False,
    "prog_suffix": "",
}  # fmt: skip
"""How ``tyro.cli`` asks for the options of a whole command."""


def keep() -> None:
    """Keep what tyro reads of a class, for the same class under the same rules, from now on."""
    read = _parsers.ParserSpecification.from_callable_or_type
    kept: dict[Any, Any] = {}

    def once(f: Any, **how: Any) -> Any:
        cls, *markers = typing.get_args(f) or (f,)
        if how != ROOT or not isinstance(cls, type):
            return read(f, **how)
        key = (cls, *map(repr, markers), *map(id, ConstructorRegistry._active_registries))
        if key not in kept:
            kept[key] = read(f, **how)
        return kept[key]

    _parsers.ParserSpecification.from_callable_or_type = staticmethod(once)  # type: ignore[method-assign,assignment]
