"""Intervals of shares: how far a figure of so many videos may be from the truth."""

from __future__ import annotations

from math import sqrt


def wilson(hits: float, n: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's score interval of a share, within [0, 1] (Wilson 1927); (0, 1) for ``n`` = 0.

    ``z`` is 1.96 for 95 %.
    """
    if n == 0:
        return 0.0, 1.0
    share = hits / n
    middle = share + z * z / (2 * n)
    spread = z * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)
