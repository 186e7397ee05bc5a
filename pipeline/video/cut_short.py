"""Whether an MP4 or QuickTime file ends before its contents do: a copy or a recording that broke off.

The file says how long each of its boxes is. One that ends beyond the end of the file is cut short, and what comes
before the end is good. Damage anywhere else is not told apart from an attack, and costs the file.
"""

from __future__ import annotations

from pathlib import Path

from pipeline.video.boxes import outer_boxes

BOXES = 100_000
"""Boxes looked at before a file is taken for whole."""


def is_cut_short(path: str | Path) -> bool:
    """True when a box at the top of the file ends beyond the end of the file; False for what has no such boxes."""
    for number, box in enumerate(outer_boxes(path, BOXES)):
        if number == 0 and box.kind != b"ftyp":
            return False
        if not box.whole:
            return True
    return False
