"""Find pairs of 64-bit hashes that differ in few bits, without comparing all pairs.

Cut 64 bits into ``bits + k`` blocks: two hashes within ``bits`` of each other agree on at least ``k`` whole blocks
(pigeonhole). So for every choice of k blocks, only hashes that agree on them are compared. More blocks to agree on
mean fewer comparisons but more sorts; ``k`` is chosen by counting both.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations

import numpy as np

HASH_BITS = 64
THREADS = 4
"""Sorts that run at once, at most."""
SORT_COST = 8.0
"""Cost of putting one hash in order, in comparisons."""


def near_pairs(hashes: np.ndarray, bits: int) -> np.ndarray:
    """Pairs of distinct values that differ in at most ``bits`` bits.

    Args:
        hashes: uint64 (n,), all different.
        bits: 0 to 63.

    Returns:
        int64 (p, 2): positions i < j in ``hashes``, each pair once, ordered by (i, j).
    """
    n = len(hashes)
    found = [np.zeros(0, np.int64)]
    if bits and n > 1:
        agree = blocks_to_agree(n, bits)
        edges = np.linspace(0, HASH_BITS, bits + agree + 1).astype(int).tolist()
        blocks = list(zip(edges, edges[1:], strict=False))
        # NumPy sorts without holding Python's lock
        with ThreadPoolExecutor(min(THREADS, os.cpu_count() or 1)) as pool:
            chosen = combinations(blocks, agree)
            found += pool.map(lambda each: _pairs_that_agree(hashes, each, bits), chosen)
    packed = np.unique(np.concatenate(found))
    return np.stack([packed // max(n, 1), packed % max(n, 1)], axis=1)


def blocks_to_agree(n: int, bits: int) -> int:
    """How many blocks ``n`` hashes should agree on before they are compared: the cheapest, were they random."""

    def cost(agree: int) -> float:
        share = 2.0 ** -(HASH_BITS * agree / (bits + agree))
        return math.comb(bits + agree, agree) * (SORT_COST * n + n * n / 2 * share)

    return min(range(1, min(4, HASH_BITS - bits) + 1), key=cost)


def _pairs_that_agree(
    hashes: np.ndarray, blocks: Sequence[tuple[int, int]], bits: int
) -> np.ndarray:
    """Pairs within ``bits`` among hashes that agree on bits [low, high) of each block, as i * n + j with i < j."""
    n = len(hashes)
    keys = np.zeros(n, np.uint64)
    width = 0
    for low, high in blocks:
        block = (hashes >> np.uint64(low)) & np.uint64((1 << (high - low)) - 1)
        keys |= block << np.uint64(width)
        width += high - low
    order = _argsort(keys, width)
    keys, values = keys[order], hashes[order]
    found = []
    # rows `step` apart with equal keys: those of a later step are among those of an earlier one
    at = np.flatnonzero(keys[1:] == keys[:-1])
    step = 1
    while len(at):
        near = at[np.bitwise_count(values[at] ^ values[at + step]) <= bits]
        first, second = order[near], order[near + step]
        found.append(np.minimum(first, second) * n + np.maximum(first, second))
        step += 1
        at = at[at < n - step]
        at = at[keys[at] == keys[at + step]]
    return np.concatenate(found) if found else np.zeros(0, np.int64)


def _argsort(keys: np.ndarray, width: int) -> np.ndarray:
    """Order of uint64 keys of ``width`` bits, 16 at a time: NumPy sorts 16-bit numbers by radix, six times as fast."""
    order = np.argsort(keys.astype(np.uint16), kind="stable")
    for shift in range(16, width, 16):
        digits = (keys[order] >> np.uint64(shift)).astype(np.uint16)
        order = order[np.argsort(digits, kind="stable")]
    return order
