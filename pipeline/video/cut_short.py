"""Whether an MP4 or QuickTime file ends before its contents do: a copy or a recording that broke off.

The file says how long each of its boxes is (ISO/IEC 14496-12, section 4.2). One that ends beyond the end of the file is
cut short, and what comes before the end is good. Damage anywhere else is not told apart from an attack, and costs the
file.
"""

from __future__ import annotations

from pathlib import Path

BOXES = 100_000
"""Boxes looked at before a file is taken for whole."""


def is_cut_short(path: str | Path) -> bool:
    """True when a box at the top of the file ends beyond the end of the file; False for what has no such boxes."""
    size = Path(path).stat().st_size
    with open(path, "rb") as file:
        at = 0
        for number in range(BOXES):
            file.seek(at)
            head = file.read(16)
            if len(head) < 8:
                return False
            length, kind = int.from_bytes(head[:4], "big"), head[4:8]
            if number == 0 and kind != b"ftyp":
                return False
            if length == 1:
                length = int.from_bytes(head[8:16], "big")
            if length == 0:  # it ends with the file
                return False
            if length < 8:
                return False
            at += length
            if at > size:
                return True
    return False
