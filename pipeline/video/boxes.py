"""The outermost boxes of an MP4 or QuickTime file, one after the other (ISO/IEC 14496-12, section 4.2)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HEAD_BYTES = 32
"""Read of each box: its length, its kind, and of a ``uuid`` box the extended type."""


@dataclass(frozen=True, kw_only=True)
class Box:
    """What the head of a box says."""

    kind: bytes
    """Four letters: ``ftyp``, ``moov``, ``uuid`` ..."""
    body: bytes
    """First bytes behind length and kind."""
    whole: bool
    """Whether it ends within the file."""


def outer_boxes(path: str | Path, most: int) -> Iterator[Box]:
    """At most ``most`` boxes from the first on, up to one whose length cannot be, or that reaches the end of the file.

    The bytes of any other file look like a box, too: the caller decides what the first may be.
    """
    with open(path, "rb") as file:
        size, at = file.seek(0, 2), 0
        for _ in range(most):
            file.seek(at)
            head = file.read(HEAD_BYTES)
            if len(head) < 8:
                return
            length, body = int.from_bytes(head[:4], "big"), 8
            if length == 1:  # the length is in 64 bits, behind the kind
                length, body = int.from_bytes(head[8:16], "big"), 16
            if length == 0:  # it ends with the file
                length = size - at
            yield Box(kind=head[4:8], body=head[body:], whole=at + length <= size)
            if length < body or at + length >= size:
                return
            at += length
