"""The comparison of two runs as one self-contained page, with the clips' pictures within a budget of bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jobs.report.compare import Changed, Diff
from jobs.report.data import Run
from jobs.report.pictures import PictureBudget, StillCache
from pipeline.store.atomic import write_bytes

PICTURE_BYTES = 3_500_000
"""Base64 of pictures at most."""
SHARES = {"entered": 0.4, "left": 0.4, "otherwise": 0.2}
"""Section -> share of the pictures' bytes."""
MOST = 120
"""Clips of a section at most."""
TEMPLATE = Path(__file__).with_name("diff.html.j2")


def write_page(path: Path, diff: Diff, a: Run, b: Run) -> None:
    """Write the page to ``path``."""
    import jinja2

    stills = (StillCache(a), StillCache(b))
    sections = []
    for name, title, clips in (
        ("entered", "Entered: kept in B alone", diff.entered),
        ("left", "Left: kept in A alone", diff.left),
        ("otherwise", "Decided otherwise, kept in neither", diff.otherwise),
    ):
        budget = PictureBudget(left=int(PICTURE_BYTES * SHARES[name]))
        cards = [_card(clip, stills, budget) for clip in clips[:MOST]]
        sections.append({"id": name, "title": title, "cards": cards, "total": len(clips)})
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    write_bytes(path, template.render(diff=diff, sections=sections).encode())


def _card(
    clip: Changed, stills: tuple[StillCache, StillCache], budget: PictureBudget
) -> dict[str, Any]:
    """A clip with its picture; empty when it cannot be read, or the budget is spent."""
    side, row = (stills[1], clip.row_b) if clip.row_b is not None else (stills[0], clip.row_a)
    assert row is not None
    src = side.middle(row) if budget.left > 0 else ""
    return {"clip": clip, "src": src if src and budget.pay(src) else ""}
