"""Memory of a server that stays: what a request took goes back, however many threads answered."""

from __future__ import annotations

import contextlib
import ctypes

ARENAS = 2
"""Heaps of the C library. By default it makes one for each thread, up to eight a core, and each keeps what it held."""
M_ARENA_MAX = -8
"""``mallopt``'s name of that number (glibc's malloc.h)."""


def keep_little() -> bool:
    """Bound the heaps of this process, and have Arrow use them too; call it before threads start.

    Returns whether the C library took the bound: others than glibc have no such number, and nothing is lost there.
    """
    import pyarrow as pa

    pa.set_memory_pool(pa.system_memory_pool())
    with contextlib.suppress(OSError, AttributeError):
        return bool(ctypes.CDLL(None).mallopt(M_ARENA_MAX, ARENAS))
    return False
