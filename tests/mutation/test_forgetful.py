"""A mutation run forgets what the unchanged code has computed."""

from __future__ import annotations

from functools import cache, lru_cache

from tests.mutation.forgetful import pytest_sessionstart


def test_caches_of_our_packages_are_emptied_and_no_others() -> None:
    """Mutants behind a cached function survived whatever the tests asked."""
    ours, bounded, other = (
        keep(lambda number: number + 1) for keep in (cache, lru_cache(maxsize=8), cache)
    )
    ours.__module__, bounded.__module__, other.__module__ = "pipeline.x", "captioner.y", "numpy.z"
    for function in (ours, bounded, other):
        assert function(1) == 2 and function.cache_info().currsize == 1
    pytest_sessionstart()
    assert [f.cache_info().currsize for f in (ours, bounded, other)] == [0, 0, 1]
