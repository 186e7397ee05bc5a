"""Extensions by name: ``module:object`` in a recipe or an option. Nothing is registered anywhere.

The module is imported as Python would: installed, on ``PYTHONPATH``, or in the folder the command was started in. On a
cluster it must be importable on every node.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any


def is_extension(name: str) -> bool:
    """Whether a name is ``module:object`` and not the name of something of ours, a path or a URI."""
    module, sign, attribute = name.partition(":")
    return (
        bool(sign)
        and attribute.isidentifier()
        and all(part.isidentifier() for part in module.split("."))
    )


def load_extension(name: str, what: str) -> Any:
    """The object that ``module:object`` names.

    Args:
        name: Such as ``my_scores:Sharpness``.
        what: What it is to be, for the error: ``scorer``, ``text encoder``.

    Raises:
        ValueError: the module cannot be imported, or has no such object.
    """
    if not is_extension(name):
        raise ValueError(
            f"{what} {name!r} is unknown; write module:object, such as my_module:MyClass"
        )
    loaded, attribute = _module_of(name, what), name.partition(":")[2]
    try:
        return getattr(loaded, attribute)
    except AttributeError:
        raise ValueError(
            f"{what} {name!r}: module {loaded.__name__!r} has no {attribute!r}"
        ) from None


def _module_of(name: str, what: str) -> ModuleType:
    module = name.partition(":")[0]
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ValueError(
            f"{what} {name!r}: module {module!r} cannot be imported ({error}); install it, or start filmstock in "
            "its folder"
        ) from error


def named(known: Mapping[str, Any], name: str, what: str) -> Any:
    """What ``known`` has by that name, or the function that ``module:function`` names; ``ValueError`` for neither."""
    if is_extension(name):
        return load_extension(name, what)
    check_name(known, name, what)
    return known[name]


def check_name(known: Collection[str], name: str, what: str) -> None:
    """``ValueError`` for a name that is none of ``known`` and no ``module:function`` that can be imported."""
    if is_extension(name):
        load_extension(name, what)
    elif name not in known:
        raise ValueError(
            f"{what} {name!r} is unknown; use one of {', '.join(known)}, or module:function"
        )


def extension_file(name: str) -> Path | None:
    """Source file of the module that ``module:object`` names: with it, what was made by it goes stale."""
    file = getattr(_module_of(name, "extension"), "__file__", None)
    return Path(file) if file else None


def make_extension(name: str, what: str, *args: Any) -> Any:
    """What the class or function that ``module:object`` names gives for ``args``."""
    return load_extension(name, what)(*args)
