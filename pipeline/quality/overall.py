"""One figure from four: the weighted mean of what was measured."""

from __future__ import annotations

from collections.abc import Mapping

WEIGHTS = {"coherence": 0.4, "fluency": 0.3, "relevance": 0.2, "creativity": 0.1}
"""Weight of each measure; each is in [0, 1], and so is the overall figure."""


def overall(parts: Mapping[str, float | None]) -> float | None:
    """Weighted mean of the measures that are not None, their weights scaled to 1; None when there is none.

    Without prompts there is no relevance, and of one video no creativity: such a figure is comparable with others that
    lack the same part only.
    """
    known = {name: value for name in WEIGHTS if (value := parts.get(name)) is not None}
    total = sum(WEIGHTS[name] for name in known)
    return sum(WEIGHTS[name] * value for name, value in known.items()) / total if known else None
