"""pytest plugin of a mutation run: what the code as it is has computed and cached is forgotten before a mutant's tests.

A mutant is tried in a fork of a process in which the tests have passed. Of a cached function the fork holds every
answer; no mutant behind it would ever be called.
"""

from __future__ import annotations

import functools
import sys

from tests.mutation.run import PACKAGES


def pytest_sessionstart() -> None:
    """Empty the ``functools`` caches of our modules."""
    ours = [module for name, module in sys.modules.items() if name.partition(".")[0] in PACKAGES]
    for (
        module
    ) in ours:  # the collector does not list them: mutmut freezes what there is before it forks
        for each in vars(module).values():
            if type(each) is functools._lru_cache_wrapper:
                each.cache_clear()
