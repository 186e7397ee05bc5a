"""Which slow libraries a command asks for, in a child of a process that has imported them already.

The modules are taken out of ``sys.modules`` and given back when the command imports the first of them, so a case says
what a real process would have had to load, without the seconds that loading takes.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

SECONDS = {"torch": 2.6, "ray": 0.8, "transformers": 1.3}
"""Processor time of an import, measured with ``time python -c 'import torch'`` on one core of a crowded machine."""
START_S = 0.45
"""Processor time until a process knows its options: Python, tyro, the module of the command."""


class Asked:
    """A finder that gives stashed libraries back to whoever imports them, and remembers that somebody did."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names: list[str] = []
        """Libraries that were asked for."""
        self._stashed: dict[str, dict[str, ModuleType]] = {}
        for name in names:
            family = [key for key in sys.modules if key == name or key.startswith(f"{name}.")]
            self._stashed[name] = {key: sys.modules.pop(key) for key in family}
        sys.meta_path.insert(0, self)  # type: ignore[arg-type]

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Give the library of ``name`` back, whole; None where it is none of them."""
        top = name.partition(".")[0]
        family = self._stashed.pop(top, None)
        if family is None:
            return None
        self.names.append(top)
        module = family.pop(
            top
        )  # the import itself puts it back, and would run a module that is there already
        sys.modules.update(family)
        return ModuleSpec(top, _Given(module))  # type: ignore[arg-type]


class _Given:
    """A loader of a module that is there."""

    def __init__(self, module: ModuleType) -> None:
        self.module, self.spec = module, module.__spec__

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """The module itself."""
        return self.module

    def exec_module(self, module: ModuleType) -> None:
        """Nothing is left to run; the module's own spec comes back."""
        module.__spec__ = self.spec
        sys.modules[module.__name__] = module
