"""How much of their time two stretches of a source have in common."""

from __future__ import annotations


def shared_part(start: float, end: float, other_start: float, other_end: float) -> float:
    """Share of their union that two stretches have in common: 1 for the same, 0 or less for stretches apart."""
    union = max(end, other_end) - min(start, other_start)
    common = min(end, other_end) - max(start, other_start)
    return common / union if union > 0 else 0.0
