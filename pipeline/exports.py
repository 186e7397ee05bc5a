"""Lazy exports: a package's public names are imported when they are first used (PEP 562)."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any


def lazy_exports(package: str, targets: Mapping[str, str]) -> Callable[[str], Any]:
    """The module ``__getattr__`` of ``package``, which imports public names on first use.

    Args:
        package: Dotted name of the package.
        targets: Public name -> ``module:name`` that it stands for.

    So ``import pipeline`` costs nothing, and ``pipeline.detect_shots`` imports what shot detection needs and no more.
    """

    def __getattr__(name: str) -> Any:
        target = targets.get(name)
        if target is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module, _, attribute = target.partition(":")
        value = getattr(importlib.import_module(module), attribute)
        setattr(importlib.import_module(package), name, value)
        return value

    return __getattr__
