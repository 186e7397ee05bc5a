"""pytest plugin of a mutation run: what the code as it is has computed and cached is forgotten before a mutant's tests.

A mutant is tried in a fork of a process in which the tests have passed. Of a cached function the fork holds every
answer; no mutant behind it would ever be called.
"""

from __future__ import annotations

import functools
import gc

from tests.mutation.run import PACKAGES


def pytest_sessionstart() -> None:
    """Empty every ``functools`` cache of our packages."""
    caches = [each for each in gc.get_objects() if type(each) is functools._lru_cache_wrapper]
    for each in caches:
        if str(each.__module__).partition(".")[0] in PACKAGES:
            each.cache_clear()
