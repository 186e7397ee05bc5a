"""A mutation run forgets what the unchanged code has computed."""

from __future__ import annotations

import gc
import sys
from functools import cache, lru_cache
from types import ModuleType

import pytest

from tests.mutation.forgetful import pytest_sessionstart


def test_caches_of_our_modules_are_emptied_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutants behind a cached function survived whatever the tests asked."""
    kinds = {
        "pipeline.made_up": cache,
        "captioner.made_up": lru_cache(maxsize=8),
        "numpy_made_up": cache,
    }
    functions = []
    for name, keep in kinds.items():
        module = ModuleType(name)
        module.answer = keep(lambda number: number + 1)  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, name, module)
        functions.append(module.answer)
        assert module.answer(1) == 2 and module.answer.cache_info().currsize == 1
    gc.freeze()  # as mutmut does before a fork
    try:
        pytest_sessionstart()
    finally:
        gc.unfreeze()
    assert [f.cache_info().currsize for f in functions] == [0, 0, 1]
